"""How a turn looks in the terminal: transcript, meaning, frames, car, reply, latency bars."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from carvoice.budget import STAGES, Percentiles, Stage, percentiles, stage_times
from carvoice.records import (
    Actuation,
    Decision,
    Evidence,
    FrameRecord,
    Hypothesis,
    Interpretation,
    Turn,
    Verdict,
)

BAR_CELLS = 24

_EVIDENCE_STYLE = {
    Evidence.ACTUATED: "green",
    Evidence.MOVING: "green",
    Evidence.TRANSMITTED: "yellow",
    Evidence.REQUESTED: "yellow",
    Evidence.REFUSED: "red",
    Evidence.TIMED_OUT: "red",
    Evidence.FAILED: "red",
}
_DECISION_STYLE = {Decision.ALLOW: "green", Decision.CONFIRM: "yellow", Decision.DENY: "red"}


def partial_view(title: str, hypothesis: Hypothesis) -> RenderableType:
    """The transcript while it grows, and the phones it is made of; the stable share of it is bright."""
    text = hypothesis.text
    stable = int(len(text) * hypothesis.stability)
    line = Text("  hearing  ", style="dim")
    line.append(text[:stable], style="bold white")
    line.append(text[stable:], style="italic cyan")
    line.append("▌", style="blink cyan")
    if hypothesis.phones:
        line.append(f"\n   phones  {' '.join(hypothesis.phones)}", style="dim")
    return Panel(line, title=title, title_align="left", border_style="cyan")


def turn_view(title: str, turn: Turn, budget: bool = True) -> RenderableType:
    """A finished turn, whole."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", justify="right", width=9)
    grid.add_column()
    heard = Text(turn.hypothesis.text or "(nothing)", style="bold")
    if turn.hypothesis.confidence is not None:
        heard.append(f"   acoustic {turn.hypothesis.confidence:.2f}", style="dim")
    grid.add_row("heard", heard)
    if turn.hypothesis.open_text:
        grid.add_row("freely", turn.hypothesis.open_text)
    for interpretation in turn.interpretations:
        grid.add_row("meant", meaning(interpretation))
    for verdict in turn.verdicts:
        grid.add_row("policy", _verdict(verdict))
    frames = [frame for actuation in turn.actuations for frame in actuation.frames]
    if frames:
        grid.add_row("frames", frame_lines(frames))
    for actuation in turn.actuations:
        grid.add_row("car", _car(actuation))
    if turn.reply is not None:
        reply = Text(f"“{turn.reply.text}”" if turn.reply.text else "(silent)", style="bold magenta")
        if turn.interrupted:
            reply.append("  interrupted", style="yellow")
        grid.add_row("reply", reply)
    if budget and turn.spans:
        grid.add_row("latency", latency_bars(turn))
    return Panel(grid, title=title, title_align="left", border_style=_border(turn))


