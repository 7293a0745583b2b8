"""Make a network that streams look to both sides, without changing what it computes.

Taps and bends that the streaming network lacks start at zero (`training.whole`), so that the widened one says
what the other says, the look-ahead earlier; training goes on from there.

Command: `python -m training.widen CHECKPOINT OUT.pt`, then
`python -m training.train FEATURES RUN --from OUT.pt --learning-rate 1e-3`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.checkpoints import load_average
from training.model import AcousticModel, Block, parameter_count
from training.whole import WholeBlock, WholeModel, WholeSettings


@torch.no_grad()
def widen(streaming: AcousticModel, reach: int, bend: int) -> WholeModel:
    """Return a network that sees `reach` frames to each side and computes what `streaming` does, without
    the delay.

    Raises:
        ValueError: the streaming network's kernel reaches further.
    """
    old = streaming.settings
    if old.kernel > reach + 1:
        raise ValueError(f"a kernel of {old.kernel} frames reaches further than {reach} back")
    settings = WholeSettings(
        old.labels, old.channels, old.hidden, old.blocks, reach, bend=bend, mean_frames=old.mean_frames,
        front_channels=old.front_channels,
    )  # fmt: skip
    whole = WholeModel(settings).eval()
    whole.load_state_dict(
        {k: v for k, v in streaming.state_dict().items() if "depthwise.weight" not in k}, strict=False
    )
    for source, block in zip(streaming.blocks, whole.blocks, strict=True):
        assert isinstance(source, Block)
        assert isinstance(block, WholeBlock)
        first = reach - source.context + int(source.delayed)
        block.depthwise.weight.zero_()
        block.depthwise.weight[:, :, first : first + old.kernel] = source.depthwise.weight
        block.bend.weight.zero_()
        block.bend.bias.zero_()
    return whole


def main() -> None:
    """Widen a checkpoint's averaged weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--reach", type=int, default=WholeSettings().reach)
    parser.add_argument("--bend", type=int, default=WholeSettings().bend)
    arguments = parser.parse_args()
    torch.manual_seed(1)
    streaming = load_average(arguments.checkpoint)
    whole = widen(streaming, arguments.reach, arguments.bend)
    step = torch.load(arguments.checkpoint, weights_only=True, map_location="cpu")["step"]
    torch.save(
        {"settings": whole.settings.as_dict(), "average": whole.state_dict(), "step": step}, arguments.out
    )
    print(f"{parameter_count(streaming)} -> {parameter_count(whole)} parameters")


if __name__ == "__main__":
    main()
