"""What is installed: a model's ``installed.json``, and whether its files are still what it says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from carvoice.errors import ModelError

CARD = "installed.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Installed:
    """A model on disk.

    Attributes:
        name: what it is called.
        kind: "gguf", "embedding", "asr", "tts", "vad", "denoiser".
        folder: where it lies.
        files: path inside the folder to (bytes, SHA-256).
        licence: its name.
        source: URL or path it came from.
    """

    name: str
    kind: str
    folder: Path
    files: dict[str, tuple[int, str]]
    licence: str
    source: str

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(size for size, _ in self.files.values())

    def path(self, suffix: str) -> Path | None:
        """The first file with this ending, e.g. ``.gguf``."""
        return next((self.folder / name for name in sorted(self.files) if name.endswith(suffix)), None)


def write_card(model: Installed, folder: Path) -> None:
    """Note what a model is in the folder where it is being laid down."""
    about: dict[str, Any] = {k: v for k, v in asdict(model).items() if k != "folder"}
    (folder / CARD).write_text(json.dumps(about, indent=1), encoding="utf-8")


def read_card(card: Path) -> Installed:
    """Read what :func:`write_card` wrote.

    Raises:
        ModelError: it is damaged, or names files outside its folder.
    """
    try:
        about = json.loads(card.read_text(encoding="utf-8"))
        files = {name: (int(size), str(sha256)) for name, (size, sha256) in about.pop("files").items()}
        if outside := [name for name in files if Path(name).is_absolute() or ".." in Path(name).parts]:
            raise ValueError(f"{outside[0]!r} leads outside")
        return Installed(folder=card.parent, files=files, **about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{card}: {error}; remove the folder and install the model again") from error


def problems_of(model: Installed) -> list[str]:
    """What is wrong with the files of a model, in words; [] if nothing is."""
    problems = []
    for file_name, (size, sha256) in model.files.items():
        path = model.folder / file_name
        if not path.is_file():
            problems.append(f"{path}: missing")
        elif path.stat().st_size != size:
            problems.append(f"{path}: {path.stat().st_size} bytes, should be {size}")
        elif sha256_of(path) != sha256:
            problems.append(f"{path}: SHA-256 differs; the file is damaged")
    return problems


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
