"""The recipe, end to end on a toy size: text, speech, features, training, resuming, prior, export, parity."""

from __future__ import annotations

import random
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training recipe needs the `train` extra (torch)")
pytest.importorskip("kaldi_native_fbank", reason="the training recipe needs the `train` extra")
ort = pytest.importorskip("onnxruntime", reason="the training recipe needs the `train` extra")
pytest.importorskip("wordfreq", reason="the training recipe needs the `train` extra")

from carvoice.asr.acoustic import AcousticModel as RunningModel
from carvoice.asr.models import load_model
from carvoice.asr.posteriors import check_pair
from carvoice.asr.utterance_model import UtteranceModel
from training import features as features_module
from training import noise, train
from training.accent import spell_indian
from training.batches import Corpus, RowMaker, level, warp
from training.blend import blend
from training.checkpoints import load_average
from training.evaluate import SlotReader, build_graph, hearing, load_recognizer, measure, shard_recordings
from training.export import export, write_description
from training.finals import enter, export_finals
from training.grow import grow
from training.model import AcousticModel, ModelSettings, StreamState
from training.numerals import spoken
from training.phones import LABELS, from_festival, from_ipa
from training.prior import label_prior
from training.scene import NoiseBank, Scene, SceneSettings
from training.shards import Shard, ShardWriter, tables
from training.synthesize import synthesize
from training.templates import TemplateSampler
from training.text import TextMaker
from training.train import Trainer, TrainSettings, WeightAverage, ctc_loss, learning_rate
from training.whole import mean_around
from training.widen import widen

TOY = ModelSettings(channels=48, hidden=64, blocks=3, delayed_blocks=2, front_channels=32)
WEIGHTS = {"toy": 1.0}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_tones(folder: Path, count: int = 12) -> None:
    """Speech-like features without a synthesizer: noise bursts labelled with phones."""
    rng = np.random.default_rng(0)
    writer = ShardWriter(folder / "toy_0.copy0")
    for _ in range(count):
        samples = 0.1 * rng.standard_normal(rng.integers(6000, 20000)).astype(np.float32)
        writer.add(features_module.log_mel(samples).astype(np.float16), "toy", "hello", "hh ah l ow")
    writer.write()
    features_module.make_noise_features(folder / "noise", 0.2, [])


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_toy_run_end_to_end(tmp_path: Path) -> None:
    lines = TextMaker(None, seed=1).lines(24)
    assert synthesize("espeak", lines, tmp_path / "audio", "toy_0", seed=1) > 15
    features = tmp_path / "features"
    for table in tables(tmp_path / "audio"):
        features_module.make_features(table, features, copy=0)
        features_module.make_features(table, features, copy=1)
    features_module.make_noise_features(features / "noise", 0.2, [])
    assert [t.name for t in tables(features)] == ["toy_0.copy0.json", "toy_0.copy1.json"]

    settings = TrainSettings(minutes=0, steps=6, rows=2, save_every=3, weights=WEIGHTS)
    Trainer(features, tmp_path / "run", TOY, settings, "cpu").run()
    model = load_average(tmp_path / "run" / "last.pt")
    corpus = Corpus(features, WEIGHTS, 1000, seed=1)
    prior = label_prior(model, corpus, NoiseBank(features / "noise" / "noise.json", CPU), batches=1)
    assert prior.shape == (len(LABELS),)
    assert prior.sum() == pytest.approx(1.0, abs=1e-4)

    log_prior = np.log(prior)
    exported = export(tmp_path / "run" / "last.pt", log_prior, 0.8, tmp_path / "out", chunk_frames=16)
    frames = np.concatenate([data for _, data in Shard.load(tables(features)[0]).items()]).astype(np.float32)
    frames = frames[: 16 * 40]
    with torch.no_grad():
        whole = torch.log_softmax(model(torch.from_numpy(frames)[None]), -1)[0].numpy() - 0.8 * log_prior
    assert np.abs(run_onnx(exported.float32, frames, 16) - whole).max() < 2e-3
    assert np.abs(run_onnx(exported.int8, frames, 16) - whole).mean() < 0.1

    write_description(tmp_path / "out", exported.int8, 16, 0.8, TOY.lookahead_ms)
    grammar = tmp_path / "orders.yaml"
    grammar.write_text(
        "language: en\nintents:\n  Turn:\n    data:\n      - sentences: ['turn (left|right)']\n",
        encoding="utf-8",
    )
    assert synthesize("espeak:adam", ["turn left", "turn right"], tmp_path / "test", "adam", seed=2) == 2
    words = build_graph(grammar, tmp_path / "graph.fst")
    reader = SlotReader(grammar)
    orders = shard_recordings(tmp_path / "test", reader)
    hear = hearing(load_recognizer(tmp_path / "out", str(tmp_path / "graph.fst")))
    score = measure(hear, words, orders, reader.slots, snr_db=20.0)
    assert (score.condition, score.count) == ("20 dB", 2)
    assert 0 <= score.exact <= score.accepted <= 2 - score.nothing  # six steps teach nothing more


