"""``carvoice turns``: the last turns, latency per stage and per model, one turn as a waterfall."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from carvoice.budget import Percentiles
from carvoice.cli.app import app, console, settings_of
from carvoice.errors import ConfigError
from carvoice.turnaudio import TurnAudio
from carvoice.turnhistory import LoggedTurn, ModelUse, TurnHistory
from carvoice.turnlog import TurnLog

_BAR_WIDTH = 44


@app.command()
def turns(
    context: typer.Context,
    trace_id: Annotated[
        str | None, typer.Argument(help="Show this turn (or 'last'); a beginning is enough.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many turns to list.")] = 20,
    stats: Annotated[bool, typer.Option("--stats", help="Latency per stage and per model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The turn as JSON.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Delete the whole log.")] = False,
) -> None:
    """Show what was said and done, and how long it took."""
    settings = settings_of(context)
    if settings.log.folder is None:
        raise ConfigError("no turns are logged: set log.folder, e.g. --set log.folder=turns")
    log = TurnHistory(settings.log.folder)
    if not log.exists:
        raise ConfigError(f"no turns are logged in {settings.log.folder} yet")
    if forget:
        writer = TurnLog(settings.log.folder)
        writer.forget()
        writer.close()
        console.print(f"Everything in {settings.log.folder} is deleted.")
    elif stats:
        console.print(stages_table(log.stages()))
        if uses := log.models():
            console.print(models_table(uses))
        if scores := log.quality():
            console.print(quality_table(scores))
    elif trace_id is not None:
        wanted = next((row.trace_id for row in log.recent(1)), "") if trace_id == "last" else trace_id
        entry = log.turn(wanted) if wanted else None
        if entry is None:
            raise ConfigError(f"no turn {trace_id!r} in {settings.log.folder}")
        if as_json:
            typer.echo(json.dumps(entry, indent=2, ensure_ascii=False))
        else:
            console.print(waterfall(entry))
            if (sound := TurnAudio(log.audio_folder).path(entry["trace_id"])) is not None:
                typer.echo(f"sound   {sound}")  # as one line, to be copied
    else:
        console.print(recent_table(log.recent(limit)))


def recent_table(rows: Sequence[LoggedTurn]) -> Table:
    """The last turns, newest first."""
    table = Table(
        "turn", "at", "said", "intent", "reply", "tier", "model", title="Turns", title_justify="left"
    )
    for row in rows:
        at = datetime.fromtimestamp(row.at_unix_s).strftime("%m-%d %H:%M:%S")
        kind = f"{row.kind or row.outcome}{' (interrupted)' if row.interrupted else ''}"
        table.add_row(row.trace_id[:8], at, row.text, row.intent, kind, row.tier, row.model)
    return table


def stages_table(stages: Mapping[str, Percentiles]) -> Table:
    """p50, p95 and p99 of every stage."""
    table = Table("stage", title="Stages, milliseconds", title_justify="left")
    for heading in ("turns", "p50", "p95", "p99"):
        table.add_column(heading, justify="right")
    for name, took in stages.items():
        table.add_row(name, str(took.count), *map(_ms, (took.p50, took.p95, took.p99)))
    return table


def models_table(models: Sequence[ModelUse]) -> Table:
    """What every tier and model did: answers, failed, broken off, milliseconds, cache hits, tokens, cost."""
    table = Table("tier", title="Answers", title_justify="left", padding=0)
    table.add_column("model", overflow="fold", min_width=16)
    for heading in ("n", "bad", "cut", "ttft p50", "p95", "p99", "all p50", "p95", "p99", "hits", "tokens"):
        table.add_column(heading, justify="right")
    table.add_column("$", justify="right")
    for use in models:
        table.add_row(
            use.tier,
            use.model,
            str(use.answers),
            str(use.failed),
            str(use.cancelled),
            *_three(use.ttft),
            *_three(use.total),
            str(use.cache_hits),
            str(use.tokens),
            f"{use.cost_usd:.4f}",
        )
    return table


def quality_table(scores: Sequence[tuple[str, int, float]]) -> Table:
    """Scores that answers were given: judge, how many, mean."""
    table = Table("judge", title="Quality, 0 to 1", title_justify="left")
    for heading in ("answers", "mean"):
        table.add_column(heading, justify="right")
    for judge, count, mean in scores:
        table.add_row(judge, str(count), f"{mean:.2f}")
    return table


def waterfall(entry: Mapping[str, Any]) -> RenderableType:
    """One turn: what was said and done, and its spans over time."""
    parts: list[RenderableType] = [Text(f"turn {entry['trace_id']}", style="bold"), *map(Text, _story(entry))]
    spans = sorted(entry["spans"], key=lambda span: (span["start_s"], -span["duration_ms"]))
    if spans:
        start_s = spans[0]["start_s"]
        length_ms = max((s["start_s"] - start_s) * 1e3 + s["duration_ms"] for s in spans) or 1.0
        table = Table("span", box=None, pad_edge=False)
        table.add_column("from ms", justify="right")
        table.add_column("ms", justify="right")
        table.add_column("")
        for span in spans:
            offset_ms = (span["start_s"] - start_s) * 1e3
            before = round(offset_ms / length_ms * _BAR_WIDTH)
            width = max(1, round(span["duration_ms"] / length_ms * _BAR_WIDTH))
            bar = Text(" " * before + "█" * min(width, _BAR_WIDTH + 1 - before), style="cyan")
            table.add_row(span["name"], _ms(offset_ms), _ms(span["duration_ms"]), bar)
        parts.append(table)
    return Group(*parts)


def _story(entry: Mapping[str, Any]) -> list[str]:
    """The turn in words: heard, understood, decided, done, said."""
    lines = [f"heard   {entry['hypothesis'].get('text', '(not kept)')}"]
    for reading in entry["interpretations"]:
        slots = {name: slot["value"] for name, slot in reading.get("slots", {}).items()}
        meaning = reading["intent"] or f"rejected: {reading['rejected']}"
        lines.append(
            f"meant   {meaning} {slots or ''} ({reading['confidence']:.2f}, {reading.get('source', '')})"
        )
    lines += [f"policy  {v['decision']} by {v['rule']} {v['reason']}".rstrip() for v in entry["verdicts"]]
    for actuation in entry["actuations"]:
        lines.append(
            f"done    {actuation['action']['path']} = {actuation['action']['value']}: {actuation['evidence']}"
        )
        lines += [_frame(frame) for frame in actuation["frames"]]
    if answer := entry["answer"]:
        first = f", first token {_ms(answer['ttft_ms'])} ms" if answer["ttft_ms"] is not None else ""
        lines.append(f"answer  {answer['outcome']} by {answer['tier']} {answer['model']}{first}")
        lines += [f"        passed over: {reason}" for reason in answer.get("fallbacks", ())]
    if reply := entry["reply"]:
        lines.append(f"said    {reply.get('text', '(not kept)')} [{reply['kind']}]")
    return lines


def _frame(frame: Mapping[str, Any]) -> str:
    direction = "->" if frame["is_tx"] else "<-"
    return f"        {direction} {frame['arbitration_id']:03X} {frame['data']} {frame['name']}"


def _three(took: Percentiles | None) -> tuple[str, str, str]:
    return (_ms(took.p50), _ms(took.p95), _ms(took.p99)) if took else ("", "", "")


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
