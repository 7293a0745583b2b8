"""The charts of an evaluation as PNG, for slides and tickets; needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from carvoice.asr.evaluate import Outcome, reliability, summarize


def write_plots(outcomes: Sequence[Outcome], folder: Path) -> list[Path]:
    """Write ``conditions.png`` and, where confidences are known, ``reliability.png``; returns their paths.

    Raises:
        ImportError: matplotlib is missing.
    """
    from matplotlib.figure import Figure  # half a second, and not everybody installs it

    folder.mkdir(parents=True, exist_ok=True)
    rows = summarize(outcomes)
    figure = Figure(figsize=(max(4.0, 1.2 * len(rows)), 4.0), layout="constrained")
    axes = figure.add_subplot()
    bottom = [0.0] * len(rows)
    for name, colour in (("right", "#33aa33"), ("rejected", "#bbbbbb"), ("wrong", "#cc3333")):
        shares = [100 * getattr(row, name) for row in rows]
        axes.bar([row.condition for row in rows], shares, bottom=bottom, label=name, color=colour)
        bottom = [below + share for below, share in zip(bottom, shares, strict=True)]
    axes.set(ylabel="% of the recordings", ylim=(0, 100))
    axes.legend(loc="lower left")
    written = [folder / "conditions.png"]
    figure.savefig(written[0], dpi=120)

    points = reliability(outcomes)
    if points:
        figure = Figure(figsize=(4.0, 4.0), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], "--", color="#999999")
        stated, right, counts = zip(*points, strict=True)
        axes.scatter(stated, right, s=[10 + 5 * count for count in counts], color="#3366cc")
        axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
        written.append(folder / "reliability.png")
        figure.savefig(written[1], dpi=120)
    return written