def test_a_finals_network_is_exported_as_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = widen(AcousticModel(TOY).eval(), reach=8, bend=4)
    for block in whole.blocks:
        block.bend.weight.data.normal_(std=0.2)
        block.norm.running_mean.normal_()
    torch.save({"settings": whole.settings.as_dict(), "average": whole.state_dict()}, tmp_path / "whole.pt")
    torch.save({"settings": TOY.as_dict(), "average": AcousticModel(TOY).state_dict()}, tmp_path / "toy.pt")
    log_prior = np.log(np.full(TOY.labels, 1 / TOY.labels, np.float32))
    exported = export(tmp_path / "toy.pt", log_prior, 0.8, tmp_path, chunk_frames=16)
    write_description(tmp_path, exported.int8, 16, 0.8, TOY.lookahead_ms)
    finals = export_finals(tmp_path / "whole.pt", log_prior, 0.8, tmp_path)
    for _ in range(2):  # entered once, however often
        enter(tmp_path)
    for length in (4, 60, 640):
        frames = np.random.default_rng(0).standard_normal((1, length, 80)).astype(np.float32)
        with torch.no_grad():
            wanted = torch.log_softmax(load_average(tmp_path / "whole.pt")(torch.from_numpy(frames)), -1)
        given = ort.InferenceSession(finals.float32).run(None, {"features": frames})[0]
        assert np.abs(given - (wanted.numpy() - 0.8 * log_prior)).max() < 2e-3
    model = load_model(tmp_path)
    check_pair(RunningModel(model), UtteranceModel(model))
    rows = UtteranceModel(model).run(frames[0])
    assert np.abs(rows - given[0]).mean() < 0.1
    with pytest.raises(ValueError, match="streams"):
        export_finals(tmp_path / "toy.pt", log_prior, 0.8, tmp_path)
    with pytest.raises(ValueError, match="cannot stream"):
        export(tmp_path / "whole.pt", log_prior, 0.8, tmp_path, chunk_frames=16)


@torch.no_grad()
def test_a_widened_network_says_what_the_streaming_one_says_and_can_learn() -> None:
    torch.manual_seed(3)
    streaming = AcousticModel(TOY).eval()
    for block in streaming.blocks:
        block.norm.running_mean.normal_()
        block.norm.running_var.uniform_(0.5, 2)
    whole = widen(streaming, reach=10, bend=4)
    features = torch.randn(2, 480, 80)
    late, middle = TOY.delayed_blocks, slice(60, 110)  # away from the ends, which they pad differently
    torch.testing.assert_close(
        whole(features)[:, :-late][:, middle], streaming(features)[:, late:][:, middle]
    )
    with torch.enable_grad():
        whole(features).square().mean().backward()
    assert all(bool((block.bend.weight.grad != 0).any()) for block in whole.blocks)
    assert all(bool((block.depthwise.weight.grad[:, :, -1] != 0).any()) for block in whole.blocks)
    with pytest.raises(ValueError, match="reaches further"):
        widen(streaming, reach=4, bend=4)


