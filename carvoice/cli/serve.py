"""``carvoice serve``: the daemon."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from carvoice.cli.app import app, settings_of
from carvoice.errors import ConfigError


@app.command()
def serve(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Listen on this loopback port too.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop by itself after this time.")] = None,
) -> None:
    """Run as a service: microphone, talk button, and an API for the head unit's other programs."""
    try:
        from carvoice.service.daemon import serve as run
    except ImportError:
        raise ConfigError("carvoice serve needs: pip install 'carvoice[serve]'") from None

    settings = settings_of(context, serve__port=port)

    async def until_stopped() -> None:
        loop, stopped, reload = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, reload.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        if seconds is not None:
            loop.call_later(seconds, stopped.set)
        await run(settings, lambda where: typer.echo(f"listening on {where}"), stopped, reload)

    asyncio.run(until_stopped())
