"""The daemon as other programs of the head unit see it."""

import asyncio
import configparser
import http.client
import json
import os
import socket
import stat
import threading
from pathlib import Path

import aiohttp
import pytest

from carvoice.config import AudioConfig, Config, ServeConfig, TtsConfig, VehicleConfig
from carvoice.errors import ConfigError
from carvoice.service import systemd
from carvoice.service.api import is_loopback
from carvoice.service.daemon import serve, socket_path
from carvoice.service.hub import EventHub

ROOT = Path(__file__).resolve().parents[2]
QUIET = AudioConfig(input="none", output="none")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("car")
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """A daemon in a thread of its own."""

    def __init__(self, config):
        self.path = socket_path(config.serve)
        self.port = config.serve.port
        self._ready = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, args=(config,))
        self._thread.start()
        assert self._ready.wait(60)
        if self._error:
            raise self._error

    def _run(self, config):
        async def run():
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            await serve(config, lambda where: self._ready.set(), self._stop)

        try:
            asyncio.run(run())
        except Exception as error:
            self._error = error
            self._ready.set()

    def stop(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def ask(self, method, path, body=None, headers=None, port=False):
        if port:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        else:
            connection = UnixConnection(self.path)
        text = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
        connection.request(method, path, text, headers or {})
        answer = connection.getresponse()
        content = answer.read().decode()
        connection.close()
        return answer.status, content

    def events(self, requests, until):
        """Send requests on the WebSocket; returns the events up to the first that ``until`` is true of."""

        async def talk():
            connector = aiohttp.UnixConnector(str(self.path))
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.ws_connect("http://car/events") as channel,
            ):
                seen = [await channel.receive_json(timeout=10)]
                for request in requests:
                    await channel.send_str(request if isinstance(request, str) else json.dumps(request))
                while not until(seen[-1]):
                    seen.append(await channel.receive_json(timeout=20))
                return seen

        return asyncio.run(talk())


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "carvoice.sock"
    daemon = Daemon(
        Config(
            audio=QUIET,
            tts=TtsConfig(voice="none"),  # nobody waits for it to finish speaking
            vehicle=VehicleConfig(channel="serve-test"),
            serve=ServeConfig(socket=str(path), port=free_port()),
        )
    )
    yield daemon
    daemon.stop()
    assert not path.exists()


def test_a_sentence_becomes_a_frame_and_the_whole_turn_comes_back(daemon):
    status, text = daemon.ask("POST", "/say", {"text": "set the temperature to 21 degrees"})
    turn = json.loads(text)
    assert status == 200
    assert turn["actuations"][0]["evidence"] == "actuated"
    assert turn["actuations"][0]["frames"][0]["name"] == "HU_ClimateReq"
    assert turn["reply"]["text"] == "The temperature is set to 21 degrees."


def test_the_phone_book_is_given_while_it_runs(daemon):
    names = {"Anna Kowalski": 7, **{f"Number {number}": number for number in range(100, 1000)}}
    assert daemon.ask("PUT", "/lists/contact", names) == (200, '{"names": 901}')
    turn = json.loads(daemon.ask("POST", "/say", {"text": "call anna kowalski"})[1])
    assert turn["interpretations"][0]["slots"]["contact"]["value"] == "Anna Kowalski"
    assert daemon.ask("PUT", "/lists/friend", ["Jo"])[0] == 404
    assert daemon.ask("PUT", "/lists/contact", {"Jo": None})[0] == 400
    assert daemon.ask("PUT", "/lists/contact", b"[" + b'"a",' * 600_000)[0] == 413


def test_what_is_said_here_passes_the_same_gate(daemon):
    _, text = daemon.ask("POST", "/say", {"text": "open the trunk"})
    turn = json.loads(text)
    assert turn["verdicts"][0]["decision"] == "confirm"
    assert "actuations" not in turn
    _, text = daemon.ask("POST", "/say", {"text": "no"})
    assert "actuations" not in json.loads(text)


def test_health_names_every_part(daemon):
    status, text = daemon.ask("GET", "/health")
    report = json.loads(text)
    assert (status, report["status"]) == (200, "ok")
    assert set(report["parts"]) == {"dialogue", "bus", "microphone", "recognizer", "loudspeaker", "llm"}
    assert report["parts"]["bus"]["figures"]["frames"] > 0
    assert report["parts"]["llm"]["figures"]["tiers"] == ["manual"]


def test_metrics_count_the_turns(daemon):
    pytest.importorskip("prometheus_client")
    daemon.ask("POST", "/say", {"text": "turn the volume up"})
    status, text = daemon.ask("GET", "/metrics")
    assert status == 200
    assert 'carvoice_turns_total{kind="done",tier="grammar"}' in text


def test_events_tell_a_turn_from_state_to_record(daemon):
    said = {"do": "say", "text": "turn on the heated seat"}
    events = daemon.events([{"do": "cancel"}, said], lambda event: event["event"] == "TurnEnded")
    names = [event["event"] for event in events]
    assert names[0] == "Hello"
    in_order = [name for name in names if name in ("TurnBegan", "Understood", "Decided", "Acted", "Replied")]
    assert in_order == ["TurnBegan", "Understood", "Decided", "Acted", "Replied"]
    states = [event["state"] for event in events if event["event"] == "StateChanged"]
    assert states[-2:] == ["listening", "thinking"]
    assert events[-1]["turn"]["reply"]["text"]


def test_text_to_speak_is_said_when_nobody_has_the_floor(daemon):
    daemon.ask("POST", "/cancel")
    spoken = {"do": "speak", "text": "In 300 m turn left."}
    events = daemon.events([spoken], lambda event: event["event"] == "Replied")
    assert events[-1]["reply"] == {"text": "In 300 m turn left.", "kind": "notice"}


