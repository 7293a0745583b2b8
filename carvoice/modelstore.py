"""Models on disk: what can be had, what is installed, and how it gets there and stays whole.

A model lies in a folder of its own with an ``installed.json`` that names its files, their sizes and SHA-256
and its licence. It comes from the network (resumed after a break, checked), or, where there is none, from
a file, a folder or an archive that somebody brought.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from carvoice.errors import ModelError
from carvoice.resources import data_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Called with bytes done and bytes in all (0 if unknown).
Progress = Callable[[int, int], None]

_CARD = "installed.json"
_CHUNK_BYTES = 1 << 20
_ARCHIVES = (".tar.bz2", ".tar.gz", ".tar.xz", ".tgz", ".tar", ".zip")
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that can be installed; see ``models/registry.toml`` for the fields."""

    name: str
    kind: str
    title: str
    licence: str
    licence_url: str
    url: str
    sha256: str = ""
    size_mb: int = 0


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


def default_folder() -> Path:
    """Where models are installed: ``$CARVOICE_MODELS``, else the user's data folder (XDG)."""
    if chosen := os.environ.get("CARVOICE_MODELS"):
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "carvoice" / "models"


def read_registry(path: Path | None = None) -> dict[str, Offer]:
    """The models that can be had, by name.

    Args:
        path: a registry of one's own; None for the shipped one.

    Raises:
        ModelError: it cannot be read, or an entry lacks something.
    """
    path = path or data_path("models", "registry.toml")
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("model", [])
        offers = [Offer(**entry) for entry in entries]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise ModelError(f"{path}: {error}") from error
    return {offer.name: offer for offer in offers}