def test_a_blend_lies_halfway(tmp_path: Path) -> None:
    torch.manual_seed(3)
    networks = [AcousticModel(TOY) for _ in range(2)]
    for name, network in zip("ab", networks, strict=True):
        torch.save({"settings": TOY.as_dict(), "average": network.state_dict()}, tmp_path / name)
    blend(tmp_path / "a", tmp_path / "b", tmp_path / "mean")
    first, second = (network.state_dict()["head.weight"] for network in networks)
    found = load_average(tmp_path / "mean").state_dict()["head.weight"]
    torch.testing.assert_close(found, (first + second) / 2)
    torch.save({"settings": {}, "average": {}}, tmp_path / "other")
    with pytest.raises(ValueError, match="other sizes"):
        blend(tmp_path / "a", tmp_path / "other", tmp_path / "mean")


def test_the_mean_around_a_frame_is_over_what_there_is() -> None:
    frames = torch.randn(2, 30, 5)
    means = mean_around(frames, 7)
    for at in range(30):
        torch.testing.assert_close(
            means[:, at], frames[:, max(0, at - 7) : at + 8].mean(1), rtol=1e-4, atol=1e-5
        )


def run_onnx(path: Path, frames: np.ndarray, chunk: int) -> np.ndarray:
    """Stream features through an exported model, every state starting at zero, as sherpa-onnx does."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    first, *others = session.get_inputs()
    states = {item.name: np.zeros(item.shape, kinds[item.type]) for item in others}
    outputs = []
    for start in range(0, len(frames), chunk):
        found = session.run(None, {first.name: frames[None, start : start + chunk], **states})
        scores = dict(zip(names, found, strict=True))
        states = {
            name: scores[f"new_{name}"] if f"new_{name}" in scores else scores[f"{name}_next"]
            for name in states
        }
        outputs.append(scores["log_probs"][0])
    return np.concatenate(outputs)


def test_stopped_training_resumes_where_it_was(tmp_path: Path) -> None:
    write_tones(tmp_path / "features")
    first = TrainSettings(minutes=0, steps=2, rows=2, weights=WEIGHTS)
    Trainer(tmp_path / "features", tmp_path / "run", TOY, first, "cpu").run()
    second = TrainSettings(minutes=0, steps=4, rows=2, weights=WEIGHTS)
    resumed = Trainer(tmp_path / "features", tmp_path / "run", TOY, second, "cpu")
    assert resumed.step == 2
    saved = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, saved["model"][name])
    for name, value in resumed.average.values.items():
        assert torch.equal(value, saved["average"][name])
    resumed.run()
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["step"] == 4


def test_a_new_run_can_begin_with_the_averaged_weights_of_an_earlier_one(tmp_path: Path) -> None:
    write_tones(tmp_path / "features")
    settings = TrainSettings(minutes=0, steps=2, rows=2, weights=WEIGHTS)
    Trainer(tmp_path / "features", tmp_path / "first", TOY, settings, "cpu").run()
    start = tmp_path / "first" / "last.pt"
    second = Trainer(tmp_path / "features", tmp_path / "second", TOY, settings, "cpu", start)
    assert second.step == 0
    for name, value in torch.load(start, weights_only=True)["average"].items():
        assert torch.equal(second.model.state_dict()[name], value)


def test_nothing_of_a_step_stays_behind_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device torch refuses to mix devices as it does on a GPU, and no GPU is needed."""
    write_tones(tmp_path)
    device = torch.device("meta")
    batch = RowMaker(Corpus(tmp_path, WEIGHTS, 1000, seed=1), 1024, 8, seed=1).batch(2)
    bank = NoiseBank(tmp_path / "noise" / "noise.json", device)
    scene = Scene(bank, SceneSettings(second_noise_share=1.0, band_limit_share=1.0), device, seed=1)
    model = AcousticModel(TOY).to(device)
    features = scene(torch.from_numpy(batch.speech).to(device), easiness=0.5)
    logits = model(features)
    assert logits.device == features.device == bank.pieces.device == device

    def checked_loss(log_probs: torch.Tensor, targets: torch.Tensor, *_, **__) -> torch.Tensor:
        assert log_probs.device == targets.device == device
        return log_probs.sum()

    monkeypatch.setattr(train.functional, "ctc_loss", checked_loss)
    ctc_loss(logits, batch).backward()
    assert all(p.grad is not None and p.grad.device == device for p in model.parameters())
    average = WeightAverage(model, 0.9)
    average.update(model)
    assert all(value.device == device for value in average.values.values())


