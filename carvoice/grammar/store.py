"""Keep compiled automata on disk: one file, a JSON head and the arrays as they are in memory.

A file of another version or byte order is refused; :mod:`carvoice.grammar.kept` says which one is wanted.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from carvoice.errors import GrammarError
from carvoice.grammar.acceptor import WordAcceptor
from carvoice.grammar.automaton import Automaton, BlockInfo, ListProgram, TemplateInfo
from carvoice.grammar.usage import WordUsage

FORMAT = 4
_MAGIC = b"carvoice-automaton\n"
_ARRAYS = (
    "arc_start", "arc_word", "arc_next", "arc_weight", "list_start", "list_id", "list_slot", "list_next",
    "list_mask", "final_start", "final_template", "after_wildcard",
)  # fmt: skip
_LIST_ARRAYS = (
    "arc_start", "arc_word", "arc_node", "value_start", "value_at", "limits", "hundredths",
)  # fmt: skip


def save(automaton: Automaton, path: Path) -> None:
    """Write an automaton; readers never see half a file."""
    arrays: list[np.ndarray[Any, Any]] = [getattr(automaton, name) for name in _ARRAYS]
    arrays.extend(automaton.masks)
    for program in automaton.lists:
        arrays.extend(getattr(program, name) for name in _LIST_ARRAYS)
    head = {
        "format": FORMAT,
        "byteorder": sys.byteorder,
        "language": automaton.language,
        "digest": automaton.digest,
        "words": list(automaton.vocabulary),
        "n_masks": len(automaton.masks),
        "mask_of": automaton.mask_of,
        "slots": automaton.slots,
        "templates": [[item.text, item.block, item.path, item.line] for item in automaton.templates],
        "blocks": [_block_out(block) for block in automaton.blocks],
        "lists": [_list_out(program) for program in automaton.lists],
        "skip_phrases": automaton.skip_phrases,
        "cjk": automaton.cjk,
        "settings": dict(automaton.settings),
        "arrays": [[str(array.dtype), len(array)] for array in arrays],
    }
    encoded = json.dumps(head, ensure_ascii=False).encode()
    raw = io.BytesIO()
    raw.write(_MAGIC + len(encoded).to_bytes(8, "little") + encoded)
    raw.write(b"\0" * (-raw.tell() % 8))
    for array in arrays:
        raw.write(array.tobytes())
        raw.write(b"\0" * (-raw.tell() % 8))
    _write_whole(path, raw.getvalue())


def _write_whole(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def save_acceptor(acceptor: WordAcceptor, path: Path) -> None:
    """Write a word acceptor, as numpy's npz; readers never see half a file."""
    raw = io.BytesIO()
    np.savez(
        raw,
        words=np.frombuffer("\n".join(acceptor.words).encode(), np.uint8),
        size=np.array([acceptor.start, acceptor.n_states], np.int32),
        finals=np.array(sorted(acceptor.finals), np.int32),
        sources=acceptor.sources,
        labels=acceptor.labels,
        targets=acceptor.targets,
    )
    _write_whole(path, raw.getvalue())


def load_acceptor(path: Path) -> WordAcceptor:
    """Read a word acceptor.

    Raises:
        GrammarError: the file is missing, cut off, or none of ours.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            start, n_states = kept["size"].tolist()
            return WordAcceptor(
                words=tuple(kept["words"].tobytes().decode().split("\n")),
                start=start,
                finals=frozenset(kept["finals"].tolist()),
                n_states=n_states,
                sources=kept["sources"],
                labels=kept["labels"],
                targets=kept["targets"],
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise GrammarError(
            f"no word acceptor of this version ({error}); build it again", path=path
        ) from error


def save_usage(usage: WordUsage, path: Path) -> None:
    """Write counts of words, as JSON; readers never see half a file."""
    _write_whole(path, json.dumps(usage.pairs, ensure_ascii=False).encode())


def load_usage(path: Path) -> WordUsage:
    """Read counts of words.

    Raises:
        GrammarError: the file is missing, cut off, or none of ours.
    """
    try:
        return WordUsage(json.loads(path.read_bytes()))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise GrammarError(f"no counts of words of this version ({error}); count again", path=path) from error


def load(path: Path) -> Automaton:
    """Read an automaton.

    Raises:
        GrammarError: the file is missing, cut off, or was written by another version.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise GrammarError(f"the compiled grammar cannot be read: {error.strerror}", path=path) from error
    try:
        return _decode(raw)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise GrammarError(
            f"not a compiled grammar of this version ({error}); compile it again", path=path
        ) from error


