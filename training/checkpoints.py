"""Read what `train.py` wrote."""

from __future__ import annotations

from pathlib import Path

import torch

from training.model import AcousticModel, ModelSettings


def load_average(checkpoint: Path) -> AcousticModel:
    """Return the model with its averaged weights, ready to evaluate, on the CPU."""
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    model = AcousticModel(ModelSettings(**state["settings"]))
    model.load_state_dict(state["average"])
    return model.eval()
