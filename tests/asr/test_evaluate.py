"""Scoring a folder of recordings."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from carvoice.asr.evaluate import (
    Condition,
    Outcome,
    Recording,
    active_power,
    evaluate,
    judge,
    load_recordings,
    reliability,
    summarize,
)
from carvoice.asr.plots import write_plots
from carvoice.asr.report import markdown, write_report
from carvoice.errors import AudioError, ConfigError
from carvoice.records import Hypothesis


class LoudnessEar:
    """Hears "loud" or "soft"; a stand-in whose mistakes are known."""

    def hear(self, sound, chunk_samples):
        loud = float(np.abs(sound).max()) > 0.25
        text = "make it loud" if loud else "make it soft"
        return (
            Hypothesis(text, confidence=0.9 if loud else 0.4),
            ("Level", {"how": text.rsplit(maxsplit=1)[-1]}),
            5.0,
        )


def noise(n, rng):
    return rng.normal(0, 1, n).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    labels = {}
    for name, level in (("a.wav", 0.5), ("b.wav", 0.1), ("c.wav", 0.5)):
        soundfile.write(tmp_path / name, np.full(16_000, level, np.float32), 16_000, subtype="FLOAT")
        labels[name] = {"intent": "Level", "slots": {"how": "loud"}, "text": "make it loud"}
    labels["c.wav"] = {"intent": "", "text": "what a day"}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    return tmp_path


def test_clean_folder(folder):
    outcomes = list(evaluate(load_recordings(folder), LoudnessEar, [Condition("clean")]))
    assert [outcome.verdict for outcome in outcomes] == ["right", "wrong", "wrong"]
    (row,) = summarize(outcomes)
    assert (row.count, row.right, row.wrong, row.rejected) == (
        3,
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
        0,
    )
    assert row.word_error_rate == pytest.approx(4 / 9)


def test_several_processes_give_the_same(folder):
    recordings = load_recordings(folder)
    conditions = [Condition("clean"), Condition("0 dB", noise, 0.0)]
    alone = list(evaluate(recordings, LoudnessEar, conditions))
    spread = list(evaluate(recordings, LoudnessEar, conditions, processes=2))
    assert [(o.file, o.condition, o.heard) for o in spread] == [(o.file, o.condition, o.heard) for o in alone]
    assert alone[3].heard == "make it loud"  # the soft one, in noise


def test_a_given_executor_gives_the_same(folder):
    recordings, conditions = load_recordings(folder), [Condition("clean")]
    with ThreadPoolExecutor(2) as executor:  # a Dask client's is of the same kind
        spread = list(evaluate(recordings, LoudnessEar, conditions, executor=executor))
    assert [o.verdict for o in spread] == [o.verdict for o in evaluate(recordings, LoudnessEar, conditions)]


def test_a_dask_cluster_gives_the_same(folder):
    distributed = pytest.importorskip("distributed", reason="needs: pip install 'dask[distributed]'")
    recordings, conditions = load_recordings(folder), [Condition("clean"), Condition("0 dB", noise, 0.0)]
    here = {"n_workers": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**here) as cluster, distributed.Client(cluster) as client:
        spread = list(evaluate(recordings, LoudnessEar, conditions, executor=client.get_executor()))
    alone = list(evaluate(recordings, LoudnessEar, conditions))
    assert [(o.file, o.condition, o.heard) for o in spread] == [(o.file, o.condition, o.heard) for o in alone]


def test_noise_has_the_level_asked_for():
    sound = np.zeros(32_000, np.float32)
    sound[8_000:16_000] = 0.1
    assert active_power(sound) == pytest.approx(0.01, rel=0.05)
    noisy = Condition("6 dB", noise, 6.0).apply(sound, (1, 2))
    added = float(np.mean(np.square(noisy - sound)))
    assert 10 * np.log10(0.01 / added) == pytest.approx(6.0, abs=0.3)
    np.testing.assert_array_equal(noisy, Condition("6 dB", noise, 6.0).apply(sound, (1, 2)))


@pytest.mark.parametrize(
    ("intent", "slots", "expected"),
    [
        ("Order", {"size": "big"}, ("right", True)),
        ("Order", {"size": "big", "more": "milk"}, ("right", False)),
        ("Order", {"size": " big "}, ("right", True)),
        ("Order", {"size": "small"}, ("wrong", False)),
        ("Other", {"size": "big"}, ("wrong", False)),
        ("", {}, ("rejected", False)),
    ],
)
def test_verdicts(tmp_path, intent, slots, expected):
    assert judge(Recording(tmp_path, "Order", {"size": "big"}), intent, slots) == expected


def test_rejecting_what_is_no_command_is_right(tmp_path):
    assert judge(Recording(tmp_path, "", {}), "", {}) == ("right", True)
    assert judge(Recording(tmp_path, "", {}), "Order", {}) == ("wrong", False)


def outcome(confidence, verdict):
    return Outcome("f", "clean", "x", None, verdict, False, True, confidence, 1.0, 0.1, 3.0)


def test_reliability_curve():
    outcomes = [outcome(0.95, "right")] * 9 + [
        outcome(0.95, "wrong"),
        outcome(0.15, "wrong"),
        outcome(1.0, "right"),
    ]
    low, high = reliability(outcomes)
    assert low == (pytest.approx(0.15), 0.0, 1)
    assert high == (pytest.approx((0.95 * 10 + 1) / 11), pytest.approx(10 / 11), 11)
    assert reliability([outcome(None, "right")]) == []


def test_report(folder, tmp_path):
    outcomes = list(evaluate(load_recordings(folder), LoudnessEar, [Condition("clean")]))
    page = write_report(outcomes, tmp_path / "out").read_text()
    assert "make it soft" in page
    assert page.count("<svg") == 2
    assert (tmp_path / "out" / "report.md").read_text() == markdown(summarize(outcomes))


def test_plots(folder, tmp_path):
    pytest.importorskip("matplotlib")
    outcomes = list(evaluate(load_recordings(folder), LoudnessEar, [Condition("clean")]))
    written = write_plots(outcomes, tmp_path / "out")
    assert [path.name for path in written] == ["conditions.png", "reliability.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


@pytest.mark.parametrize(
    ("labels", "what"),
    [(None, "cannot be read"), ("{", "cannot be read"), ('{"x.wav": {}}', "x.wav"), ('{"a": 1}', "object")],
)
def test_bad_folders(tmp_path, labels, what):
    if labels is not None:
        (tmp_path / "labels.json").write_text(labels)
    with pytest.raises(ConfigError, match=what):
        load_recordings(tmp_path)


def test_bad_sound(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "b.wav", np.zeros(100), 8_000)
    for name, what in (("a.wav", "cannot be read"), ("b.wav", "8000 Hz")):
        with pytest.raises(AudioError, match=what):
            list(evaluate([Recording(tmp_path / name, "", {})], LoudnessEar, [Condition("clean")]))
