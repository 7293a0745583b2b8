"""Unpacking what models come in."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

from carvoice.errors import ModelError

ARCHIVES = (".tar.bz2", ".tar.gz", ".tar.xz", ".tgz", ".tar", ".zip")


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


def unpack(path: Path, file_name: str, folder: Path) -> None:
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


def lift_single_folder(folder: Path) -> None:
    """An archive mostly holds one folder: its contents belong one level up."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        lifted = folder.with_suffix(".lifted")
        shutil.rmtree(lifted, ignore_errors=True)
        inside[0].replace(lifted)
        folder.rmdir()
        lifted.replace(folder)
