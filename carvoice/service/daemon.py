"""``carvoice serve``: the assistant as a service, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from carvoice.assistant import Assistant
from carvoice.assistant.button import TalkButton
from carvoice.assistant.controls import connect
from carvoice.assistant.loudspeaker import Loudspeaker
from carvoice.assistant.microphone import Microphone
from carvoice.assistant.rooms import open_loudspeaker, open_microphone
from carvoice.config import Config, ServeConfig
from carvoice.dialogue.events import Event, TurnEnded
from carvoice.errors import CarvoiceError, ConfigError
from carvoice.service.api import Api, is_loopback
from carvoice.service.health import Health
from carvoice.service.hub import EventHub
from carvoice.service.observe import build_observer
from carvoice.service.systemd import notify, watchdog_s

if TYPE_CHECKING:
    from carvoice.service.metrics import TurnMetrics  # needs the extra "telemetry"

_log = logging.getLogger(__name__)

_SOCKET = "carvoice.sock"
_GOODBYE_S = 2.0  # for open connections


async def serve(
    config: Config,
    on_ready: Callable[[str], None],
    stopped: asyncio.Event,
    reload: asyncio.Event | None = None,
) -> None:
    """Run until ``stopped`` is set.

    A microphone, loudspeaker or bus that is missing does not stop it: ``GET /health`` says so, and each is
    taken as soon as it is there.

    Args:
        config: the settings.
        on_ready: told where the API listens.
        stopped: ends it.
        reload: whenever it is set, the files of ``language.lists`` are read again.

    Raises:
        ConfigError: the API's settings are wrong or its address is taken.
        CarvoiceError: a part of the assistant cannot be built.
    """
    token = _token(config.serve)
    addresses = _addresses(config.serve)
    for address in addresses:
        if isinstance(address, Path):
            _make_way(address)
    hub = EventHub(asyncio.get_running_loop())
    async with AsyncExitStack() as stack:
        parts = stack.enter_context(ExitStack())
        metrics = _metrics()
        observe = build_observer(config, parts)

        def tell(event: Event) -> None:
            hub.publish(event)
            if isinstance(event, TurnEnded):
                observe(event.turn)
                if metrics is not None:
                    metrics.observe(event.turn)

        speaker = await asyncio.to_thread(Loudspeaker, partial(open_loudspeaker, config.audio))
        parts.callback(speaker.close)
        assistant = await asyncio.to_thread(
            lambda: parts.enter_context(
                Assistant(config, on_event=tell, loudspeaker=speaker, waits_for_bus=True)
            )
        )
        observe.attach(assistant)
        microphone = listener = None
        if config.audio.input != "none":
            listener = await asyncio.to_thread(assistant.listener)
            opener = partial(open_microphone, config.audio, speaker)
            microphone = Microphone(opener, listener.hear, assistant.post)
            microphone.start()
            parts.callback(microphone.close)
        heard = microphone

        def is_deaf() -> bool:
            return heard is None or not heard.status.is_well

        button = TalkButton(assistant.post, listener, is_deaf)
        connect(button, config.dialogue, assistant.vehicle.state, parts)
        health = Health(assistant, microphone, listener, speaker)
        api = Api(assistant, button, health, hub, None if metrics is None else metrics.text)
        where = [await stack.enter_async_context(_listening(api, address, token)) for address in addresses]
        stack.callback(hub.close)
        gc.freeze()  # what was built stays: looking through it again would hold a turn up for tens of ms
        watch = asyncio.create_task(_watchdog(health))
        stack.callback(watch.cancel)
        if reload is not None:
            again = asyncio.create_task(_reloading(assistant, reload))
            stack.callback(again.cancel)
        notify("READY=1")
        on_ready(" and ".join(where))
        await stopped.wait()
        notify("STOPPING=1")


async def _reloading(assistant: Assistant, reload: asyncio.Event) -> None:
    while await reload.wait():
        reload.clear()
        try:
            await asyncio.to_thread(assistant.reload_lists)
        except CarvoiceError as error:
            _log.error("the lists were not read again: %s", error)


def socket_path(config: ServeConfig) -> Path | None:
    """Where the Unix socket is; None when none is wanted.

    'auto' is systemd's RuntimeDirectory, else the user's runtime folder, else a folder of the user's own
    among the temporary files.
    """
    if config.socket != "auto":
        return Path(config.socket).expanduser() if config.socket else None
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        if folder := os.environ.get(name, "").split(":")[0]:
            return Path(folder) / _SOCKET
    return Path(tempfile.gettempdir()) / f"carvoice-{os.getuid()}" / _SOCKET


def _token(config: ServeConfig) -> str:
    token = os.environ.get(config.token_env, "") if config.token_env else ""
    if config.token_env and not token:
        raise ConfigError(f"serve.token_env: the environment variable {config.token_env} holds no token")
    if config.port and not token and not is_loopback(config.host):
        raise ConfigError(
            f"serve.host = '{config.host}': whoever reaches it could steer the car; set serve.token_env"
        )
    return token


def _addresses(config: ServeConfig) -> list[Path | tuple[str, int]]:
    path = socket_path(config)
    addresses: list[Path | tuple[str, int]] = [] if path is None else [path]
    if config.port:
        addresses.append((config.host, config.port))
    if not addresses:
        raise ConfigError("serve: neither serve.socket nor serve.port is set; there would be no API")
    return addresses


@asynccontextmanager
async def _listening(api: Api, address: Path | tuple[str, int], token: str) -> AsyncIterator[str]:
    """Listen on a socket or a port; yields its name."""
    if isinstance(address, Path):  # the folder and the file keep strangers out, not a token
        runner = web.AppRunner(api.application(), access_log=None, shutdown_timeout=_GOODBYE_S)
    else:
        app = api.application(token, is_local_port=not token)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GOODBYE_S)
    await runner.setup()
    try:
        if isinstance(address, Path):
            site: web.BaseSite = web.UnixSite(runner, str(address))
        else:
            site = web.TCPSite(runner, *address)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(f"serve: cannot listen on {address}: {error.strerror or error}") from None
        if isinstance(address, Path):
            address.chmod(0o660)
            yield str(address)
        else:
            yield f"http://{address[0]}:{address[1]}"
    finally:
        await runner.cleanup()
        if isinstance(address, Path):
            address.unlink(missing_ok=True)


def _make_way(path: Path) -> None:
    """Make the folder, ours alone, and remove the socket that a former run left behind.

    Raises:
        ConfigError: the folder cannot be made or is another user's; or another carvoice listens there.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = path.parent.stat().st_uid
    except OSError as error:
        raise ConfigError(f"serve.socket = '{path}': {error.strerror or error}") from None
    if path.parent.name.startswith("carvoice-") and owner != os.getuid():
        raise ConfigError(f"{path.parent} belongs to another user; set serve.socket")
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ConfigError(f"another carvoice listens on {path}; stop it or set serve.socket")


async def _watchdog(health: Health) -> None:
    """Tell systemd that the conversation goes on, as long as it does."""
    every_s = watchdog_s()
    while every_s is not None:
        if await asyncio.to_thread(health.is_alive):
            notify("WATCHDOG=1")
        else:
            _log.error("the dialogue hangs; systemd will start the service anew")
        await asyncio.sleep(every_s)


def _metrics() -> TurnMetrics | None:
    try:
        from carvoice.service.metrics import TurnMetrics
    except ImportError:
        return None
    return TurnMetrics()
