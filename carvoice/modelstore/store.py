"""The models in a folder: installed, verified, removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from carvoice.errors import ModelError
from carvoice.modelstore.archives import ARCHIVES, lift_single_folder, unpack
from carvoice.modelstore.card import CARD, Installed, problems_of, read_card, sha256_of, write_card
from carvoice.modelstore.download import Progress, fetch
from carvoice.modelstore.registry import Offer, read_registry


def default_folder() -> Path:
    """Where models are installed: ``$CARVOICE_MODELS``, else the user's data folder (XDG)."""
    if chosen := os.environ.get("CARVOICE_MODELS"):
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "carvoice" / "models"


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
        cards = sorted(self.folder.glob(f"*/{CARD}"))
        return [read_card(card) for card in cards]

    def find(self, name: str) -> Installed | None:
        """The installed model of this name."""
        card = self.folder / name / CARD
        return read_card(card) if _is_plain(name) and card.is_file() else None

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
        digest = fetch(offer.url, part, progress)
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
        if (source / CARD).is_file():
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
            raise ModelError(f"{source}: not in the registry; say with --kind what it is: asr, tts, vad, ...")
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
        return problems_of(self._installed_or_raise(name))

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
        model = read_card(source / CARD)
        if problems := problems_of(model):
            raise ModelError(f"{problems[0]}; copy it again")
        if not _is_plain(model.name):
            raise ModelError(f"{source / CARD}: {model.name!r} is no name for a model")
        self.folder.mkdir(parents=True, exist_ok=True)
        files = [(source / name, name) for name in model.files]
        return self._put(model.name, model.kind, model.licence, model.source, files)

    def _installed_or_raise(self, name: str) -> Installed:
        model = self.find(name)
        if model is None:
            here = ", ".join(m.name for m in self.installed()) or "nothing"
            raise ModelError(f"model {name!r} is not installed in {self.folder}; installed: {here}")
        return model

    def _check_space(self, offer: Offer, part: Path) -> None:
        # An archive needs room twice: packed and unpacked, about twice its size.
        needed = offer.size_mb * 1e6 * (3 if offer.url.endswith(ARCHIVES) else 1)
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
                if file_name.endswith(ARCHIVES):
                    unpack(path, file_name, new)
                else:
                    target = new / file_name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if path.suffix == ".part":
                        path.replace(target)  # downloaded: not twice on the disk
                    else:
                        shutil.copyfile(path, target)
            lift_single_folder(new)
            contents = {
                str(path.relative_to(new)): (path.stat().st_size, sha256_of(path))
                for path in sorted(new.rglob("*"))
                if path.is_file()
            }
            if not contents:
                raise ModelError(f"{source}: holds no files")
            place = self.folder / name
            model = Installed(name, kind, place, contents, licence, source)
            write_card(model, new)
            shutil.rmtree(place, ignore_errors=True)
            new.replace(place)
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"{name} cannot be installed in {self.folder}: {error}") from error
        return model


def _is_plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and all(c.isalnum() or c in "-_." for c in name)


def _names_of(offer: Offer) -> tuple[str, str]:
    """What its file is called, packed and unpacked."""
    packed = offer.url.rsplit("/", 1)[-1]
    return packed, _stem(packed)


def _stem(file_name: str) -> str:
    for ending in (*ARCHIVES, ".gguf", ".onnx"):
        file_name = file_name.removesuffix(ending)
    return file_name
