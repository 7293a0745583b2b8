"""What to do about what was said: commands, answers to our questions, references, open questions.

No time and no sound here: :class:`~carvoice.dialogue.machine.Dialogue` owns those. What is pending is
a question of ours (yes or no, this or that, the rest of a command) or an announced command in its cancel
window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from carvoice.dialogue.acts import Adjustment
from carvoice.dialogue.asking import OUT_OF_RANGE, Asking
from carvoice.dialogue.commands import Commander
from carvoice.dialogue.followups import REFERENCES, FollowUps
from carvoice.dialogue.memory import Memory
from carvoice.dialogue.pending import Choice, Command, Missing, YesNo
from carvoice.dialogue.protocols import Understander
from carvoice.dialogue.replies import Replies
from carvoice.dialogue.response import Response
from carvoice.dialogue.sequence import CommandSequence
from carvoice.dialogue.settings import DialogueSettings
from carvoice.records import Hypothesis, Interpretation, Reply, Zone
from carvoice.trace import Trace

_ASK_AGAIN = 1  # times a question is repeated when the answer was not understood
_EXPECTS = {YesNo: "confirmation", Choice: "choice", Missing: "slot"}


class Conversation:
    """Decides on each utterance.

    Args:
        understander: reads the rest of a command together with its beginning.
        commander: carries commands out.
        replies: the sentences.
        memory: what is remembered.
        acts: intents that ask nothing of the car, to the act they are ("SystemUndo": "undo").
        adjustments: intent to the one that changes the same thing step by step.
        settings: thresholds.
        is_question: tells an open question from chatter, given whether the talker activated us.
        can_answer: whether there is an answerer for open questions.
        now: wall-clock time, for "what time is it".
    """

    def __init__(
        self,
        understander: Understander,
        commander: Commander,
        replies: Replies,
        memory: Memory,
        *,
        acts: Mapping[str, str],
        adjustments: Mapping[str, Adjustment],
        settings: DialogueSettings,
        is_question: Callable[[str, bool], bool],
        can_answer: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._asking = Asking(understander, replies, acts, settings)
        self._commander = commander
        self._replies = replies
        self._memory = memory
        self._acts = acts
        self._settings = settings
        self._is_question = is_question
        self._can_answer = can_answer
        self._now = now
        self._commands = CommandSequence(commander, replies, memory, settings)
        self._follow_ups = FollowUps(commander, memory, adjustments)
        self._pending: YesNo | Choice | Missing | None = None
        self._announced: Command | None = None
        self._misses = 0  # utterances in a row that were meant for us and not understood
        self._helped = False  # the last thing we did was to help

    # ---- what is open ------------------------------------------------------------------------------

    @property
    def expects(self) -> str:
        """ "confirmation", "choice" or "slot" while a question of ours is open, else ""."""
        return "" if self._pending is None else _EXPECTS[type(self._pending)]

    @property
    def has_announced(self) -> bool:
        """Whether a command is in its cancel window."""
        return self._announced is not None

    def drop(self) -> bool:
        """Forget what is pending; returns whether there was anything."""
        had = self._pending is not None or self._announced is not None
        self._pending = self._announced = None
        return had

    def time_out(self) -> Response:
        """Nobody answered our question."""
        self.drop()
        return Response(Reply(self._replies.system("confirm_timeout"), "cancelled"), to_idle=True)

    def is_meant_for_us(self, interpretations: Sequence[Interpretation], heard: Hypothesis) -> bool:
        """Whether words over a reply are surely a command, an answer to us or a question, and no chatter."""
        least = self._settings.sure_word if len(heard.text.split()) == 1 else 0.0
        sure = (self._asking.is_sure(reading) and reading.confidence >= least for reading in interpretations)
        return any(sure) or self._is_question(_freely(heard), False)

    # ---- what was said -----------------------------------------------------------------------------

    def respond(
        self,
        heard: Hypothesis,
        interpretations: tuple[Interpretation, ...],
        zone: Zone,
        trace: Trace,
        *,
        addressed: bool,
    ) -> Response:
        """Decide on an utterance.

        Args:
            heard: the words.
            interpretations: what they were taken to mean.
            zone: where the talker sits.
            trace: of the turn.
            addressed: the talker activated us for it; if not, doubt means silence.
        """
        if isinstance(self._pending, Missing):
            interpretations, is_whole = self._asking.completed(self._pending, heard.text, interpretations)
            self._pending = None if is_whole else self._pending
        # Nobody asked us: asking back about what may have been the radio would be worse than silence.
        commands = tuple(
            reading
            for reading in interpretations
            if self._asking.is_sure(reading) or (addressed and reading.rejected is None)
        )
        if not commands:
            return self._unmatched(heard, interpretations, zone, trace, addressed)
        self._misses = 0
        act = self._acts.get(commands[0].intent)
        self._helped = self._helped and act == "help"
        if act is not None:
            return self._act(act, commands[0], zone, trace, addressed)
        if (picked := self._pick(commands[0])) is not None:
            return self._carry_out(picked, trace)
        # The driver has moved on: an open question is dropped, and an announced command that is corrected.
        self._pending = None
        if self._announced is not None and self._announced.interpretation.intent == commands[0].intent:
            self._announced = None
        commands = tuple(command for command in commands if command.intent not in self._acts)
        if len(commands) == 1 and (doubt := self._asking.about(commands[0], zone)) is not None:
            self._pending = doubt
            return Response(doubt.reply)
        return self._carry_out(Command(commands[0], zone, rest=commands[1:]), trace)

    def propose(self, proposals: Sequence[Interpretation], zone: Zone, trace: Trace) -> Response:
        """A language model wants something done: the gate judges, and the driver is always asked."""
        first, rest = proposals[0], tuple(proposals[1:])
        outcome = self._commander.carry_out(first, zone, trace, only_judge=True)
        if outcome.reply.text and not outcome.needs_yes:
            return Response(outcome.reply, outcome.verdicts)
        reply = outcome.reply if outcome.needs_yes else self._replies.confirmation(first)
        self._pending = YesNo(Command(first, zone, rest=rest, confirmed=True), reply)
        return Response(reply, outcome.verdicts)

    def act_announced(self, trace: Trace) -> Response:
        """The cancel window has passed."""
        command, self._announced = self._announced, None
        if command is None:
            return Response()
        return self._carry_out(command, trace, is_announced=True)

    def _carry_out(self, command: Command, trace: Trace, is_announced: bool = False) -> Response:
        carried = self._commands.carry_out(command, trace, is_announced=is_announced)
        self._pending = carried.pending or self._pending
        self._announced = carried.announced or self._announced
        return carried.response

    def _pick(self, command: Interpretation) -> Command | None:
        """The offered reading that was said again in full, if one was."""
        pending = self._pending
        if not isinstance(pending, Choice):
            return None
        for option in (pending.first, pending.second):
            offered = option.interpretation
            if (offered.intent, offered.values) == (command.intent, command.values):
                self._pending = None
                return option
        return None

    # ---- words that are no command -----------------------------------------------------------------

    def _unmatched(
        self,
        heard: Hypothesis,
        interpretations: Sequence[Interpretation],
        zone: Zone,
        trace: Trace,
        addressed: bool,
    ) -> Response:
        text, question = heard.text, _freely(heard)
        pending = self._pending
        best = interpretations[0] if interpretations else None
        self._helped = False
        if isinstance(pending, Choice) and (option := pending.chosen(text)) is not None:
            self._pending = None
            return self._carry_out(option, trace)
        if best is not None and best.rejected == OUT_OF_RANGE and (addressed or pending is not None):
            limits = {name: str(value) for name, value in best.values.items()}
            return Response(Reply(self._replies.system("out_of_range", **limits), "rejected"))
        if pending is None and self._announced is None:
            self._pending = self._asking.for_rest(text, addressed)
            if self._pending is not None:
                return Response(self._pending.reply)
        if self._is_question(question, False):
            self._pending = None
            return self._asked_freely(question)
        if self._announced is not None:
            # Whoever speaks up now may have said no: make sure.
            command, self._announced = replace(self._announced, confirmed=True), None
            reply = self._replies.confirmation(command.interpretation)
            self._pending = YesNo(command, reply)
            return Response(reply)
        if pending is not None:
            return self._ask_again(pending)
        if (
            addressed
            and best is not None
            and (doubt := self._asking.about_half_heard(best, zone)) is not None
        ):
            self._pending = doubt
            return Response(doubt.reply)
        if addressed and self._is_question(question, True):
            return self._asked_freely(question)
        if addressed and self._settings.reject_aloud:
            self._misses += 1
            key = "rejected" if self._misses == 1 else "rejected_again"
            return Response(Reply(self._replies.system(key), "rejected"))
        return Response(Reply(self._replies.system("not_for_me"), "rejected"))

    def _asked_freely(self, question: str) -> Response:
        if self._can_answer:
            return Response(question=question)
        return Response(Reply(self._replies.system("no_language_model"), "failed"))

    def _ask_again(self, pending: YesNo | Choice | Missing) -> Response:
        if pending.asked >= _ASK_AGAIN:
            return self.time_out()
        self._pending = replace(pending, asked=pending.asked + 1)
        if not isinstance(pending, YesNo):
            return Response(pending.reply)
        text = self._replies.system("confirm_again")
        return Response(Reply(text, "question", None, "confirmation"))

    # ---- dialogue acts -----------------------------------------------------------------------------

    def _act(self, act: str, said: Interpretation, zone: Zone, trace: Trace, addressed: bool) -> Response:
        if act == "yes":
            return self._yes(trace, addressed)
        if act == "no":
            return self._no(addressed)
        if act in ("cancel", "stop_talking", "stop_listening"):
            had = self.drop()
            text = self._replies.act(act) if had or act != "cancel" else ""
            return Response(Reply(text, "cancelled"), to_idle=act != "stop_talking")
        if act == "repeat":
            text = self._memory.last_said or self._replies.system("nothing_to_repeat")
            return Response(Reply(text, "repeat", None, self.expects))
        if act == "help":
            return self._help(zone)
        if act == "undo":
            return self._undo(zone, trace)
        if act in REFERENCES:
            return self._refer(act, said, zone, trace)
        if act == "voice_volume":
            steps = -1 if said.values.get("direction") == "down" else 1
            return Response(Reply(self._replies.act(act), "done"), volume_steps=steps)
        return Response(Reply(self._replies.act(act, **self._moment()), "answer"))

    def _yes(self, trace: Trace, addressed: bool) -> Response:
        pending = self._pending
        if isinstance(pending, YesNo):
            self._pending = None
            return self._carry_out(pending.command, trace)
        if pending is not None:
            return self._ask_again(pending)
        if self._announced is not None:
            return self.act_announced(trace)
        text = self._replies.system("nothing_to_confirm") if addressed else ""
        return Response(Reply(text, "rejected"))

    def _no(self, addressed: bool) -> Response:
        had_announced = self._announced is not None
        if self.drop():
            key = "cancel" if had_announced else "no"
            return Response(Reply(self._replies.act(key), "cancelled"))
        text = self._replies.system("nothing_to_confirm") if addressed else ""
        return Response(Reply(text, "rejected"))

    def _help(self, zone: Zone) -> Response:
        """What can be said now: answers to our question, what can follow the last command, or anything."""
        first = not self._helped
        self._helped = True
        if self._pending is not None:
            text = self._pending.reply.text
            if isinstance(self._pending, YesNo):
                text += " " + self._replies.system("confirm_again")
            return Response(replace(self._pending.reply, text=text))
        if self._announced is not None:
            phrase = self._replies.phrase(self._announced.interpretation)
            return Response(Reply(self._replies.system("help_announced", do=phrase), "announced"))
        last = self._memory.last
        if first and last is not None and (possible := self._follow_ups.possible(last, zone)):
            return Response(Reply(self._replies.follow_ups(possible), "help"))
        return Response(Reply(self._replies.act("help"), "help"))

    def _undo(self, zone: Zone, trace: Trace) -> Response:
        if self._announced is not None:
            return self._no(addressed=True)
        self._pending = None
        taken_back = self._take_back(zone)
        if taken_back is None:
            return Response(Reply(self._replies.system("nothing_to_undo"), "rejected"))
        return self._carry_out(taken_back, trace)

    def _take_back(self, zone: Zone) -> Command | None:
        """The command that undoes the last one, if that can be undone."""
        last = self._memory.last
        if last is None or not last.reverse:
            return None
        phrase = self._replies.system("put_back", "put it back")
        reading = replace(last.interpretation, intent="", text=phrase, slots={}, alternatives=())
        return Command(reading, zone, last.reverse, is_undo=True)

    def _refer(self, act: str, said: Interpretation, zone: Zone, trace: Trace) -> Response:
        """A command that is the last (or the pending) one with something changed."""
        last = None
        if isinstance(self._pending, (YesNo, Choice)):
            pending = self._pending
            base = (pending.command if isinstance(pending, YesNo) else pending.first).interpretation
        elif self._announced is not None:
            base = self._announced.interpretation
        elif (last := self._memory.last) is not None:
            base = last.interpretation
        else:
            return Response(Reply(self._replies.system("nothing_to_continue"), "rejected"))
        command = self._follow_ups.meant(act, base, said, zone)
        if command is None:
            return Response(Reply(self._replies.system("nothing_to_continue"), "rejected"))
        self.drop()
        # "No, the other one": the first was wrong and goes back to how it was.
        wrong = self._take_back(zone) if last is not None and said.values.get("instead") else None
        if wrong is None:
            return self._carry_out(command, trace)
        back = self._carry_out(wrong, trace)
        then = self._carry_out(command, trace)
        return replace(
            then, verdicts=back.verdicts + then.verdicts, actuations=back.actuations + then.actuations
        )

    def _moment(self) -> dict[str, str]:
        now = self._now()
        return {"time": f"{now.hour}:{now:%M}", "date": f"{now:%A, %B} {now.day}"}


def _freely(heard: Hypothesis) -> str:
    """The words of a question, which are in no grammar."""
    return heard.open_text or heard.text
