"""Give a trained network more room without changing what it computes.

New hidden units start with random inputs and silent outputs; new blocks, put before the head, start as
the identity. The grown network says what the small one said, and training goes on from there (after
T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016,
section 2; silent outputs in place of split copies, since Adam would move equal copies alike).

Command: `python -m training.grow CHECKPOINT OUT.pt --hidden 1152 --blocks 15`, then
`python -m training.train FEATURES RUN --from OUT.pt`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from training.checkpoints import load_average
from training.model import AcousticModel, Block, parameter_count


@torch.no_grad()
def grow(small: AcousticModel, hidden: int, blocks: int) -> AcousticModel:
    """Return a network of `hidden` units and `blocks` blocks that computes what `small` does.

    Raises:
        ValueError: the network would shrink.
    """
    old = small.settings
    if hidden < old.hidden or blocks < old.blocks:
        raise ValueError(f"cannot shrink {old.hidden} units, {old.blocks} blocks to {hidden}, {blocks}")
    large = AcousticModel(replace(old, hidden=hidden, blocks=blocks)).eval()
    large.load_state_dict(
        {k: v for k, v in small.state_dict().items() if not k.startswith("blocks.")}, strict=False
    )
    for index, block in enumerate(large.blocks):
        assert isinstance(block, Block)
        block.contract.weight.zero_()
        if index >= old.blocks:
            block.contract.bias.zero_()
            continue
        source = small.blocks[index]
        assert isinstance(source, Block)
        block.depthwise.load_state_dict(source.depthwise.state_dict())
        block.norm.load_state_dict(source.norm.state_dict())
        block.scale.copy_(source.scale)
        block.expand.weight[: old.hidden] = source.expand.weight
        block.expand.bias[: old.hidden] = source.expand.bias
        block.contract.weight[:, : old.hidden] = source.contract.weight
        block.contract.bias.copy_(source.contract.bias)
    return large


def main() -> None:
    """Grow a checkpoint's averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--blocks", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    small = load_average(arguments.checkpoint)
    large = grow(small, arguments.hidden, arguments.blocks)
    step = torch.load(arguments.checkpoint, weights_only=True, map_location="cpu")["step"]
    grown = {"settings": large.settings.as_dict(), "average": large.state_dict(), "step": step}
    torch.save(grown, arguments.out)
    print(f"{parameter_count(small)} -> {parameter_count(large)} parameters")


if __name__ == "__main__":
    main()
