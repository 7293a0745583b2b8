"""llama.cpp behind a small surface: load, warm, generate. Runs inside the worker process only.

The prompt state of the system prompt is evaluated once and saved to disk; a restarted worker reads it back
instead. Within a process llama.cpp's own prefix reuse keeps it: every conversation begins with it.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import hashlib
import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carvoice.errors import ModelError
from carvoice.llm.prompt import Message

_PROMPT_BATCH = 256
_STATES = 4  # warm states kept on disk: one for each model and system prompt of late
_NOT_INSTALLED = "the local model needs llama-cpp-python: pip install 'carvoice[llm]'"
_ANSWER_ROOM = 256  # tokens kept free for question and answer after the system prompt


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the model is loaded.

    Attributes:
        model_path: GGUF file.
        n_ctx: tokens of context; costs memory (stated in :class:`EngineReport`).
        n_threads: compute threads for prompts; half of them generate. Generating token by token, threads
            wait for each other so often that a second one gains little on idle cores and loses on busy ones.
        temperature: 0 is greedy.
        seed: of the sampler.
        state_folder: where the warm prompt state is saved; None for nowhere.
    """

    model_path: Path
    n_ctx: int = 2048
    n_threads: int = 2
    temperature: float = 0.3
    seed: int = 0
    state_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What loading took: milliseconds, resident megabytes, tokens of the warm prompt, from disk or not."""

    model: str
    load_ms: float
    warm_ms: float
    warm_tokens: int
    warm_from_disk: bool
    n_ctx: int
    n_threads: int
    rss_mb: float


@dataclass(slots=True)
class Generation:
    """Counts of one generation; complete when its iterator has ended.

    Attributes:
        reason: "stop", "length", "time" or "cancel".
        reused_tokens: prompt tokens that the warm state spared.
    """

    reason: str = ""
    prompt_tokens: int = 0
    reused_tokens: int = 0
    tokens: int = 0
    ttft_ms: float = 0.0


class Engine:
    """A loaded GGUF.

    Raises:
        ModelError: no such file, not a GGUF that llama.cpp can run, no chat template, or llama-cpp-python is
            not installed.
    """

    def __init__(self, settings: EngineSettings, system: str) -> None:
        started_s = time.monotonic()
        try:
            import llama_cpp
            from llama_cpp.llama_chat_format import Jinja2ChatFormatter
        except ImportError as error:
            raise ModelError(_NOT_INSTALLED) from error
        self._api = llama_cpp
        self._settings = settings
        self._llama = _load(settings, seed=settings.seed, n_batch=_PROMPT_BATCH)
        template = self._llama.metadata.get("tokenizer.chat_template")
        if not template:
            raise ModelError(f"{settings.model_path} has no chat template; use an instruct model")
        token_text = self._llama._model.token_get_text
        bos, eos = self._llama.token_bos(), self._llama.token_eos()
        self._format: Any = Jinja2ChatFormatter(
            template=template,
            bos_token=token_text(bos) if bos != -1 else "",
            eos_token=token_text(eos) if eos != -1 else "",
        )
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._llama._model.model)
        self._stop_now: Callable[[], bool] = lambda: False
        # Polled by llama.cpp while it evaluates a prompt, so that this too can be broken off.
        self._abort = llama_cpp.ggml_abort_callback(lambda _: self._stop_now())
        self._no_abort = llama_cpp.ggml_abort_callback()  # null
        load_ms = (time.monotonic() - started_s) * 1e3
        warm_started_s = time.monotonic()
        warm_tokens, from_disk = self._warm(system)
        self.report = EngineReport(
            model=settings.model_path.stem,
            load_ms=load_ms,
            warm_ms=(time.monotonic() - warm_started_s) * 1e3,
            warm_tokens=warm_tokens,
            warm_from_disk=from_disk,
            n_ctx=settings.n_ctx,
            n_threads=settings.n_threads,
            rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        time_s: float,
        cancelled: Callable[[], bool],
        counts: Generation,
        call_schema: str | None = None,
    ) -> Iterator[str]:
        """Yield the answer piece by piece; a piece is whole characters of one or more tokens.

        Args:
            messages: the conversation, system prompt first.
            max_tokens: most tokens to generate.
            time_s: most seconds for prompt and answer together.
            cancelled: asked before every token and while the prompt is evaluated.
            counts: filled in.
            call_schema: JSON schema of a tool call; an answer that begins with ``{`` is constrained to it.

        Raises:
            ModelError: the prompt does not fit into the context.
        """
        started_s = time.monotonic()
        prompt = self._tokens(messages)
        counts.prompt_tokens = len(prompt)
        room = self._settings.n_ctx - len(prompt) - 1
        if room < 8:
            raise ModelError(
                f"the prompt of {len(prompt)} tokens does not fit into n_ctx {self._settings.n_ctx}"
            )
        counts.reused_tokens = self._llama.longest_token_prefix(
            self._llama.input_ids[: self._llama.n_tokens].tolist(), prompt
        )

        def broken_off() -> str:
            if cancelled():
                return "cancel"
            return "time" if time.monotonic() - started_s > time_s else ""

        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        tokens = self._sample(prompt, None, broken_off)
        constrained = False
        call = ""
        while True:
            token = next(tokens, None)
            if token is None:
                counts.reason = broken_off() or "stop"
                break
            if counts.tokens == 0:
                counts.ttft_ms = (time.monotonic() - started_s) * 1e3
            text = decoder.decode(self._piece(token))
            if call_schema and not constrained and counts.tokens == 0 and text.lstrip().startswith("{"):
                constrained = True
                decoder.reset()
                tokens = self._sample(prompt, call_schema, broken_off)
                continue
            counts.tokens += 1
            if text:
                yield text
            if constrained and _is_json(call := call + text):
                counts.reason = "stop"  # the grammar would still allow spaces, and a model may like them
                break
            if counts.tokens >= min(max_tokens, room):
                counts.reason = "length"
                break
        if rest := decoder.decode(b"", final=True):
            yield rest

    def close(self) -> None:
        """Free the model."""
        self._llama.close()

    def _sample(
        self, prompt: list[int], call_schema: str | None, broken_off: Callable[[], str]
    ) -> Iterator[int]:
        """Tokens up to the end of the turn, or up to where it is broken off."""
        grammar = self._call_grammar(call_schema) if call_schema else None
        self._stop_now = lambda: bool(broken_off())
        self._set_abort(self._abort)
        first = True
        try:
            for token in self._llama.generate(prompt, temp=self._settings.temperature, grammar=grammar):
                if first:
                    # Polling costs about a millisecond a token: only the long evaluation is worth it.
                    self._set_abort(self._no_abort)
                    first = False
                if broken_off() or self._api.llama_vocab_is_eog(self._vocabulary, token):
                    return
                yield token
                if broken_off():
                    return
        except RuntimeError:
            # An aborted evaluation; llama.cpp has removed the unfinished batch from its memory.
            if not broken_off():
                raise
        finally:
            self._set_abort(self._no_abort)

    def _set_abort(self, callback: Any) -> None:
        self._api.llama_set_abort_callback(self._llama.ctx, callback, None)

    def _call_grammar(self, call_schema: str) -> Any:
        from llama_cpp.llama_grammar import LlamaGrammar

        return LlamaGrammar.from_json_schema(call_schema, verbose=False)

    def _tokens(self, messages: Sequence[Message]) -> list[int]:
        text = self._format(messages=list(messages)).prompt
        # The template writes its own special tokens; the tokenizer adds a BOS only if the text has none.
        tokens: list[int] = self._llama.tokenize(text.encode("utf-8"), add_bos=False, special=True)
        return tokens

    def _piece(self, token: int) -> bytes:
        piece: bytes = self._llama.detokenize([token])
        return piece

    def _warm(self, system: str) -> tuple[int, bool]:
        """Evaluate what every prompt begins with, or read its state from disk."""

        def prompt(question: str) -> list[int]:
            return self._tokens(
                [{"role": "system", "content": system}, {"role": "user", "content": question}]
            )

        one, other = prompt("a"), prompt("Z")
        shared = self._llama.longest_token_prefix(one, other)
        prefix = one[:shared]
        if shared > self._settings.n_ctx - _ANSWER_ROOM:
            raise ModelError(
                f"the system prompt takes {shared} tokens of n_ctx {self._settings.n_ctx}; "
                "raise n_ctx or offer fewer tools"
            )
        state = self._state_path(prefix)
        if state is not None and self._load_state(state, prefix):
            return shared, True
        self._llama.reset()
        self._llama.eval(prefix)
        if state is not None:
            self._save_state(state, prefix)
        return shared, False

    def _state_path(self, prefix: list[int]) -> Path | None:
        if self._settings.state_folder is None:
            return None
        stat = self._settings.model_path.stat()
        key = (
            str(self._settings.model_path.resolve()),
            stat.st_size,
            stat.st_mtime_ns,
            self._settings.n_ctx,
            self._api.__version__,
            prefix,
        )
        return (
            self._settings.state_folder / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]}.state"
        )

    def _save_state(self, path: Path, prefix: list[int]) -> None:
        half = path.with_suffix(f".{os.getpid()}.part")
        array = (self._api.llama_token * len(prefix))(*prefix)
        # A full or read-only disk costs the next start a second, nothing more.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._api.llama_state_save_file(self._llama.ctx, str(half).encode(), array, len(prefix)):
                half.replace(path)
            half.unlink(missing_ok=True)
            for old in sorted(path.parent.glob("*.state"), key=lambda state: state.stat().st_mtime)[
                :-_STATES
            ]:
                old.unlink(missing_ok=True)

    def _load_state(self, path: Path, prefix: list[int]) -> bool:
        if not path.is_file():
            return False
        array = (self._api.llama_token * self._settings.n_ctx)()
        count = ctypes.c_size_t(0)
        loaded = self._api.llama_state_load_file(
            self._llama.ctx, str(path).encode(), array, self._settings.n_ctx, ctypes.byref(count)
        )
        if not loaded or list(array[: count.value]) != prefix:
            path.unlink(missing_ok=True)
            self._llama.reset()
            return False
        self._llama.input_ids[: len(prefix)] = prefix
        self._llama.n_tokens = len(prefix)
        self._llama._requires_eval = True
        return True


@dataclass(frozen=True, slots=True)
class EmbeddingReport:
    """An embedding model once loaded: its name, milliseconds to load, length of its vectors, MB resident."""

    model: str
    load_ms: float
    width: int
    rss_mb: float


class EmbeddingEngine:
    """A loaded GGUF that turns a text into a vector.

    Raises:
        ModelError: no such file, not a GGUF that llama.cpp can run, or llama-cpp-python is not installed.
    """

    def __init__(self, settings: EngineSettings) -> None:
        started_s = time.monotonic()
        self._llama = _load(settings, embedding=True)
        self._longest = settings.n_ctx
        self.report = EmbeddingReport(
            model=settings.model_path.stem,
            load_ms=(time.monotonic() - started_s) * 1e3,
            width=self._llama.n_embd(),
            rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )

    def embed(self, text: str) -> list[float]:
        """The vector of a text, of Euclidean length 1.

        Raises:
            ValueError: the text is too long, or the model gives a vector for each token.
        """
        count = len(self._llama.tokenize(text.encode("utf-8")))
        if count > self._longest:
            raise ValueError(f"{count} tokens are more than the {self._longest} that can be embedded")
        vector: Any = self._llama.embed(text, normalize=True)
        if not vector or isinstance(vector[0], list):
            raise ValueError(f"{self.report.model} pools nothing: it is no model for sentence embeddings")
        return [float(value) for value in vector]


def _load(settings: EngineSettings, **options: Any) -> Any:
    """Load a GGUF with llama.cpp.

    Raises:
        ModelError: see :class:`Engine`.
    """
    if not settings.model_path.is_file():
        raise ModelError(f"no model file {settings.model_path}")
    try:
        import llama_cpp
    except ImportError as error:
        raise ModelError(_NOT_INSTALLED) from error
    try:
        return llama_cpp.Llama(
            str(settings.model_path),
            n_ctx=settings.n_ctx,
            n_threads=max(1, settings.n_threads // 2),
            n_threads_batch=settings.n_threads,
            verbose=False,
            **options,
        )
    except (ValueError, RuntimeError, OSError) as error:
        raise ModelError(f"llama.cpp cannot load {settings.model_path}: {error}") from error


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
