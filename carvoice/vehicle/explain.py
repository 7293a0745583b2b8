"""Why the gate decides as it does: every rule that is about an action, and how each condition stands."""

from __future__ import annotations

from dataclasses import dataclass

from carvoice.records import Action, Decision, Value, Verdict
from carvoice.vehicle.gate import Gate
from carvoice.vehicle.policy import SELF, Condition, Rule
from carvoice.vehicle.state import CarState


@dataclass(frozen=True, slots=True)
class ConditionReport:
    """One condition: what it asks for, what the car says, and whether it holds."""

    text: str
    value: Value | None
    age_s: float | None
    holds: bool


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One rule about the action; ``line`` is where it stands in the policy file."""

    rule: Rule
    line: int
    conditions: tuple[ConditionReport, ...]
    broken: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """An action, its verdict, and all that led to it. ``str()`` of it is for people."""

    action: Action
    verdict: Verdict
    confirmed: Verdict
    allowed_by: str
    rules: tuple[RuleReport, ...]

    def __str__(self) -> str:
        wanted = "" if self.action.value is None else f" = {self.action.value}"
        asked = f"{self.action.kind.value} {self.action.path}{wanted} for {self.action.zone.value}"
        lines = [f"{asked}: {_say(self.verdict)}"]
        if self.verdict.decision is Decision.CONFIRM:
            lines.append(f"  after a yes: {_say(self.confirmed)}")
        lines.append(f"  allow-list: {self.allowed_by or 'not named'}")
        for report in self.rules:
            mark = "broken" if report.broken else "met"
            lines.append(f"  {report.rule.id} (line {report.line}, {report.rule.effect.value}): {mark}")
            for condition in report.conditions:
                shown = "unknown" if condition.value is None else f"{condition.value}"
                age = "" if condition.age_s is None else f", {condition.age_s:.2f} s old"
                lines.append(f"    {'ok ' if condition.holds else 'NOT'} {condition.text} (is {shown}{age})")
        return "\n".join(lines)


def explain(gate: Gate, action: Action, state: CarState, now_s: float) -> Explanation:
    """Explain the verdict on an action, without sending anything."""
    rules = tuple(
        RuleReport(
            rule,
            gate.policy.lines[rule.id],
            tuple(_condition(gate, c, action, state) for c in rule.require),
            gate.unmet(rule, action, state),
        )
        for rule in gate.applying(action, state)
    )
    allowing = gate.allowing(action)
    return Explanation(
        action,
        gate.check(action, state, now_s),
        gate.check(action, state, now_s, confirmed=True),
        allowing.id if allowing is not None else "",
        rules,
    )


def _condition(gate: Gate, condition: Condition, action: Action, state: CarState) -> ConditionReport:
    holds = gate.holds(condition, action, state)
    if condition.feature:
        return ConditionReport(f"the car declares {condition.feature}", holds, None, holds)
    path = action.path if condition.path == SELF else condition.path
    reading = state.get(path)
    value, age_s = (reading.value, reading.age_s) if reading is not None else (None, None)
    wanted = condition.range
    tests = [f"at least {wanted.minimum:g}"] if wanted.minimum is not None else []
    tests += [f"at most {wanted.maximum:g}"] if wanted.maximum is not None else []
    tests += ["one of " + ", ".join(str(v) for v in wanted.values)] if wanted.values else []
    tests.append(f"no older than {condition.max_age_s:g} s")
    return ConditionReport(f"{path} {', '.join(tests)}", value, age_s, holds)


def _say(verdict: Verdict) -> str:
    reason = f" ({verdict.reason})" if verdict.reason else ""
    return f"{verdict.decision.value} by {verdict.rule}{reason}"
