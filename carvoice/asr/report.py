"""The report of an evaluation: a Markdown table, and one HTML page with its charts drawn as SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from carvoice.asr.evaluate import Outcome, Row, reliability, summarize

_HEADER = (
    "condition", "recordings", "right %", "exact %", "wrong %", "rejected %", "WER %", "RTF", "final ms p95"
)  # fmt: skip
_SIZE, _MARGIN = 320, 40


def markdown(rows: Sequence[Row]) -> str:
    """The figures as a Markdown table."""
    lines = ["| " + " | ".join(_HEADER) + " |", "|" + "---|" * len(_HEADER)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def write_report(outcomes: Sequence[Outcome], folder: Path) -> Path:
    """Write ``report.md`` and ``report.html`` into ``folder``; returns the page.

    The page has the table, right and wrong by condition, the reliability curve, and every recording
    that was not understood.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = summarize(outcomes)
    (folder / "report.md").write_text(markdown(rows), encoding="utf-8")
    page = folder / "report.html"
    page.write_text(_page(rows, outcomes), encoding="utf-8")
    return page


def _cells(row: Row) -> list[str]:
    wer = "" if row.word_error_rate is None else f"{100 * row.word_error_rate:.1f}"
    shares = [f"{100 * share:.1f}" for share in (row.right, row.exact, row.wrong, row.rejected)]
    return [
        row.condition,
        str(row.count),
        *shares,
        wer,
        f"{row.real_time_factor:.3f}",
        f"{row.final_ms_p95:.0f}",
    ]


def _page(rows: Sequence[Row], outcomes: Sequence[Outcome]) -> str:
    table = "".join(
        "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in _cells(row)) + "</tr>" for row in rows
    )
    missed = "".join(
        f"<tr><td>{html.escape(o.file)}</td><td>{html.escape(o.condition)}</td><td>{o.verdict}</td>"
        f"<td>{html.escape(o.heard)}</td>"
        f"<td>{'' if o.confidence is None else f'{o.confidence:.2f}'}</td></tr>"
        for o in outcomes
        if o.verdict != "right"
    )
    head = "".join(f"<th>{name}</th>" for name in _HEADER)
    return (
        "<!doctype html><meta charset=utf-8><title>carvoice evaluation</title><style>"
        "body{font:15px sans-serif;margin:2em;max-width:70em}td,th{padding:.2em .8em;text-align:right;"
        "border-bottom:1px solid #ddd}td:first-child{text-align:left}svg{margin:1em 2em 1em 0}</style>"
        f"<h1>Evaluation</h1><table><tr>{head}</tr>{table}</table>"
        f"{_bars(rows)}{_curve(reliability(outcomes))}"
        f"<h2>Not understood</h2><table>{missed}</table>\n"
    )


def _bars(rows: Sequence[Row]) -> str:
    """Right (green), rejected (grey) and wrong (red), stacked per condition."""
    width = max(24, (_SIZE - _MARGIN) // max(1, len(rows)))
    parts = []
    for index, row in enumerate(rows):
        bottom = float(_SIZE - _MARGIN)
        for share, colour in ((row.right, "#3a3"), (row.rejected, "#bbb"), (row.wrong, "#c33")):
            height = share * (_SIZE - 2 * _MARGIN)
            bottom -= height
            parts.append(
                f'<rect x="{_MARGIN + index * width}" y="{bottom:.1f}" width="{width - 4}" '
                f'height="{height:.1f}" fill="{colour}"/>'
            )
        parts.append(
            f'<text x="{_MARGIN + index * width}" y="{_SIZE - _MARGIN + 14}" font-size="10">'
            f"{html.escape(row.condition)}</text>"
        )
    return _svg("right, rejected, wrong by condition", parts, _MARGIN * 2 + width * len(rows))


def _curve(points: Sequence[tuple[float, float, int]]) -> str:
    """The reliability curve: share right over stated confidence; the diagonal is perfect."""
    if not points:
        return ""
    span = _SIZE - 2 * _MARGIN

    def place(x: float, y: float) -> tuple[float, float]:
        return _MARGIN + x * span, _SIZE - _MARGIN - y * span

    (x0, y0), (x1, y1) = place(0, 0), place(1, 1)
    parts = [f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="#999" stroke-dasharray="4"/>']
    for confidence, right, count in points:
        x, y = place(confidence, right)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{min(12.0, 3 + count**0.5 / 2):.1f}" fill="#36c">'
            f"<title>{count} recordings</title></circle>"
        )
    return _svg("share right over confidence", parts, _SIZE)


def _svg(title: str, parts: Sequence[str], width: float) -> str:
    return (
        f'<svg width="{width}" height="{_SIZE}" role="img"><text x="{_MARGIN}" y="20">{title}</text>'
        f"{''.join(parts)}</svg>"
    )