@pytest.mark.parametrize("chunk", [4, 12, 16, 32])
def test_streaming_in_chunks_equals_one_pass(chunk: int) -> None:
    torch.manual_seed(0)
    model = AcousticModel(TOY).eval()
    features = torch.randn(2, 192, 80)
    with torch.no_grad():
        whole = model(features)
        state: StreamState = model.initial_state(2)
        parts = []
        for start in range(0, 192, chunk):
            part, state = model.stream(features[:, start : start + chunk], state)
            parts.append(part)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-4)


def test_the_network_sees_no_further_than_its_lookahead() -> None:
    model = AcousticModel(TOY).eval()
    features = torch.randn(1, 160, 80)
    changed = features.clone()
    changed[:, 80:] += 1.0
    with torch.no_grad():
        difference = (model(features) - model(changed)).abs().amax((0, 2))
    assert difference[:20].max() == 0
    assert difference[20:].max() > 0


def test_segments_tile_the_row_and_hold_every_label(tmp_path: Path) -> None:
    write_tones(tmp_path)
    corpus = Corpus(tmp_path, WEIGHTS, 1000, seed=3)
    batch = RowMaker(corpus, 1024, 8, seed=3).batch(6)
    for row in range(6):
        segments = [s for s in batch.segments if s.row == row]
        assert segments[0].start == 0
        assert segments[-1].end == 256
        assert all(a.end == b.start for a, b in pairwise(segments))
        active = int((np.exp(batch.speech[row]).sum(1) > 0.01).sum())
        labels = sum(len(s.labels) for s in segments)
        assert labels % 4 == 0
        assert (labels > 0) == (active > 0)


def test_noise_is_mixed_at_the_asked_level(tmp_path: Path) -> None:
    write_tones(tmp_path)
    bank = NoiseBank(tmp_path / "noise" / "noise.json", CPU)
    silence = torch.full((4, 200, 80), -15.9)
    energies = {}
    for snr_db in (0.0, 20.0):
        settings = SceneSettings(
            snr_db=(snr_db, snr_db), quiet_share=0.0, level_db=(0.0, 0.0), frequency_masks=0, time_masks=0
        )
        noisy = Scene(bank, settings, CPU, seed=1)(silence.clone())
        energies[snr_db] = float(torch.logsumexp(noisy, -1).mean())
    # 20 dB is 4.6 in natural-log energy; the quantization floor eats a little of it
    assert energies[0.0] - energies[20.0] == pytest.approx(4.6, abs=0.7)


def test_levels_do_not_depend_on_surrounding_silence() -> None:
    speech = np.random.default_rng(0).normal(0, 1, (100, 80)).astype(np.float32)
    padded = np.concatenate([np.full((300, 80), -15.9, np.float32), speech])
    assert level(padded) == pytest.approx(level(speech), abs=1e-3)


