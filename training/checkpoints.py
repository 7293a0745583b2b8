"""Read what `train.py` wrote."""

from __future__ import annotations

from pathlib import Path

import torch

from training.model import AcousticModel, ModelSettings
from training.whole import WholeModel, WholeSettings


def new_network(settings: ModelSettings | WholeSettings) -> AcousticModel | WholeModel:
    """Return an untrained network of these sizes: one that streams, or one that sees the whole utterance."""
    return WholeModel(settings) if isinstance(settings, WholeSettings) else AcousticModel(settings)


def load_average(checkpoint: Path) -> AcousticModel | WholeModel:
    """Return the model with its averaged weights, ready to evaluate, on the CPU."""
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    sizes = state["settings"]
    model = new_network(WholeSettings(**sizes) if "reach" in sizes else ModelSettings(**sizes))
    model.load_state_dict(state["average"])
    return model.eval()
