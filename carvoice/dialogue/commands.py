"""One command on its way to the car: plan, ask the gate, act, and word the outcome.

Nothing here waits for the driver: a command that needs a yes comes back as a question.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from carvoice.dialogue.events import Acted, Decided, Event
from carvoice.dialogue.motion import Motion
from carvoice.dialogue.protocols import Actuator, CarState, Gate, Planner
from carvoice.dialogue.replies import Replies
from carvoice.errors import CarError
from carvoice.records import (
    Action,
    ActionKind,
    Actuation,
    Decision,
    Evidence,
    Interpretation,
    Reply,
    Value,
    Verdict,
    Zone,
)
from carvoice.trace import Clock, Trace

_HOPELESS = (Evidence.FAILED, Evidence.REFUSED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command.

    Attributes:
        reply: what to say.
        verdicts: one per action judged.
        actuations: one per action done.
        reverse: actions that take it back, () when that is not possible.
        needs_yes: nothing was done yet; the reply asks for it.
    """

    reply: Reply
    verdicts: tuple[Verdict, ...] = ()
    actuations: tuple[Actuation, ...] = ()
    reverse: tuple[Action, ...] = ()
    needs_yes: bool = False

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the car was asked to change."""
        done = (actuation.action for actuation in self.actuations)
        return tuple(action for action in done if action.kind is ActionKind.SET)

    @property
    def is_done(self) -> bool:
        """Whether something was asked of the car and not refused."""
        return any(
            actuation.action.kind is ActionKind.SET and actuation.evidence not in _HOPELESS
            for actuation in self.actuations
        )


class Commander:
    """Carries out interpretations.

    Args:
        planner: words to actions.
        gate: the policy.
        actuator: does it.
        state: what the car said last.
        replies: words the outcome.
        emit: told every verdict and actuation.
        clock: the car's clock, monotonic seconds; the one the gate uses.
    """

    def __init__(
        self,
        planner: Planner,
        gate: Gate,
        actuator: Actuator,
        state: CarState,
        *,
        replies: Replies,
        emit: Callable[[Event], None],
        clock: Clock = time.monotonic,
    ) -> None:
        self._planner = planner
        self._gate = gate
        self._actuator = actuator
        self._state = state
        self._motion = Motion(state, clock)
        self._replies = replies
        self._emit = emit
        self._clock = clock

    def carry_out(
        self,
        interpretation: Interpretation,
        zone: Zone,
        trace: Trace,
        *,
        confirmed: bool = False,
        only_judge: bool = False,
    ) -> Outcome:
        """Do what an interpretation asks for, unless the policy denies it or wants a yes first.

        All actions of a command are judged before the first is done: it happens whole or not at all.

        Args:
            interpretation: the command.
            zone: where the talker sits.
            trace: of the turn.
            confirmed: the driver has said yes to it.
            only_judge: find out what would happen, and do nothing.
        """
        with trace.span("plan"):
            try:
                actions = self._planner.plan(interpretation, self._motion, zone, interpretation.source)
            except CarError as error:
                return Outcome(self._cannot(interpretation, error))
        return self.perform(interpretation, actions, trace, confirmed=confirmed, only_judge=only_judge)

    def reaches_elsewhere(self, command: Interpretation, other: Interpretation, zone: Zone) -> bool:
        """Whether two commands concern different signals; False when one of them cannot be planned."""
        try:
            first, second = (
                {action.path for action in self._planner.plan(reading, self._state, zone, reading.source)}
                for reading in (command, other)
            )
        except CarError:
            return False
        return first != second

    def perform(
        self,
        interpretation: Interpretation,
        actions: tuple[Action, ...],
        trace: Trace,
        *,
        confirmed: bool = False,
        only_judge: bool = False,
    ) -> Outcome:
        """Do these actions on behalf of an interpretation, under the same rules."""
        if not actions:
            return Outcome(self._replies.outcome(interpretation, ()))
        with trace.span("policy"):
            verdicts = self._judge(actions, confirmed)
        for verdict in verdicts:
            if verdict.decision is Decision.DENY:
                return Outcome(self._replies.denied(interpretation, verdict.reason), verdicts)
        for verdict in verdicts:
            if verdict.decision is Decision.CONFIRM:
                question = self._replies.confirmation(interpretation, verdict.reason)
                return Outcome(question, verdicts, needs_yes=True)
        if only_judge:
            return Outcome(Reply("", "silent"), verdicts)
        reverse = self._reverse(actions)
        if "direction" in interpretation.slots and _values(actions) == _values(reversed(reverse)):
            return Outcome(Reply(self._replies.system("at_limit"), "refused"), verdicts)
        with trace.span("actuation"):
            actuations = self._act(actions, confirmed, trace.trace_id)
        return Outcome(self._replies.outcome(interpretation, actuations), verdicts, actuations, reverse)

    def _judge(self, actions: tuple[Action, ...], confirmed: bool) -> tuple[Verdict, ...]:
        verdicts: list[Verdict] = []
        for action in actions:
            verdict = self._gate.check(action, self._state, self._clock(), confirmed)
            self._emit(Decided(action, verdict))
            verdicts.append(verdict)
        return tuple(verdicts)

    def _act(self, actions: tuple[Action, ...], confirmed: bool, trace_id: str) -> tuple[Actuation, ...]:
        actuations: list[Actuation] = []
        for actuation in self._actuator.perform_all(actions, confirmed, trace_id):
            self._emit(Acted(actuation))
            self._motion.follow(actuation)
            actuations.append(actuation)
            if actuation.action.kind is ActionKind.SET and actuation.evidence in _HOPELESS:
                break  # what follows builds on it
        return tuple(actuations)

    def _reverse(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        """The actions that bring back the present values, last first; () if one of them is not known."""
        reverse: list[Action] = []
        for action in actions:
            if action.kind is not ActionKind.SET:
                continue
            reading = self._value_of(action.path)
            if reading is None:
                return ()
            reverse.insert(
                0, Action(action.kind, action.path, reading, action.zone, action.source, action.intent)
            )
        return tuple(reverse)

    def _value_of(self, path: str) -> bool | int | float | str | None:
        try:
            reading = self._motion.get(path)
        except CarError:
            return None
        return None if reading is None else reading.value

    def _cannot(self, interpretation: Interpretation, error: CarError) -> Reply:
        """Why a command cannot even be planned, as far as a driver wants to know."""
        reason = str(error)
        if "present value" in reason:
            key = "unknown_present"
            default = "I don't know how it is set now. Please say the value."
        elif "was not filled" in reason or "means nothing" in reason:
            key, default = "which_value", "To what value?"
        else:
            key, default = "not_in_this_car", "This car doesn't have that."
        return Reply(self._replies.system(key, default), "failed")


def _values(actions: Iterable[Action]) -> list[tuple[str, Value | None]]:
    """What is set to what."""
    return [(action.path, action.value) for action in actions if action.kind is ActionKind.SET]
