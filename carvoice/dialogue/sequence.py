"""The commands of one sentence, done one after the other until one of them has to wait for the driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from carvoice.dialogue.commands import Commander, Outcome
from carvoice.dialogue.memory import Memory
from carvoice.dialogue.pending import Command, YesNo
from carvoice.dialogue.replies import Replies
from carvoice.dialogue.response import Response
from carvoice.dialogue.settings import DialogueSettings
from carvoice.records import Actuation, Evidence, Reply, Verdict
from carvoice.trace import Trace

_GOOD = ("done", "sent", "answer")
_OPEN = ("question", "announced")


@dataclass(frozen=True, slots=True)
class Carried:
    """How far a sentence got.

    Attributes:
        response: what was done, and what to say about it.
        pending: a command that needs a yes.
        announced: a command in its cancel window.
    """

    response: Response
    pending: YesNo | None = None
    announced: Command | None = None


class CommandSequence:
    """Does the commands of a sentence.

    Args:
        commander: carries one command out.
        replies: the sentences.
        memory: told what was done and undone.
        settings: the cancel window.
    """

    def __init__(
        self, commander: Commander, replies: Replies, memory: Memory, settings: DialogueSettings
    ) -> None:
        self._commander = commander
        self._replies = replies
        self._memory = memory
        self._settings = settings

    def carry_out(self, command: Command, trace: Trace, *, is_announced: bool = False) -> Carried:
        """Do a command and those after it, until one needs an answer or a cancel window.

        Args:
            command: the first, with the ``rest`` after it.
            trace: of the turn.
            is_announced: its cancel window has passed.
        """
        replies: list[Reply] = []
        verdicts: list[Verdict] = []
        actuations: list[Actuation] = []
        pending: YesNo | None = None
        announced: Command | None = None
        while True:
            wait = self._has_window(command) and not is_announced
            outcome = self._do(command, trace, only_judge=wait)
            verdicts += outcome.verdicts
            actuations += outcome.actuations
            if outcome.needs_yes:
                pending = YesNo(replace(command, confirmed=True), outcome.reply)
            elif wait and not outcome.reply.text:
                announced = command
                outcome = replace(outcome, reply=self._announcement(command))
            replies.append(outcome.reply)
            if pending is not None or announced is not None or not command.rest:
                break
            command = Command(command.rest[0], command.zone, rest=command.rest[1:])
            is_announced = False
        return Carried(Response(self._join(replies), tuple(verdicts), tuple(actuations)), pending, announced)

    def _has_window(self, command: Command) -> bool:
        settings = self._settings
        is_hard = command.interpretation.intent in settings.hard_to_undo
        return is_hard and settings.cancel_window_s > 0 and not command.confirmed and not command.is_undo

    def _announcement(self, command: Command) -> Reply:
        phrase = self._replies.phrase(command.interpretation)
        return Reply(self._replies.system("announce", "I'm about to {do}.", do=phrase), "announced")

    def _do(self, command: Command, trace: Trace, only_judge: bool) -> Outcome:
        reading, zone, confirmed = command.interpretation, command.zone, command.confirmed
        if command.actions is None:
            outcome = self._commander.carry_out(
                reading, zone, trace, confirmed=confirmed, only_judge=only_judge
            )
        else:
            outcome = self._commander.perform(reading, command.actions, trace, confirmed=confirmed)
        if outcome.is_done:
            if command.is_undo:
                self._memory.undone()
                if outcome.reply.evidence is Evidence.ACTUATED:
                    reply = replace(outcome.reply, text=self._replies.system("undone"))
                    outcome = replace(outcome, reply=reply)
            else:
                self._memory.did(reading, zone, outcome.reverse, outcome.actions)
        return outcome

    def _join(self, replies: Sequence[Reply]) -> Reply:
        """One reply for several commands; what went wrong comes last, a question at the very end."""
        spoken = [reply for reply in replies if reply.text]
        if len(spoken) <= 1:
            return spoken[0] if spoken else replies[-1]
        good = [reply for reply in spoken if reply.kind in _GOOD]
        bad = [reply for reply in spoken if reply.kind not in (*_GOOD, *_OPEN)]
        text = " ".join(reply.text for reply in good)
        if bad and good:
            problem = " ".join(reply.text for reply in bad)
            text = self._replies.system("partly", "{done} But: {problem}", done=text, problem=problem)
        elif bad:
            text = " ".join(reply.text for reply in bad)
        last = spoken[-1]
        if last.kind in _OPEN:
            return replace(last, text=f"{text} {last.text}".strip())
        return replace(bad[-1] if bad else last, text=text)
