"""The label prior: how often the model names each label on average while somebody speaks.

CTC posteriors carry the prior of the training labels, above all the blank's. Dividing it out (Manohar et al.,
"Semi-supervised training of acoustic models using lattice-free MMI", and every hybrid system before) turns
them into likelihoods a grammar can weigh; `export.py` subtracts alpha x log prior.

Command: `python -m training.prior FEATURES CHECKPOINT prior.npy`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.batches import SILENCE_LOG_ENERGY, Corpus, level
from training.checkpoints import load_average
from training.model import FEATURE_BINS, AcousticModel
from training.scene import NoiseBank, Scene, SceneSettings
from training.train import DEFAULT_WEIGHTS


def _speech_rows(corpus: Corpus, rows: int, frames: int) -> torch.Tensor:
    """Rows of utterances back to back, without pauses."""
    speech = np.full((rows, frames, FEATURE_BINS), SILENCE_LOG_ENERGY, np.float32)
    for row in range(rows):
        at = 0
        while at < frames:
            u = corpus.draw()
            features = np.asarray(u.shard.data[u.start : u.start + min(u.frames, frames - at)], np.float32)
            speech[row, at : at + len(features)] = np.maximum(features - level(features), SILENCE_LOG_ENERGY)
            at += u.frames
    return torch.from_numpy(speech)


@torch.no_grad()
def label_prior(
    model: AcousticModel, corpus: Corpus, bank: NoiseBank, batches: int, frames: int = 1024
) -> NDArray[np.float32]:
    """Return the mean posterior (labels,) over speech in the scenes of training, masks left out."""
    settings = SceneSettings(frequency_masks=0, time_masks=0)
    scene = Scene(bank, settings, torch.device("cpu"), seed=5)
    total = torch.zeros(model.settings.labels)
    for _ in range(batches):
        posteriors = torch.softmax(model(scene(_speech_rows(corpus, 8, frames))), -1)
        total += posteriors[:, model.settings.delayed_blocks :].mean((0, 1))
    return np.asarray((total / batches).numpy(), dtype=np.float32)


def main() -> None:
    """Measure and save the prior."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--batches", type=int, default=12)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    corpus = Corpus(arguments.features, DEFAULT_WEIGHTS, 1000, seed=5)
    bank = NoiseBank(arguments.features / "noise" / "noise.json", torch.device("cpu"))
    prior = label_prior(load_average(arguments.checkpoint), corpus, bank, arguments.batches)
    np.save(arguments.out, prior)
    print(f"blank {prior[0]:.3f}, rarest phone {prior[1:].min():.5f}")


if __name__ == "__main__":
    main()