class ModelStore:
    """The models in a folder.

    Args:
        folder: see :func:`default_folder`; made when something is installed.
        offers: what can be had; None for the shipped registry.
    """

    def __init__(self, folder: Path | None = None, offers: dict[str, Offer] | None = None) -> None:
        self.folder = folder or default_folder()
        self.offers = read_registry() if offers is None else offers

    def installed(self) -> list[Installed]:
        """What is there, by name."""
        cards = sorted(self.folder.glob(f"*/{_CARD}"))
        return [_read_card(card) for card in cards]

    def find(self, name: str) -> Installed | None:
        """The installed model of this name."""
        card = self.folder / name / _CARD
        return _read_card(card) if _is_plain(name) and card.is_file() else None

    def find_kind(self, kind: str) -> list[Installed]:
        """All installed models of a kind, smallest first."""
        return sorted((m for m in self.installed() if m.kind == kind), key=lambda m: m.size_bytes)

    def download(self, name: str, progress: Progress | None = None) -> Installed:
        """Install a model from the registry; a download that was broken off is taken up again.

        Raises:
            ModelError: unknown name, no network, no space, or what came is not what it should be.
        """
        offer = self.offers.get(name)
        if offer is None:
            raise ModelError(f"no model {name!r} in the registry; there are {', '.join(sorted(self.offers))}")
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{name}.part"
        self._check_space(offer, part)
        digest = _fetch(offer.url, part, progress)
        wanted = offer.sha256 or digest.server
        if wanted and digest.sha256 != wanted.lower():
            part.unlink()
            raise ModelError(f"{offer.url}: SHA-256 is {digest.sha256}, should be {wanted}; it was deleted")
        file_name = offer.url.rsplit("/", 1)[-1]
        try:
            return self._put(offer.name, offer.kind, offer.licence, offer.url, [(part, file_name)])
        finally:
            part.unlink(missing_ok=True)

    def offer_of(self, source: Path) -> Offer | None:
        """The registry's entry for a file or folder that somebody brought, known by its name."""
        return next((offer for offer in self.offers.values() if source.name in _names_of(offer)), None)

    def brought(self, name: str, folder: Path) -> Path:
        """The file or folder of a registry's model among those in ``folder``.

        Raises:
            ModelError: it is not there.
        """
        names = _names_of(self.offers[name])
        found = next((folder / each for each in names if (folder / each).exists()), None)
        if found is None:
            raise ModelError(f"{folder}: holds neither {names[0]} nor {names[1]}, as {name} would be called")
        return found

    def install(self, source: Path, name: str = "", kind: str = "") -> Installed:
        """Install from a file, folder or archive, without network.

        Args:
            source: a model file, a folder with one model's files, or an archive of such a folder; also a
                model's folder out of another store.
            name: what to call it; "" finds the registry's entry by file name, else the source's own name.
            kind: "" for the registry's, or "gguf" for a ``.gguf``.

        Raises:
            ModelError: nothing there, not an archive, a path that leads outside, or a wrong checksum.
        """
        if not source.exists():
            raise ModelError(f"{source}: no such file or folder")
        if (source / _CARD).is_file():
            return self._install_copy(source)
        offer = self.offers.get(name) if name else self.offer_of(source)
        if offer is not None and offer.sha256 and source.is_file() and _names_of(offer)[0] == source.name:
            found = sha256_of(source)
            if found != offer.sha256:
                raise ModelError(f"{source}: SHA-256 is {found}, should be {offer.sha256}; copy it again")
        plain = name or (offer.name if offer else _stem(source.name))
        if not _is_plain(plain):
            raise ModelError(f"{plain!r} is no name for a model; use letters, digits, '-', '_' and '.'")
        kind = kind or (offer.kind if offer else "gguf" if source.suffix == ".gguf" else "")
        if not kind:
            raise ModelError(
                f"{source}: not in the registry; say what kind of model it is (asr, tts, vad, ...)"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            files = [(p, str(p.relative_to(source))) for p in sorted(source.rglob("*")) if p.is_file()]
        else:
            files = [(source, source.name)]
        return self._put(plain, kind, offer.licence if offer else "not stated", str(source), files)

    def verify(self, name: str) -> list[str]:
        """What is wrong with an installed model, in words; [] if nothing is.

        Raises:
            ModelError: it is not installed.
        """
        return _problems(self._installed_or_raise(name))

    def remove(self, name: str) -> int:
        """Delete an installed model; gives the bytes freed.

        Raises:
            ModelError: it is not installed.
        """
        model = self._installed_or_raise(name)
        shutil.rmtree(model.folder)
        return model.size_bytes

    def _install_copy(self, source: Path) -> Installed:
        """Install the folder of a model out of another store: its card says what it is."""
        model = _read_card(source / _CARD)
        if problems := _problems(model):
            raise ModelError(f"{problems[0]}; copy it again")
        if not _is_plain(model.name):
            raise ModelError(f"{source / _CARD}: {model.name!r} is no name for a model")
        self.folder.mkdir(parents=True, exist_ok=True)
        files = [(source / name, name) for name in model.files]
        return self._put(model.name, model.kind, model.licence, model.source, files)

    def _installed_or_raise(self, name: str) -> Installed:
        model = self.find(name)
        if model is None:
            here = ", ".join(m.name for m in self.installed()) or "nothing"
            raise ModelError(f"model {name!r} is not installed in {self.folder}; there is {here}")
        return model

    def _check_space(self, offer: Offer, part: Path) -> None:
        # An archive needs room twice: packed and unpacked, about twice its size.
        needed = offer.size_mb * 1e6 * (3 if offer.url.endswith(_ARCHIVES) else 1)
        needed -= part.stat().st_size if part.is_file() else 0
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise ModelError(
                f"{self.folder}: {free / 1e6:.0f} MB free, {offer.name} needs {needed / 1e6:.0f}"
            )

    def _put(
        self, name: str, kind: str, licence: str, source: str, files: Iterable[tuple[Path, str]]
    ) -> Installed:
        """Lay the files into a new folder, then put it in the place of the old one."""
        new = self.folder / f"{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        try:
            for path, file_name in files:
                if file_name.endswith(_ARCHIVES):
                    _unpack(path, file_name, new)
                else:
                    target = new / file_name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if path.suffix == ".part":
                        path.replace(target)  # downloaded: not twice on the disk
                    else:
                        shutil.copyfile(path, target)
            _lift_single_folder(new)
            contents = {
                str(path.relative_to(new)): (path.stat().st_size, sha256_of(path))
                for path in sorted(new.rglob("*"))
                if path.is_file()
            }
            if not contents:
                raise ModelError(f"{source}: holds no files")
            place = self.folder / name
            model = Installed(name, kind, place, contents, licence, source)
            card: dict[str, Any] = {k: v for k, v in asdict(model).items() if k != "folder"}
            (new / _CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
            shutil.rmtree(place, ignore_errors=True)
            new.replace(place)
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"{name} cannot be installed in {self.folder}: {error}") from error
        return model


def _problems(model: Installed) -> list[str]:
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


@dataclass(frozen=True, slots=True)
class _Fetched:
    """SHA-256 of what came, and the one the server states, "" if none."""

    sha256: str
    server: str


def _fetch(url: str, part: Path, progress: Progress | None) -> _Fetched:
    """Download into ``part``, from where it ends."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "carvoice"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    redirects = _Redirects()
    try:
        with urllib.request.build_opener(redirects).open(request, timeout=_TIMEOUT_S) as response:
            resumed = response.status == 206
            have = have if resumed else 0
            rest = int(response.headers.get("Content-Length") or 0)
            _copy(response, part, have, have + rest if rest else 0, progress)
            stated = response.headers.get("X-Linked-Etag") or redirects.stated
            if rest and part.stat().st_size < have + rest:
                raise ModelError(f"{url}: the connection broke off; run it again to go on from there")
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to fetch
            return _Fetched(sha256_of(part), "")
        raise ModelError(f"{url}: the server says {error.code} {error.reason}") from error
    except (TimeoutError, ConnectionError) as error:
        raise ModelError(f"{url}: {error or 'timed out'}; run it again to go on from there") from error
    except urllib.error.URLError as error:
        raise ModelError(
            f"{url}: {error.reason}; without network, bring the file and use `carvoice models install FILE`"
        ) from error
    except http.client.HTTPException as error:
        raise ModelError(f"{url}: what answers is no web server: {error!r}") from error
    except OSError as error:
        raise ModelError(
            f"{url} to {part}: {error.strerror or error}; run it again to go on from there"
        ) from error
    stated = stated.strip('"')
    return _Fetched(sha256_of(part), stated if len(stated) == 64 else "")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects and keeps the SHA-256 that Hugging Face states in the first answer."""

    def __init__(self) -> None:
        self.stated = ""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        self.stated = arguments[4].get("X-Linked-Etag") or self.stated
        return super().redirect_request(*arguments)


def _copy(response: IO[bytes], part: Path, have: int, total: int, progress: Progress | None) -> None:
    with part.open("ab" if have else "wb") as file:
        done = have
        while chunk := response.read(_CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Extract with tarfile's data filter, or, on Pythons older than it, plain files and folders only."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
        return
    for member in archive:
        target = (folder / member.name).resolve()
        if not (member.isfile() or member.isdir()) or not target.is_relative_to(folder.resolve()):
            raise tarfile.TarError(f"{member.name} is a link or leads outside")
        archive.extract(member, folder)


def _unpack(path: Path, file_name: str, folder: Path) -> None:
    """Unpack an archive; a path or link that leads outside is refused."""
    try:
        if file_name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)  # zipfile itself keeps paths inside
        else:
            with tarfile.open(path) as archive_tar:
                _extract(archive_tar, folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ModelError(f"{path}: cannot be unpacked: {error}") from error


def _lift_single_folder(folder: Path) -> None:
    """An archive mostly holds one folder: its contents belong one level up."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        lifted = folder.with_suffix(".lifted")
        shutil.rmtree(lifted, ignore_errors=True)
        inside[0].replace(lifted)
        folder.rmdir()
        lifted.replace(folder)


def _read_card(card: Path) -> Installed:
    try:
        about = json.loads(card.read_text(encoding="utf-8"))
        files = {name: (int(size), str(sha256)) for name, (size, sha256) in about.pop("files").items()}
        if outside := [name for name in files if Path(name).is_absolute() or ".." in Path(name).parts]:
            raise ValueError(f"{outside[0]!r} leads outside")
        return Installed(folder=card.parent, files=files, **about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{card}: {error}; remove the folder and install the model again") from error


def _names_of(offer: Offer) -> tuple[str, str]:
    """What its file is called, packed and unpacked."""
    packed = offer.url.rsplit("/", 1)[-1]
    return packed, _stem(packed)


def _stem(file_name: str) -> str:
    for ending in (*_ARCHIVES, ".gguf", ".onnx"):
        file_name = file_name.removesuffix(ending)
    return file_name


def _is_plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and all(c.isalnum() or c in "-_." for c in name)