def test_the_button_without_a_microphone_says_so(daemon):
    daemon.ask("POST", "/cancel")
    events = daemon.events([{"do": "press"}], lambda event: event["event"] == "Replied")
    daemon.ask("POST", "/talk/release")
    assert events[-1]["reply"]["text"] == "I can't hear you. The microphone is gone."


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("", "text: give"),
        ("{", "not JSON"),
        ("[1]", "a JSON object"),
        ({"text": ""}, "text: give"),
        ({"text": 7}, "text: give"),
        ({"text": "x" * 501}, "text: give"),
        ({"text": "hello", "zone": "boot"}, "zone: 'boot'"),
        ("[" * 5000, "not JSON"),
    ],
)
def test_wrong_requests_are_named(daemon, body, complaint):
    status, text = daemon.ask("POST", "/say", body)
    assert status == 400
    assert complaint in json.loads(text)["error"]


def test_a_large_body_and_an_unknown_path_are_refused(daemon):
    assert daemon.ask("POST", "/say", "x" * 10_000)[0] == 413
    for path, refusal in (("/etc/passwd", 404), ("/say", 405)):
        status, text = daemon.ask("GET", path)
        assert status == refusal
        assert "POST /say" in json.loads(text)["error"]  # what there is


def test_wrong_messages_on_the_event_channel_are_answered(daemon):
    events = daemon.events(["nonsense"], lambda event: event["event"] == "Error")
    assert events[-1]["error"] == "the request is not JSON"
    events = daemon.events([{"do": "fly"}], lambda event: event["event"] == "Error")
    assert "'fly'" in events[-1]["error"]


def test_web_pages_cannot_use_the_port(daemon):
    assert daemon.ask("GET", "/health", port=True)[0] == 200
    assert daemon.ask("GET", "/health", headers={"Origin": "http://evil.example"}, port=True)[0] == 403
    assert daemon.ask("GET", "/health", headers={"Host": "rebound.example:80"}, port=True)[0] == 403


def test_the_socket_is_closed_to_strangers(daemon):
    assert stat.S_IMODE(os.stat(daemon.path).st_mode) == 0o660


def test_a_second_daemon_on_the_same_socket_is_refused(daemon):
    config = Config(
        audio=QUIET,
        vehicle=VehicleConfig(channel="serve-second"),
        serve=ServeConfig(socket=str(daemon.path)),
    )
    with pytest.raises(ConfigError, match="another carvoice"):
        Daemon(config)
    assert daemon.ask("GET", "/health")[0] == 200


def test_a_token_is_asked_for_where_one_is_set(monkeypatch):
    monkeypatch.setenv("HEAD_UNIT_TOKEN", "tell-nobody")
    settings = ServeConfig(socket="", port=free_port(), token_env="HEAD_UNIT_TOKEN")
    daemon = Daemon(Config(audio=QUIET, vehicle=VehicleConfig(channel="serve-token"), serve=settings))
    try:
        assert daemon.ask("GET", "/health", port=True)[0] == 401
        assert daemon.ask("GET", "/health", headers={"Authorization": "Bearer guess"}, port=True)[0] == 401
        good = {"Authorization": "Bearer tell-nobody", "Origin": "http://panel.local"}
        assert daemon.ask("GET", "/health", headers=good, port=True)[0] == 200
    finally:
        daemon.stop()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (ServeConfig(socket="", port=0), "there would be no API"),
        (ServeConfig(socket="", port=8000, host="0.0.0.0"), "set serve.token_env"),
        (ServeConfig(token_env="NO_SUCH_VARIABLE"), "NO_SUCH_VARIABLE holds no token"),
    ],
)
def test_settings_that_would_leave_the_car_open_are_refused(settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        asyncio.run(serve(Config(audio=QUIET, serve=settings), lambda where: None, asyncio.Event()))


def test_the_runtime_folder_decides_where_the_socket_is(monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert socket_path(ServeConfig()) == Path("/run/user/1000/carvoice.sock")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/carvoice:/run/other")
    assert socket_path(ServeConfig()) == Path("/run/carvoice/carvoice.sock")


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("car.local", False)],
)
def test_loopback(host, own):
    assert is_loopback(host) is own


def test_a_subscriber_that_sleeps_is_dropped_and_the_others_go_on():
    async def run():
        hub = EventHub(asyncio.get_running_loop(), queued=3)
        with hub.subscribed() as sleepy, hub.subscribed() as awake:
            got = []
            for number in range(5):
                hub.publish(number)
                await asyncio.sleep(0)
                got.append(awake.get_nowait())
            assert got == [0, 1, 2, 3, 4]
            assert [sleepy.get_nowait() for _ in range(4)] == [0, 1, 2, None]
            hub.close()
            assert awake.get_nowait() is None

    asyncio.run(run())


def test_systemd_is_told(tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        assert systemd.notify("READY=1", {"NOTIFY_SOCKET": str(path)})
        assert manager.recv(64) == b"READY=1"
    assert not systemd.notify("READY=1", {"NOTIFY_SOCKET": str(path)})
    assert not systemd.notify("READY=1", {})


def test_the_watchdog_is_fed_twice_in_its_time():
    assert systemd.watchdog_s({"WATCHDOG_USEC": "20000000"}) == 10.0
    assert systemd.watchdog_s({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}) == 10.0
    assert systemd.watchdog_s({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}) is None
    assert systemd.watchdog_s({}) is None


def test_the_unit_file_starts_what_there_is():
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str
    unit.read(ROOT / "packaging" / "carvoice.service")
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert float(service["WatchdogSec"]) > 10  # a car that does not answer may hold the dialogue for seconds
    assert service["ExecStart"].split()[-1] == "serve"