def transcript_view(
    title: str, hypothesis: Hypothesis, interpretations: Sequence[Interpretation]
) -> RenderableType:
    """What was heard, sound by sound, and what it would mean."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", justify="right", width=9)
    grid.add_column()
    grid.add_row("heard", Text(hypothesis.text or "(nothing)", style="bold"))
    words = "  ".join(f"{word.text} {word.start_s:.2f}-{word.end_s:.2f}" for word in hypothesis.words)
    grid.add_row("words", Text(words, style="dim"))
    grid.add_row("phones", Text(" ".join(hypothesis.phones), style="dim"))
    if hypothesis.confidence is not None:
        grid.add_row("acoustic", f"{hypothesis.confidence:.2f}")
    if hypothesis.order_confidence is not None:
        grid.add_row("an order", f"{hypothesis.order_confidence:.2f}")
    if hypothesis.alternatives:
        others = zip(hypothesis.alternatives[:3], hypothesis.alternative_costs, strict=False)
        grid.add_row("or", Text("  ".join(f"{text} (+{cost:.1f})" for text, cost in others), style="dim"))
    if hypothesis.open_text:
        grid.add_row("freely", hypothesis.open_text)
    for interpretation in interpretations:
        grid.add_row("means", meaning(interpretation))
        if interpretation.template:
            grid.add_row("template", Text(interpretation.template, style="dim"))
    return Panel(grid, title=title, title_align="left")


def meaning(interpretation: Interpretation) -> Text:
    """Intent, slots and confidence on one line."""
    if interpretation.rejected is not None:
        return Text(f"not a command: {interpretation.rejected}", style="yellow").append(
            f"   {interpretation.confidence:.2f}", style="dim"
        )
    line = Text(interpretation.intent, style="bold green")
    for name, slot in interpretation.slots.items():
        line.append(f"  {name}=", style="dim").append(str(slot.value), style="cyan")
    return line.append(f"   {interpretation.confidence:.2f}", style="dim")


def frame_lines(frames: Sequence[FrameRecord]) -> Group:
    """CAN frames as a bench engineer reads them: time, direction, ID, name, bytes, and decoded signals.

    Signals that say "not available" (SNA) in a request are those it leaves alone; they are left out.
    """
    lines: list[Text | Padding] = []
    start_s = frames[0].timestamp_s
    for frame in frames:
        identifier = f"{frame.arbitration_id:08X}" if frame.is_extended else f"{frame.arbitration_id:03X}"
        line = Text(f"{(frame.timestamp_s - start_s) * 1e3:6.1f} ms ", style="dim", no_wrap=True)
        line.append("TX → ", style="cyan") if frame.is_tx else line.append("RX ← ", style="magenta")
        line.append(f"{identifier}  ", style="bold").append(frame.data.hex(" ").upper(), style="white")
        lines.append(line.append(f"  {frame.name}", style="bold"))
        signals = [f"{name}={value}" for name, value in frame.signals.items() if value != "SNA"]
        lines.append(Padding(Text("  ".join(signals), style="dim"), (0, 0, 0, 15)))
    return Group(*lines)


def latency_bars(turn: Turn) -> Table:
    """A bar per stage, full when the stage has used up its budget."""
    table = Table.grid(padding=(0, 1))
    durations = stage_times(turn)
    for stage in STAGES:
        if stage.name not in durations:
            continue
        used = durations[stage.name]
        share = used / stage.budget_ms
        cells = max(1, min(BAR_CELLS, round(share * BAR_CELLS)))
        style = "green" if share <= 0.5 else "yellow" if share <= 1 else "red"
        bar = Text("█" * cells, style=style).append("░" * (BAR_CELLS - cells), style="bright_black")
        table.add_row(
            Text(stage.name, style="dim"),
            bar,
            Text(_ms(used), style=style),
            Text(f"of {_ms(stage.budget_ms)}", style="dim"),
        )
    return table


def summary_view(turns: Iterable[Turn]) -> Table:
    """p50 and p95 of every stage against its budget."""
    turns = list(turns)
    table = Table(title=f"{len(turns)} turns against the latency budget", title_justify="left")
    table.add_column("stage", no_wrap=True)
    table.add_column("what", style="dim")
    for column in ("n", "p50", "p95", "max", "budget"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for stage, figures in _stage_figures(turns):
        met = round(figures.p95, 2) <= stage.budget_ms
        table.add_row(
            stage.name,
            stage.meaning,
            str(figures.count),
            _ms(figures.p50),
            _ms(figures.p95),
            _ms(figures.maximum),
            _ms(stage.budget_ms),
            Text("met", style="green") if met else Text("over", style="bold red"),
        )
    return table


def summary_json(turns: Iterable[Turn]) -> str:
    """The same for machines: one JSON line."""
    turns = list(turns)
    stages = {}
    for stage, figures in _stage_figures(turns):
        rounded = {key: round(value, 3) for key, value in asdict(figures).items()}
        stages[stage.name] = {**rounded, "budget_ms": stage.budget_ms}
    return json.dumps({"event": "Summary", "turns": len(turns), "stages_ms": stages})


def _stage_figures(turns: Sequence[Turn]) -> Iterator[tuple[Stage, Percentiles]]:
    """The stages that the turns had, with their figures."""
    times = [stage_times(turn) for turn in turns]
    for stage in STAGES:
        figures = percentiles(turn[stage.name] for turn in times if stage.name in turn)
        if figures is not None:
            yield stage, figures


def _verdict(verdict: Verdict) -> Text:
    line = Text(verdict.decision.value, style=f"bold {_DECISION_STYLE[verdict.decision]}")
    if verdict.rule:
        line.append(f"  rule {verdict.rule}", style="dim")
    if verdict.reason:
        line.append(f"  {verdict.reason}")
    return line


def _car(actuation: Actuation) -> RenderableType:
    action = actuation.action
    line = Text(action.path.removeprefix("Vehicle."), style="cyan")
    if action.value is not None:
        line.append(f" → {action.value}")
    if actuation.value is not None:
        line.append(f"  car says {actuation.value}", style="bold")
    line.append(f"  {actuation.evidence.value}", style=_EVIDENCE_STYLE[actuation.evidence])
    if actuation.detail:
        return Group(line, Text(actuation.detail, style="dim"))
    return line


def _border(turn: Turn) -> str:
    if any(verdict.decision is Decision.DENY for verdict in turn.verdicts):
        return "red"
    if not turn.interpretations or any(i.rejected for i in turn.interpretations):
        return "yellow"
    return "green"


def _ms(value: float) -> str:
    return f"{value * 1e3:.0f} µs" if value < 1 else f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"
