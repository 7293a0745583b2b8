from __future__ import annotations

import hashlib
import io
import shutil
import socket
import struct
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carvoice.cli.app import app
from carvoice.cli.models import models_app  # noqa: F401  (registers the command)
from carvoice.errors import ModelError
from carvoice.modelstore import ModelStore, Offer, default_folder, read_registry

CONTENT = bytes(range(256)) * 5000  # 1.28 MB: more than one chunk
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT with ranges; may break off, redirect with a stated checksum, or be wrong."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.break_after: int | None = None
        self.has_ranges = True
        self.states_length = True
        self.resets = False
        self.content = CONTENT
        self.stated = ""
        self.ranges: list[str | None] = []
        threading.Thread(target=lambda: self.serve_forever(0.01), daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, *args: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path == "/none.gguf":
            self.send_error(404)
            return
        if self.path == "/stated.gguf":
            self.send_response(302)
            self.send_header("Location", self.server.url("model.gguf"))
            self.send_header("X-Linked-Etag", f'"{self.server.stated}"')
            self.end_headers()
            return
        if self.path == "/nonsense.gguf":
            self.wfile.write(b"login here\r\n\r\n")
            return
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        if not self.server.has_ranges:
            wanted = None
        content = self.server.content
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        if self.server.states_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.server.break_after])
        if self.server.resets:
            # Closing with unread data or SO_LINGER 0 sends a reset instead of an end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.wfile.flush()
            self.connection.close()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    http = Server()
    yield http
    http.shutdown()
    http.server_close()


def store(folder: Path, *offers: Offer) -> ModelStore:
    return ModelStore(folder / "models", {offer.name: offer for offer in offers})


def offer(server: Server, file_name: str = "model.gguf", sha256: str = SHA256) -> Offer:
    return Offer("tiny", "gguf", "Tiny", "MIT", "http://licence", server.url(file_name), sha256, 1)


def archive(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            for name, data in files.items():
                zipped.writestr(name, data)
        return path
    with tarfile.open(path, "w:bz2") as tarred:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tarred.addfile(info, io.BytesIO(data))
    return path


def test_download_verify_remove(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server))
    seen: list[tuple[int, int]] = []
    model = models.download("tiny", lambda done, total: seen.append((done, total)))
    assert model.path(".gguf").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert models.installed() == [model] == models.find_kind("gguf")
    assert (model.files["model.gguf"], model.licence) == ((len(CONTENT), SHA256), "MIT")
    assert models.verify("tiny") == []
    assert models.remove("tiny") == len(CONTENT)
    assert models.installed() == []
    assert list((tmp_path / "models").iterdir()) == []


def test_a_download_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server))
    server.break_after = 500_000
    with pytest.raises(
        ModelError, match=r"^http\S+ the connection broke off; run it again to go on from there$"
    ):
        models.download("tiny")
    assert models.installed() == []
    server.break_after = None
    assert models.download("tiny").path(".gguf").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=500000-"]


def test_a_connection_that_is_reset_is_taken_up_again(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server))
    server.break_after, server.resets = 700_000, True
    with pytest.raises(ModelError, match="run it again to go on from there"):
        models.download("tiny")
    server.break_after, server.resets = None, False
    assert models.download("tiny").path(".gguf").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server))
    server.break_after = 500_000
    with pytest.raises(ModelError, match="broke off"):
        models.download("tiny")
    server.break_after, server.has_ranges = None, False
    seen: list[int] = []
    assert models.download("tiny", lambda done, _: seen.append(done)).path(".gguf").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=500000-"]
    assert seen[-1] == len(CONTENT)


def test_a_break_that_no_length_betrays_is_found_by_the_checksum(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server))
    server.states_length, server.break_after = False, 500_000
    with pytest.raises(ModelError, match="SHA-256 is"):
        models.download("tiny")
    assert models.installed() == []


def test_a_file_that_changed_while_it_was_half_here_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server))
    server.content, server.break_after = bytes(len(CONTENT)), 500_000
    with pytest.raises(ModelError, match="broke off"):
        models.download("tiny")
    server.content, server.break_after = CONTENT, None
    with pytest.raises(ModelError, match="it was deleted"):
        models.download("tiny")  # half of the one, half of the other
    assert models.download("tiny").path(".gguf").read_bytes() == CONTENT


