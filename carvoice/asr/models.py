"""The models that recognize speech: where they lie, what they are, whether they are whole.

A model is a folder with a ``model.toml``::

    name = "asr-en"
    kind = "phone-ctc"               # or one of the free-text kinds below
    language = "en"
    look_ahead_ms = 320              # how much future a frame waits for

    [files]
    model = "model.int8.onnx"        # a transducer has encoder, decoder and joiner instead
    tokens = "tokens.txt"
    finals = "finals.int8.onnx"      # phone-ctc only, optional: joins the model for finals

    [sha256]                         # optional, checked where given
    model = "..."

and, when it was measured, a ``tuning.toml``::

    [decoding]                       # costs of the decoding graph, see GraphSettings
    open_entry = 4.0

    [confidence.command]             # see carvoice.asr.confidence; so are [confidence.words] and .order
    bias = 2.0
    weights = { odds = 1.0, ... }

sherpa-onnx ends the process when a model lacks metadata, so everything is checked here before.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carvoice.errors import ModelError
from carvoice.resources import data_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PHONE_CTC = "phone-ctc"
TRANSDUCER = "transducer"
PARAFORMER = "paraformer"
ZIPFORMER2_CTC = "zipformer2-ctc"
NEMO_CTC = "nemo-ctc"
WENET_CTC = "wenet-ctc"
_FILES = {
    PHONE_CTC: ("model", "tokens"),
    TRANSDUCER: ("encoder", "decoder", "joiner", "tokens"),
    PARAFORMER: ("encoder", "decoder", "tokens"),
    **dict.fromkeys((ZIPFORMER2_CTC, NEMO_CTC, WENET_CTC), ("model", "tokens")),
}
_OPTIONAL_FILES = {PHONE_CTC: ("finals",)}
BLANK = "<blk>"


@dataclass(frozen=True, slots=True)
class Model:
    """A model on disk whose files are there and whole.

    Attributes:
        folder: where it lies.
        name, kind, language: from its ``model.toml``.
        look_ahead_ms: how much future an output frame has seen.
        files: role ("model", "tokens", "encoder", ...) to path.
        decoding, confidence: settings found in measurements, {} if none.
    """

    folder: Path
    name: str
    kind: str
    language: str
    look_ahead_ms: int
    files: Mapping[str, Path]
    decoding: Mapping[str, Any] = field(default_factory=dict)
    confidence: Mapping[str, Any] = field(default_factory=dict)

    def tokens(self) -> dict[str, int]:
        """Token ids by symbol, as ``tokens.txt`` has them.

        Raises:
            ModelError: the file is no token table.
        """
        path = self.files["tokens"]
        tokens: dict[str, int] = {}
        for number, line in enumerate(_read_text(path).splitlines(), start=1):
            symbol, _, index = line.rpartition(" ")
            if not symbol or not index.isdecimal():
                raise ModelError(f"{path}:{number}: {line!r} is not a symbol and its number")
            tokens[symbol] = int(index)
        if sorted(tokens.values()) != list(range(len(tokens))):
            raise ModelError(f"{path}: token numbers must run from 0 without gaps")
        return tokens


def embedded_model(name: str = "asr-en") -> Model:
    """The model that ships with carvoice.

    Raises:
        ModelError: it is not installed, or damaged.
    """
    return load_model(data_path("models", name))


def load_model(folder: Path) -> Model:
    """Read and check a model folder.

    Raises:
        ModelError: the folder, a ``.toml`` in it or one of its files is missing, of the wrong kind or
            damaged (wrong SHA-256).
    """
    path = folder / "model.toml"
    about = _read_toml(path)
    tuning = folder / "tuning.toml"
    tuned = _read_toml(tuning) if tuning.exists() else {}
    kind = about.get("kind", PHONE_CTC)
    if kind not in _FILES:
        raise ModelError(f"{path}: kind {kind!r} is unknown; known are {', '.join(_FILES)}")
    listed = about.get("files", {})
    files = {}
    optional = [role for role in _OPTIONAL_FILES.get(kind, ()) if role in listed]
    for role in (*_FILES[kind], *optional):
        if role not in listed:
            raise ModelError(f"{path}: [files] lacks {role!r}, which a {kind} model needs")
        files[role] = folder / str(listed[role])
        if not files[role].is_file():
            raise ModelError(f"{files[role]}: file is missing; install the model {folder.name} again")
    for role, wanted in about.get("sha256", {}).items():
        if role in files and _sha256(files[role]) != str(wanted).lower():
            raise ModelError(f"{files[role]}: SHA-256 differs from model.toml; the file is damaged")
    return Model(
        folder=folder,
        name=str(about.get("name", folder.name)),
        kind=kind,
        language=str(about.get("language", "en")),
        look_ahead_ms=int(about.get("look_ahead_ms", 0)),
        files=files,
        decoding=tuned.get("decoding", {}),
        confidence=tuned.get("confidence", {}),
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{path}: {error}") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read ({error})") from None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
