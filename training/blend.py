"""The mean of two networks of one descent, which is better than either on voices that neither heard.

As M. Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
increasing inference time", ICML 2022: networks trained on from one another lie in one basin.

Command: `python -m training.blend FIRST.pt SECOND.pt OUT.pt`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch


def blend(first: Path, second: Path, out: Path) -> None:
    """Write the second checkpoint with the mean of both averages; ValueError if their sizes differ."""
    states = [torch.load(path, weights_only=True) for path in (first, second)]
    if states[0]["settings"] != states[1]["settings"]:
        raise ValueError(f"{first} and {second} are networks of other sizes; blend what descends from one")
    one, other = (state["average"] for state in states)
    mean = {
        name: (one[name] + value) / 2 if value.dtype.is_floating_point else value
        for name, value in other.items()
    }
    torch.save({**states[1], "average": mean}, out)


def main() -> None:
    """Blend two checkpoints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    blend(arguments.first, arguments.second, arguments.out)


if __name__ == "__main__":
    main()