def test_all_had_come_but_was_not_yet_installed(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny.part").write_bytes(CONTENT)  # the server answers 416
    assert models.download("tiny").path(".gguf").read_bytes() == CONTENT


def test_a_full_disk_is_said_before_the_download_and_during_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = store(tmp_path, offer(server))
    (tmp_path / "models").mkdir()
    part = tmp_path / "models" / "tiny.part"
    part.symlink_to("/dev/full")  # every write to it fails with ENOSPC
    with pytest.raises(ModelError, match="No space left on device"):
        models.download("tiny")
    part.unlink()
    usage = shutil.disk_usage(tmp_path)._replace(free=400_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    asked = len(server.ranges)
    with pytest.raises(ModelError, match="0 MB free, tiny needs 1"):
        models.download("tiny")
    assert len(server.ranges) == asked
    part.write_bytes(CONTENT[:700_000])  # most of it is here already
    assert models.download("tiny").path(".gguf").read_bytes() == CONTENT


def test_what_answers_is_no_web_server(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no web server"):
        store(tmp_path, offer(server, "nonsense.gguf")).download("tiny")


def test_what_is_not_as_it_should_be_is_not_installed(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server, sha256="0" * 64))
    with pytest.raises(ModelError, match="should be 0000"):
        models.download("tiny")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_checksum_that_the_server_states_counts(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server, "stated.gguf", sha256=""))
    server.stated = "f" * 64
    with pytest.raises(ModelError, match="should be ffff"):
        models.download("tiny")
    server.stated = SHA256
    assert models.download("tiny").files["stated.gguf"][1] == SHA256


def test_no_such_file_no_server_no_name(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server, "none.gguf"))
    with pytest.raises(ModelError, match="404"):
        models.download("tiny")
    with pytest.raises(ModelError, match="no model 'huge'"):
        models.download("huge")
    away = store(tmp_path, Offer("tiny", "gguf", "", "", "", "http://127.0.0.1:9/model.gguf"))
    with pytest.raises(ModelError, match="bring the file"):
        away.download("tiny")


@pytest.mark.parametrize("packed", ["voice.tar.bz2", "voice.zip"])
def test_an_archive_brought_on_a_disk(tmp_path: Path, packed: str) -> None:
    path = archive(tmp_path / packed, {"voice/model.onnx": b"weights", "voice/data/tokens.txt": b"a 0"})
    model = store(tmp_path).install(path, kind="tts")
    assert (model.name, model.kind) == ("voice", "tts")
    assert sorted(model.files) == ["data/tokens.txt", "model.onnx"]
    assert (model.folder / "data" / "tokens.txt").read_text() == "a 0"
    assert store(tmp_path).verify("voice") == []


def test_a_folder_and_a_file_brought_on_a_disk(tmp_path: Path) -> None:
    folder = tmp_path / "my-voice"
    (folder / "data").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights")
    (folder / "data" / "x").write_bytes(b"x")
    models = store(tmp_path)
    assert sorted(models.install(folder, kind="tts").files) == ["data/x", "model.onnx"]
    (tmp_path / "some.gguf").write_bytes(CONTENT)
    model = models.install(tmp_path / "some.gguf")
    assert (model.name, model.kind) == ("some", "gguf")
    assert model.path(".gguf").read_bytes() == CONTENT
    assert (tmp_path / "some.gguf").exists()


def test_a_file_that_the_registry_knows_gets_its_name_and_is_checked(server: Server, tmp_path: Path) -> None:
    models = store(tmp_path, offer(server))
    (tmp_path / "model.gguf").write_bytes(CONTENT)
    assert models.install(tmp_path / "model.gguf").name == "tiny"
    (tmp_path / "model.gguf").write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match="copy it again"):
        models.install(tmp_path / "model.gguf")
    assert models.verify("tiny") == []  # the good one is still there


def test_a_model_out_of_another_store(server: Server, tmp_path: Path) -> None:
    theirs = store(tmp_path / "their car", offer(server)).download("tiny")
    ours = store(tmp_path / "our car")
    model = ours.install(theirs.folder)
    assert (model.name, model.kind, model.licence, model.source) == (
        "tiny",
        "gguf",
        "MIT",
        server.url("model.gguf"),
    )
    assert model.files == theirs.files
    assert ours.verify("tiny") == []
    (theirs.folder / "model.gguf").write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match="copy it again"):
        ours.install(theirs.folder)
    assert ours.verify("tiny") == []
    card = theirs.folder / "installed.json"
    card.write_text(card.read_text().replace('"model.gguf": [', '"../model.gguf": ['))
    with pytest.raises(ModelError, match="leads outside"):
        ours.install(theirs.folder)


