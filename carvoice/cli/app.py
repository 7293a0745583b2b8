"""The root command: global options, and the settings every command starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from carvoice import __version__
from carvoice.config import Config, load_config, parse_value
from carvoice.errors import ConfigError

app = typer.Typer(
    name="carvoice",
    help="An in-vehicle voice assistant that runs wholly on the head unit.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MIN_WIDTH = 100  # what a frame with its bytes and name needs

console = Console()
if not console.is_terminal:
    console = Console(width=max(console.width, MIN_WIDTH))
errors = Console(stderr=True)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(f"carvoice {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Settings file; carvoice.toml here is taken if there is one."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, e.g. vehicle.channel=can0."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Keep the global options for the command that follows."""
    context.obj = (config, _overrides(settings or []))


def settings_of(context: typer.Context, **more: Any) -> Config:
    """Load the settings, with a command's own options on top.

    Args:
        context: the command's context.
        more: dotted keys with ``__`` for the dot; None values are left out.
    """
    path, overrides = context.obj
    extra = {key.replace("__", "."): value for key, value in more.items() if value is not None}
    return load_config(path, overrides={**overrides, **extra})


def _overrides(settings: list[str]) -> dict[str, Any]:
    overrides: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: write KEY=VALUE, e.g. --set vehicle.channel=can0")
        overrides[key.strip()] = parse_value(value.strip())
    return overrides
