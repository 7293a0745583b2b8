"""The voice activity network's recipe, end to end on a toy size: scenes, training, going on, the C header."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training recipe needs the `train` extra (torch)")

from training import vad, vad_scenes
from training.shards import ShardWriter

SECONDS_OF_TRAINING = 0.3


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    """Two files of three scenes each, of bursts of harmonics for voices."""
    folder = tmp_path_factory.mktemp("vad")
    rng = np.random.default_rng(0)
    for name in ("toy", "real-toy"):
        writer = ShardWriter(folder / "audio" / name)
        for _ in range(4):
            time_s = np.arange(12_000) / 16_000
            hum = sum(np.sin(2 * np.pi * rng.uniform(100, 250) * h * time_s) / h for h in range(1, 9))
            burst = 3000 * hum * (np.sin(2 * np.pi * 3 * time_s) > 0)
            writer.add(burst.astype(np.int16), "toy", "hello", "hh ah l ow")
        writer.write()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vad_scenes, "SCENES_PER_FILE", 3)
        patch.setattr("sys.argv", ["vad_scenes", *map(str, (folder / "audio", folder)), "--scenes", "6"])
        vad_scenes.main()
    return folder


def test_scenes_hold_features_and_truth(scenes):
    file = np.load(scenes / "00000.npz")
    assert file["features"].shape == (3, 1000, vad.INPUTS)
    assert np.isfinite(file["features"].astype(np.float32)).all()
    assert file["spoken"].dtype == bool
    assert 0 < file["spoken"].mean() < 1


def train(scenes: Path, header: Path, monkeypatch, *options: str) -> str:
    monkeypatch.setattr(vad, "BATCH", 2)
    monkeypatch.setattr(
        "sys.argv",
        ["vad", str(scenes), str(header), "--minutes", str(SECONDS_OF_TRAINING / 60), *options],
    )
    threads = torch.get_num_threads()
    try:
        vad.main()
    finally:
        torch.set_num_threads(threads)
    return header.read_text(encoding="utf-8")


def numbers_of(header: str, name: str) -> list[int]:
    found = re.search(rf"\b{name}\[(\d+)\] = {{(.*?)}};", header, re.DOTALL)
    assert found is not None
    values = [int(value) for value in found[2].replace("\n", " ").split(",")]
    assert len(values) == int(found[1])
    return values


def test_trains_goes_on_and_writes_what_the_c_code_includes(scenes, tmp_path, monkeypatch, capsys):
    first = train(scenes, tmp_path / "first.h", monkeypatch)
    after = train(scenes, tmp_path / "after.h", monkeypatch, "--go-on")
    assert first != after
    shipped = (Path(vad.__file__).parents[1] / "csrc" / "cv_vad_weights.h").read_text(encoding="utf-8")
    declared = r"(?:int8_t|float|cv_vad_gru) [^;={]*"
    assert re.findall(declared, after) == re.findall(declared, shipped)
    values = numbers_of(after, "vad_in")
    assert len(values) == vad.INPUTS * vad.WIDTH
    assert max(map(abs, values)) == 127  # 8 bits, used in full
    losses = [float(loss) for loss in re.findall(r"8 bits: *loss ([\d.]+)", capsys.readouterr().out)]
    assert losses[1] < losses[0] < 5  # it has gone on, not begun anew


def test_rounding_keeps_the_weights():
    weights = np.random.default_rng(0).standard_normal((70, 40)).astype(np.float32)
    whole, scale = vad.rounded(weights)
    assert whole.dtype == np.int8
    np.testing.assert_allclose(whole * scale, weights, atol=float(scale.max()) / 2 + 1e-6)