def _decode(raw: bytes) -> Automaton:
    if not raw.startswith(_MAGIC):
        raise ValueError("wrong first bytes")
    at = len(_MAGIC)
    length = int.from_bytes(raw[at : at + 8], "little")
    head = json.loads(raw[at + 8 : at + 8 + length])
    if head["format"] != FORMAT or head["byteorder"] != sys.byteorder:
        raise ValueError("wrong format")
    at += 8 + length
    at += -at % 8
    arrays: list[np.ndarray[Any, Any]] = []
    for dtype, count in head["arrays"]:
        array = np.frombuffer(raw, np.dtype(dtype), count, at)
        arrays.append(array)
        at += array.nbytes
        at += -at % 8
    own: dict[str, Any] = dict(zip(_ARRAYS, arrays, strict=False))
    rest = arrays[len(_ARRAYS) :]
    masks, rest = rest[: head["n_masks"]], rest[head["n_masks"] :]
    lists: list[ListProgram] = []
    for index, item in enumerate(head["lists"]):
        part = rest[index * len(_LIST_ARRAYS) : (index + 1) * len(_LIST_ARRAYS)]
        lists.append(
            ListProgram(
                name=item["name"],
                kind=item["kind"],
                values=item["values"],
                contexts={int(key): value for key, value in item["contexts"].items()},
                metadata={int(key): value for key, value in item["metadata"].items()},
                inner={int(key): value for key, value in item["inner"].items()},
                multiplier=item["multiplier"],
                **dict(zip(_LIST_ARRAYS, part, strict=True)),
            )
        )
    return Automaton(
        language=head["language"],
        digest=head["digest"],
        vocabulary={word: index for index, word in enumerate(head["words"])},
        masks=masks,
        mask_of=[(first, second) for first, second in head["mask_of"]],
        lists=lists,
        slots=head["slots"],
        templates=[TemplateInfo(*item) for item in head["templates"]],
        blocks=[_block_in(item) for item in head["blocks"]],
        skip_phrases=[tuple(phrase) for phrase in head["skip_phrases"]],
        cjk=head["cjk"],
        settings=head["settings"],
        **own,
    )


def _block_out(block: BlockInfo) -> dict[str, Any]:
    return {
        "intent": block.intent,
        "slots": dict(block.slots),
        "requires_context": dict(block.requires_context),
        "excludes_context": dict(block.excludes_context),
        "required_keywords": sorted(block.required_keywords),
        "response": block.response,
        "metadata": dict(block.metadata),
    }


def _block_in(item: dict[str, Any]) -> BlockInfo:
    keywords = frozenset(item.pop("required_keywords"))
    return BlockInfo(required_keywords=keywords, **item)


def _list_out(program: ListProgram) -> dict[str, Any]:
    return {
        "name": program.name,
        "kind": program.kind,
        "values": program.values,
        "contexts": {str(key): dict(value) for key, value in program.contexts.items()},
        "metadata": {str(key): dict(value) for key, value in program.metadata.items()},
        "inner": {str(key): dict(value) for key, value in program.inner.items()},
        "multiplier": program.multiplier,
    }


def forget_oldest(folder: Path, suffix: str, most: int) -> None:
    """Delete what has not been used for longest: beyond ``most`` files of a suffix, and their namesakes."""
    used = sorted(folder.glob(f"*{suffix}"), key=lambda file: file.stat().st_mtime_ns)
    for old in used[:-most]:
        for file in folder.glob(f"{old.stem}.*"):
            file.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Where compiled grammars are kept: ``$XDG_CACHE_HOME/carvoice`` or ``~/.cache/carvoice``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "carvoice"