def test_an_archive_cannot_write_outside(tmp_path: Path) -> None:
    path = archive(tmp_path / "evil.tar.bz2", {"../../escaped": b"x"})
    with pytest.raises(ModelError, match="cannot be unpacked"):
        store(tmp_path).install(path, kind="tts")
    assert not (tmp_path / "escaped").exists()
    assert store(tmp_path).installed() == []
    (tmp_path / "broken.tar.bz2").write_bytes(b"no archive")
    with pytest.raises(ModelError, match="cannot be unpacked"):
        store(tmp_path).install(tmp_path / "broken.tar.bz2", kind="tts")


@pytest.mark.parametrize("name", ["../up", ".hidden", "a/b", ""])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    models = store(tmp_path)
    assert models.find(name) is None
    if name:
        (tmp_path / "some.gguf").write_bytes(b"x")
        with pytest.raises(ModelError, match="no name"):
            models.install(tmp_path / "some.gguf", name=name)


def test_damage_is_found(tmp_path: Path) -> None:
    (tmp_path / "some.gguf").write_bytes(CONTENT)
    models = store(tmp_path)
    path = models.install(tmp_path / "some.gguf").path(".gguf")
    path.write_bytes(CONTENT[:-1] + b"!")
    assert "damaged" in models.verify("some")[0]
    path.write_bytes(b"short")
    assert "5 bytes" in models.verify("some")[0]
    path.unlink()
    assert "missing" in models.verify("some")[0]
    with pytest.raises(ModelError, match="is not installed"):
        models.verify("other")


def test_the_shipped_registry_is_whole() -> None:
    offers = read_registry()
    assert {offer.kind for offer in offers.values()} == {
        "gguf",
        "embedding",
        "asr",
        "tts",
        "vad",
        "denoiser",
    }
    for one in offers.values():
        assert one.url.startswith("https://")
        assert one.licence
        assert one.licence_url.startswith("https://")
        assert len(one.sha256) == 64
        assert one.size_mb > 0


def test_a_registry_with_a_mistake_says_where(tmp_path: Path) -> None:
    path = tmp_path / "registry.toml"
    path.write_text('[[model]]\nname = "x"\n')
    with pytest.raises(ModelError, match=r"registry\.toml"):
        read_registry(path)


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARVOICE_MODELS", "/somewhere")
    assert default_folder() == Path("/somewhere")


def test_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CARVOICE_MODELS", str(tmp_path / "models"))
    (tmp_path / "some.gguf").write_bytes(CONTENT)
    run = CliRunner().invoke
    assert "qwen2.5-0.5b-instruct" in run(app, ["models"]).output
    installed = run(app, ["models", "install", str(tmp_path / "some.gguf")])
    assert installed.exit_code == 0
    assert "llm.model=some" in installed.output
    assert "1 models checked, 0 problems" in run(app, ["models", "verify"]).output
    (tmp_path / "models" / "some" / "some.gguf").write_bytes(b"x")
    assert run(app, ["models", "verify"]).exit_code == 1
    assert run(app, ["models", "remove", "some"]).exit_code == 0
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "gtcrn_simple.onnx").write_bytes(CONTENT)
    refused = run(app, ["models", "install", "gtcrn", "--from", str(disk)])
    assert "MIT" in refused.output
    assert "licence was not accepted" in str(refused.exception)
    wrong = run(app, ["models", "install", "gtcrn", "--from", str(disk), "--yes"])
    assert "copy it again" in str(wrong.exception)
    elsewhere = run(app, ["models", "install", "gtcrn", "--from", str(tmp_path), "--yes"])
    assert "holds neither gtcrn_simple.onnx nor gtcrn_simple" in str(elsewhere.exception)
    refused = run(app, ["models", "install", "gtcrn"])
    assert "MIT" in refused.output
    assert "licence was not accepted" in str(refused.exception)
    assert "neither a model" in str(run(app, ["models", "install", "nothing"]).exception)
