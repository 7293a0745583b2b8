"""``carvoice models``: list, install, verify and remove models and voices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from carvoice.cli.app import app, console
from carvoice.errors import ModelError
from carvoice.modelstore import Installed, ModelStore, Offer

models_app = typer.Typer(help="List, install, verify and remove models and voices.", no_args_is_help=False)
app.add_typer(models_app, name="models")

_USE = {
    "gguf": "--set llm.model={name}",
    "embedding": "--set llm.embedding_model={name}",
    "asr": "--set asr.open_model={name}",
    "tts": "--set tts.voice={folder}",
}


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List what is installed and what can be had."""
    if context.invoked_subcommand is None:
        store = ModelStore()
        console.print(models_table(store))
        console.print(f"Folder: {store.folder}", highlight=False, soft_wrap=True)


@models_app.command()
def install(
    what: Annotated[str, typer.Argument(help="A name from the list, or a file, folder or archive.")],
    name: Annotated[str, typer.Option(help="What to call it (files and folders only).")] = "",
    kind: Annotated[
        str, typer.Option(help="gguf, embedding, asr, tts, vad or denoiser (files and folders only).")
    ] = "",
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder that holds the download, instead of the network.")
    ] = None,
    accept_licence: Annotated[bool, typer.Option("--yes", "-y", help="Accept the licence unasked.")] = False,
) -> None:
    """Download a model, or install one that was brought on a disk."""
    store = ModelStore()
    if what in store.offers:
        path = store.brought(what, source) if source is not None else None
        offer: Offer | None = store.offers[what]
    else:
        path = (source or Path()) / what
        if not path.exists():
            raise ModelError(f"{path}: neither a model in the list nor a file; see `carvoice models`")
        offer = None if name else store.offer_of(path)
    if offer is not None:
        _accept(offer, path, accept_licence)
    if path is not None:
        model = store.install(path, name or (offer.name if offer else ""), kind)
    else:
        model = _download(store, what)
    console.print(f"{model.name} is in {model.folder}", highlight=False, soft_wrap=True)
    if use := _USE.get(model.kind):
        console.print(
            f"Use it: {use.format(name=model.name, folder=model.folder)}", highlight=False, soft_wrap=True
        )


def _accept(offer: Offer, path: Path | None, accepted: bool) -> None:
    """Show the licence and have it accepted.

    Raises:
        ModelError: it was not.
    """
    origin = offer.url if path is None else path
    console.print(
        f"{offer.title}\nLicence: {offer.licence}, {offer.licence_url}\n{offer.size_mb} MB from {origin}",
        highlight=False,
        soft_wrap=True,
    )
    if not accepted and not (sys.stdin.isatty() and typer.confirm("Accept the licence and install?")):
        raise ModelError("not installed: the licence was not accepted (--yes accepts it)")


def _download(store: ModelStore, name: str) -> Installed:
    """Download with a progress bar."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=None)
        return store.download(name, lambda done, total: bar.update(task, completed=done, total=total or None))


@models_app.command()
def verify(name: Annotated[str | None, typer.Argument(help="A model; all without it.")] = None) -> None:
    """Compare installed files with their checksums."""
    store = ModelStore()
    names = [name] if name else [model.name for model in store.installed()]
    problems = [problem for each in names for problem in store.verify(each)]
    for problem in problems:
        console.print(f"[red]{problem}[/red]", highlight=False, soft_wrap=True)
    console.print(f"{len(names)} models checked, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


@models_app.command()
def remove(name: Annotated[str, typer.Argument(help="An installed model.")]) -> None:
    """Delete an installed model."""
    freed = ModelStore().remove(name)
    console.print(f"{name} is removed; {freed / 1e6:.0f} MB are free again")


def models_table(store: ModelStore) -> Table:
    """Installed models and those that can be had."""
    table = Table("", "name", "kind", "MB", "licence", "", title="Models and voices", title_justify="left")
    here = {model.name: model for model in store.installed()}
    for model in here.values():
        title = store.offers[model.name].title if model.name in store.offers else model.source
        table.add_row("✓", model.name, model.kind, _mb(model), model.licence, title)
    for offer in store.offers.values():
        if offer.name not in here:
            table.add_row("", offer.name, offer.kind, str(offer.size_mb), offer.licence, offer.title)
    return table


def _mb(model: Installed) -> str:
    return f"{model.size_bytes / 1e6:.0f}"
