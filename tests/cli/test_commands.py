"""The commands: what they print, their exit codes, and one clear line for every user mistake."""

import json
import threading

import numpy as np
import pytest
import soundfile

from carvoice.resources import data_path


def turns(out):
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def test_say_acts_and_reads_back(carvoice):
    result = carvoice("say", "--json", "what is the outside temperature", "set the temperature to 21 degrees")
    asked, first = turns(result.out)
    assert result.code == 0
    assert asked["actuations"][0]["action"]["kind"] == "get"
    assert "8 degrees" in asked["reply"]["text"]
    assert first["interpretations"][0]["intent"] == "ClimateSetTemperature"
    assert first["actuations"][0]["evidence"] == "actuated"
    assert first["actuations"][0]["frames"][0]["is_tx"]


def test_say_refuses_a_door_at_speed(carvoice):
    result = carvoice("say", "--json", "open the driver door", "--car", "Vehicle.Speed=60")
    turn = turns(result.out)[0]
    assert result.code == 1
    assert turn["verdicts"][0]["decision"] == "deny"
    assert "actuations" not in turn


def test_say_rejects_what_is_no_command(carvoice):
    result = carvoice("say", "i told him that we would be late for dinner")
    assert result.code == 1
    assert "not a command" in result.out


def test_config_prints_settings_that_can_be_read_back(carvoice, tmp_path):
    text = carvoice("--set", "asr.threads=2", "config").out
    (tmp_path / "mine.toml").write_text(text)
    assert carvoice("--config", "mine.toml", "config").out == text
    assert "threads = 2" in text


def test_car_check_passes_on_the_demo_car(carvoice):
    result = carvoice("car", "check")
    assert result.code == 0
    assert "0 errors" in result.out


def test_car_why_names_the_rule(carvoice):
    result = carvoice("car", "why", "open the driver door", "--car", "Vehicle.Speed=60")
    assert "door-open-speed" in result.out
    assert "deny" in result.out


def test_car_new_drafts_from_a_dbc(carvoice, tmp_path):
    dbc = data_path("cars", "demo", "demo.dbc")
    assert carvoice("car", "new", "--from", dbc, "--out", "draft.toml").code == 0
    assert "vss2dbc" in (tmp_path / "draft.toml").read_text()
    again = carvoice("car", "new", "--from", dbc, "--out", "draft.toml")
    assert again.code == 2
    assert "is there already" in again.err


def test_doctor_finds_the_needed_parts(carvoice):
    result = carvoice("doctor")
    assert "speech model" in result.out
    assert result.code == 0


def test_sim_runs_and_stops(carvoice):
    result = carvoice("sim", "--interface", "virtual", "--channel", "sim-test", "--seconds", "0.2")
    assert result.code == 0
    assert "sim-test" in result.out


def test_help_lists_the_commands(carvoice):
    result = carvoice("--help")
    assert result.code == 0
    for command in ("demo", "run", "say", "listen", "devices", "sim", "doctor", "config"):
        assert command in result.out


def wav(path, samples, rate=16_000, subtype="PCM_16"):
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def broken(kind, tmp_path):
    path = tmp_path / "clip.wav"
    if kind == "corrupt":
        path.write_bytes(b"RIFF\x00\x00nonsense")
    elif kind == "empty":
        wav(path, np.zeros(0, np.float32))
    elif kind == "nan":
        wav(path, np.full(1600, np.nan, np.float32), subtype="FLOAT")
    return path


@pytest.mark.parametrize("kind", ["missing", "corrupt", "empty", "nan"])
@pytest.mark.parametrize("command", ["run", "listen"])
def test_bad_recordings_are_one_clear_line(carvoice, tmp_path, kind, command):
    path = broken(kind, tmp_path)
    before = threading.active_count()
    result = carvoice(command, "--wav", path)
    assert result.code == 2
    assert "clip.wav" in result.err
    assert "Traceback" not in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"), [(44_100, 1, "PCM_16"), (48_000, 2, "PCM_24"), (16_000, 1, "PCM_U8")]
)
def test_other_formats_are_converted(carvoice, tmp_path, rate, channels, subtype):
    import soxr

    clip, original = soundfile.read(data_path("demo", "seat_heating.wav"), dtype="float32")
    samples = soxr.resample(clip, original, rate)
    path = wav(tmp_path / "clip.wav", np.stack([samples] * channels, axis=1), rate, subtype)
    heard = turns(carvoice("listen", "--json", "--wav", path).out)[-1]
    assert heard["hypothesis"]["text"] == "turn on the seat heating"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (
            ("--set", "vehicle.interface=socketcan", "--set", "vehicle.channel=nocan7", "say", "hello"),
            "nocan7",
        ),
        (("--set", "vehicle.interface=nosuch", "say", "hello"), "nosuch"),
        (("--set", "vehicle.car=absent.toml", "say", "hello"), "absent.toml"),
        (("--set", "language.code=xx", "say", "hello"), "xx"),
        (("--set", "asr.model=absent", "listen", "--wav", "CLIP"), "absent"),
        (("--set", "nonsense", "config"), "nonsense"),
        (("--set", "asr.speed=3", "config"), "asr.speed"),
        (("--config", "absent.toml", "config"), "absent.toml"),
        (("--set", "llm.model=absent.gguf", "say", "hello"), "absent.gguf"),
        (("say", "hello", "--car", "Vehicle.Nothing=1"), "Vehicle.Nothing"),
    ],
)
def test_user_mistakes_are_named_in_one_line(carvoice, arguments, named):
    clip = str(data_path("demo", "seat_heating.wav"))
    before = threading.active_count()
    result = carvoice(*[clip if argument == "CLIP" else argument for argument in arguments])
    assert result.code == 2
    assert named in result.err
    assert "Traceback" not in result.err
    assert threading.active_count() == before


def test_a_dbc_that_lacks_a_mapped_signal(carvoice, tmp_path):
    folder = data_path("cars", "demo")
    for name in ("demo.toml", "rules.toml"):
        (tmp_path / name).write_text((folder / name).read_text())
    dbc = (folder / "demo.dbc").read_text().replace("HU_TempSetDrvReq", "HU_SomethingElse")
    (tmp_path / "demo.dbc").write_text(dbc)
    result = carvoice("--set", "vehicle.car=demo.toml", "say", "hello")
    assert result.code == 2
    assert "HU_TempSetDrvReq" in result.err
    assert "demo.toml:" in result.err


def test_an_unreadable_grammar(carvoice, tmp_path):
    (tmp_path / "bad.yaml").write_text("intents:\n  X:\n    data:\n      - sentences: ['open the (window']\n")
    result = carvoice("--set", "language.grammars=['bad.yaml']", "say", "hello")
    assert result.code == 2
    assert "bad.yaml:4" in result.err


def test_a_folder_of_another_language_is_understood_in_its_own(carvoice):
    german = str(data_path("grammars", "de"))
    result = carvoice("grammar", "explain", "mach das fenster auf", german)
    assert "WindowOpen" in result.out
    result = carvoice("grammar", "test", str(data_path("grammars", "de", "tests", "fahren.yaml")))
    assert result.code == 0
    assert "false accept" not in result.out


def test_a_test_file_of_no_grammar_is_tried_on_the_configured_one(carvoice, tmp_path):
    (tmp_path / "mine.yaml").write_text("tests:\n  - intent: WindowOpen\n    sentences: [open the window]\n")
    result = carvoice("grammar", "test", str(tmp_path / "mine.yaml"))
    assert (result.code, result.out.strip()) == (0, "1 sentences: 1 right")
