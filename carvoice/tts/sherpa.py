"""Neural voices through sherpa-onnx: VITS/Piper, Kokoro, Kitten and Matcha, told apart by their files.

Since version 2 sherpa-onnx has no espeak-ng inside: it takes phonemes, or a lexicon that lies with the
model. The phonemes come from the espeak-ng we have anyway.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import soxr

from carvoice.errors import ModelError, VoiceError
from carvoice.grammar.g2p import ipa
from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from carvoice.tts.normalize import Speller, speller

_CLAUSE = re.compile(r"[^,;:.!?…]+[,;:.!?…]*")
_SENTENCE_END = ".!?"
_METADATA = 65_536  # bytes at the end of an ONNX file that hold it


class SherpaVoice:
    """Speaks with a model folder as the sherpa-onnx project publishes them.

    The model speaks a sentence at a time and hands each over when it is done. Any number of threads may
    synthesize; the model works on one text at a time.

    Args:
        folder: holds ``tokens.txt`` and the model's ``.onnx`` (Matcha also a vocoder ``*vocos*.onnx`` or
            ``*hifigan*.onnx``, Kokoro and Kitten a ``voices.bin``); ``lexicon*.txt`` if
            the model is not fed by espeak-ng's phonemes.
        speaker: speaker ID of a multi-speaker model.
        speed: 1.0 is the model's own.
        threads: for inference.
        espeak_voice: whose phonemes the model knows; by default what its ``.onnx.json`` says, or "en-us".
        spell: how numbers and units are said.

    Raises:
        ModelError: the folder is missing or holds no model that we know; the model does not load.
    """

    def __init__(
        self,
        folder: Path,
        speaker: int = 0,
        speed: float = 1.0,
        threads: int = 2,
        espeak_voice: str = "",
        spell: Speller | None = None,
    ) -> None:
        import sherpa_onnx

        self._speaker = speaker
        self._speed = speed
        self._spell = spell or speller("en")
        self._lock = threading.Lock()
        model = _describe(folder, threads)
        config = sherpa_onnx.OfflineTtsConfig(model=model, max_num_sentences=1)
        if not config.validate():
            raise ModelError(f"{folder}: sherpa-onnx does not accept this voice; compare its files' names")
        try:
            self._tts = sherpa_onnx.OfflineTts(config)
        except RuntimeError as error:
            raise ModelError(f"{folder}: the voice does not load ({error})") from None
        self._rate_hz = int(self._tts.sample_rate)
        self._has_lexicon = any(folder.glob("lexicon*.txt"))
        self._espeak_voice = espeak_voice or _trained_with(folder)

    def synthesize(self, text: str) -> Iterator[FloatArray]:
        """Yield each sentence as 16 kHz float32 sound."""
        words = self._spell.spoken(text)
        if not words:
            return
        made: SimpleQueue[FloatArray | Exception | None] = SimpleQueue()
        stop = threading.Event()
        worker = threading.Thread(target=self._run, args=(words, made, stop), name="sherpa-tts", daemon=True)
        worker.start()
        resampler = soxr.ResampleStream(self._rate_hz, SAMPLE_RATE_HZ, 1, "float32", "HQ")
        try:
            while (item := made.get()) is not None:
                if isinstance(item, Exception):
                    raise VoiceError(f"the voice cannot say {words!r} ({item})") from item
                chunk = resampler.resample_chunk(item)
                if len(chunk):
                    yield np.clip(chunk, -1.0, 1.0)
            tail = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            if len(tail):
                yield tail
        finally:
            stop.set()  # the model leaves after its current sentence; nobody waits for it

    def _run(
        self, words: str, made: SimpleQueue[FloatArray | Exception | None], stop: threading.Event
    ) -> None:
        def take(samples: FloatArray, progress: float) -> int:
            made.put(np.array(samples, np.float32))
            return 0 if stop.is_set() else 1

        try:
            with self._lock:
                if not stop.is_set():
                    self._tts.generate(words, self._request(words), take)
            made.put(None)
        except Exception as error:  # handed to the thread that waits for the sound
            made.put(error)

    def _request(self, words: str) -> Any:
        import sherpa_onnx

        request = sherpa_onnx.GenerationConfig()
        request.sid = self._speaker
        request.speed = self._speed
        if not self._has_lexicon:
            sentences = phonemes(words, self._espeak_voice)
            request.phoneme_codepoints = [[ord(letter) for letter in sentence] for sentence in sentences]
        return request


def phonemes(text: str, voice: str = "en-us") -> list[str]:
    """The sentences of a text in espeak-ng's IPA, with their punctuation, as Piper models were trained on.

    Raises:
        VoiceError: espeak-ng has no such voice.
    """
    sentences: list[str] = []
    sentence = ""
    for match in _CLAUSE.finditer(text):
        clause = match.group().strip()
        words = clause.rstrip(",;:.!?…")
        sound = ipa(words, voice).replace("_", "") if words else ""
        if not sound:
            continue
        mark = clause[len(words) :][:1].replace("…", ".")
        sentence += f" {sound}{mark}" if sentence else f"{sound}{mark}"
        if mark and mark in _SENTENCE_END:
            sentences.append(unicodedata.normalize("NFD", sentence))
            sentence = ""
    if sentence:
        sentences.append(unicodedata.normalize("NFD", sentence))
    return sentences


def _trained_with(folder: Path) -> str:
    """The espeak-ng voice that a Piper model's description names."""
    for path in sorted(folder.glob("*.onnx.json")):
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["espeak"]["voice"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return "en-us"


def _describe(folder: Path, threads: int) -> Any:
    """The sherpa-onnx configuration for what lies in the folder."""
    import sherpa_onnx

    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; `carvoice models` lists voices to download")
    tokens = folder / "tokens.txt"
    models = sorted(folder.glob("*.onnx"))
    vocoders = [path for path in models if "vocos" in path.name or "hifigan" in path.name]
    models = [path for path in models if path not in vocoders]
    if not tokens.is_file() or not models:
        missing = "tokens.txt" if not tokens.is_file() else "a model (*.onnx)"
        raise ModelError(f"{folder}: lacks {missing}; unpack a sherpa-onnx voice there")
    model = str(next((path for path in models if "int8" in path.name), models[0]))
    lexicon = ",".join(str(path) for path in sorted(folder.glob("lexicon*.txt")))
    tokens_and_words: dict[str, Any] = {"tokens": str(tokens), "lexicon": lexicon}
    voices = folder / "voices.bin"
    if voices.is_file():
        if _is_kitten(Path(model)):
            kitten = sherpa_onnx.OfflineTtsKittenModelConfig(
                model=model, voices=str(voices), **tokens_and_words
            )
            return sherpa_onnx.OfflineTtsModelConfig(kitten=kitten, num_threads=threads)
        kokoro = sherpa_onnx.OfflineTtsKokoroModelConfig(model=model, voices=str(voices), **tokens_and_words)
        return sherpa_onnx.OfflineTtsModelConfig(kokoro=kokoro, num_threads=threads)
    if vocoders:
        matcha = sherpa_onnx.OfflineTtsMatchaModelConfig(
            acoustic_model=model, vocoder=str(vocoders[0]), **tokens_and_words
        )
        return sherpa_onnx.OfflineTtsModelConfig(matcha=matcha, num_threads=threads)
    vits = sherpa_onnx.OfflineTtsVitsModelConfig(model=model, **tokens_and_words)
    return sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=threads)


def _is_kitten(model: Path) -> bool:
    """Whether a model with a voices.bin is Kitten, not Kokoro: it says so in the metadata at its end."""
    if "kitten" in model.parent.name.lower():
        return True
    with model.open("rb") as file:
        file.seek(max(0, model.stat().st_size - _METADATA))
        return b"kitten" in file.read().lower()