def test_warp_changes_length_and_keeps_a_flat_spectrum() -> None:
    flat = np.full((120, 80), 3.0, np.float32)
    warped = warp(flat, tempo=1.2, stretch=1.05)
    assert warped.shape == (100, 80)
    assert np.allclose(warped, 3.0)


@pytest.mark.parametrize("speed", [0.0, 60.0, 130.0])
def test_cabin_noise_is_finite_unit_and_low_pitched(speed: float) -> None:
    sound = noise.cabin(32000, speed, np.random.default_rng(int(speed)))
    assert np.isfinite(sound).all()
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(1.0, abs=1e-3)
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    assert spectrum[:2000].sum() > spectrum[8000:].sum()


def test_learning_rate_rises_holds_and_falls() -> None:
    settings = TrainSettings()
    rates = [learning_rate(p, settings) for p in (0.0, 0.1, 0.4, 0.7, 1.0)]
    assert rates[0] < rates[1] == rates[2] > rates[3] > rates[4] > 0


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (21, "twenty one"),
        (19.5, "nineteen point five"),
        (100, "one hundred"),
        (-4, "minus four"),
    ],
)
def test_numbers_are_spoken(number: float, words: str) -> None:
    assert spoken(number, random.Random(0)) == words


def test_templates_expand_to_their_sentences(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "language: en\nlists:\n  n: {range: {from: 1, to: 2}}\n"
        "  side: {values: [left, {in: right, out: r}]}\n"
        "expansion_rules:\n  go: '(turn|go)'\n"
        "intents:\n  Turn:\n    data:\n      - sentences: ['<go> [very] {side:s}', '(a;b) {n} {3..4:x}']\n",
        encoding="utf-8",
    )
    sampler = TemplateSampler(tmp_path, random.Random(1))
    turns = {
        f"{go}{very} {side}" for go in ("turn", "go") for very in ("", " very") for side in ("left", "right")
    }
    orders = {f"{o} {n} {x}" for o in ("a b", "b a") for n in ("one", "two") for x in ("three", "four")}
    assert {sampler.draw() for _ in range(600)} == turns | orders


def test_an_indian_accent_merges_sounds_and_keeps_the_labels() -> None:
    class Plain(random.Random):
        def random(self) -> float:
            return 0.99  # no habit beyond what all speakers share

    spelled = spell_indian("ð_ə w_ˈɜː_t_ə", Plain())
    assert spelled == ("[[d[|V v|'V|r|t.|V]]", ["dh", "ah", "w", "er", "t", "ah"])
    assert spell_indian("w_¤", Plain()) is None


def test_phones_of_the_synthesizers() -> None:
    assert from_ipa("w_ˈɪ_n_d_oʊ") == ["w", "ih", "n", "d", "ow"]
    assert from_ipa("w_¤") is None
    assert from_festival("pau w ih n d ow pau") == ["w", "ih", "n", "d", "ow"]
    assert from_festival("bogus") is None


@torch.no_grad()
def test_a_grown_network_says_what_the_small_one_said_and_can_learn():
    torch.manual_seed(3)
    small = AcousticModel(TOY).eval()
    for block in small.blocks:
        block.norm.running_mean.normal_()
        block.norm.running_var.uniform_(0.5, 2)
    large = grow(small, hidden=96, blocks=5)
    speech = torch.randn(2, 80, 80)
    torch.testing.assert_close(large(speech), small(speech), rtol=0, atol=0)
    assert large.settings == ModelSettings(
        channels=48, hidden=96, blocks=5, delayed_blocks=2, front_channels=32
    )
    with torch.enable_grad():
        large(speech).square().mean().backward()
    fresh = [large.blocks[4].contract.weight.grad, large.blocks[0].contract.weight.grad[:, 64:]]
    assert all(bool((gradient != 0).any()) for gradient in fresh)
    with pytest.raises(ValueError, match="shrink"):
        grow(small, hidden=32, blocks=5)
