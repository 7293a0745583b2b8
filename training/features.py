"""Log-mel features exactly as sherpa-onnx computes them, and shards of augmented features.

Command: `python -m training.features AUDIO_SHARDS OUT --copies 2`; finished shards are skipped, so it
resumes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
from numpy.typing import NDArray

from training import noise
from training.augment import augment
from training.noise import SAMPLE_RATE_HZ, FloatArray
from training.shards import Shard, ShardWriter, tables


def _options() -> knf.FbankOptions:
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE_HZ
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.frame_opts.frame_shift_ms = 10
    options.frame_opts.frame_length_ms = 25
    options.frame_opts.remove_dc_offset = True
    options.frame_opts.preemph_coeff = 0.97
    options.frame_opts.window_type = "povey"
    options.mel_opts.num_bins = 80
    options.mel_opts.low_freq = 20
    options.mel_opts.high_freq = -400
    options.mel_opts.is_librosa = False
    return options


_OPTIONS = _options()


def log_mel(samples: FloatArray) -> NDArray[np.float32]:
    """Return natural-log mel energies (frames, 80), 10 ms apart, of float32 samples in +-1 at 16 kHz."""
    bank = knf.OnlineFbank(_OPTIONS)
    bank.accept_waveform(SAMPLE_RATE_HZ, np.ascontiguousarray(samples, dtype=np.float32))
    bank.input_finished()
    return np.stack([bank.get_frame(i) for i in range(bank.num_frames_ready)])


def make_features(audio: Path, out: Path, copy: int, augmented: bool = True) -> int:
    """Write the features of one audio shard (`copy` seeds the augmentation); returns the utterance count."""
    shard = Shard.load(audio)
    rng = np.random.default_rng([copy, *shard.name.encode()])
    writer = ShardWriter(out / f"{shard.name}.copy{copy}")
    for entry, data in shard.items():
        samples = data.astype(np.float32) / 32768
        features = log_mel(augment(samples, rng) if augmented else samples)
        writer.add(features.astype(np.float16), entry.voice, entry.text, entry.phones)
    return writer.write()


def make_noise_features(out: Path, minutes: float, speech: list[FloatArray], seed: int = 1) -> int:
    """Write `noise.npy/.json`: 12 s pieces of simulated cabin sounds as features."""
    rng = np.random.default_rng(seed)
    writer = ShardWriter(out / "noise")
    for index in range(max(1, int(minutes * 5))):
        samples = 0.05 * noise.draw(12 * SAMPLE_RATE_HZ, speech, rng)
        writer.add(log_mel(samples).astype(np.float16), f"noise{index}", "", "")
    return writer.write()


def _some_speech(folder: Path, count: int) -> list[FloatArray]:
    speech: list[FloatArray] = []
    for table in tables(folder):
        for _, data in list(Shard.load(table).items())[:60]:
            speech.append(noise.unit(data.astype(np.float32)))
            if len(speech) >= count:
                return speech
    return speech


def main() -> None:
    """Make every feature shard that is still missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("audio", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--noise-minutes", type=float, default=90.0)
    parser.add_argument("--part", default="0/1", help="which of how many processes this one is")
    arguments = parser.parse_args()
    part, parts = (int(number) for number in arguments.part.split("/"))
    noise_folder = arguments.out / "noise"
    if part == 0 and not (noise_folder / "noise.json").exists():
        make_noise_features(noise_folder, arguments.noise_minutes, _some_speech(arguments.audio, 400))
    for copy in range(arguments.copies):
        for index, table in enumerate(tables(arguments.audio)):
            if index % parts == part and not (arguments.out / f"{table.stem}.copy{copy}.json").exists():
                print(table.stem, copy, make_features(table, arguments.out, copy), flush=True)


if __name__ == "__main__":
    main()
