"""What to do about what was said: commands, answers to our questions, references, open questions.

No time and no sound here: :class:`~carvoice.dialogue.machine.Dialogue` owns those. What is pending is
either a question of ours (yes or no, this or that) or an announced command in its cancel window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from carvoice.dialogue import reference
from carvoice.dialogue.commands import Commander, Outcome
from carvoice.dialogue.memory import Memory
from carvoice.dialogue.pending import Choice, Command, YesNo
from carvoice.dialogue.replies import Replies
from carvoice.dialogue.settings import DialogueSettings
from carvoice.records import Actuation, Evidence, Interpretation, Reply, Value, Verdict, Zone
from carvoice.trace import Trace

SILENCE = Reply("", "silent")
_OUT_OF_RANGE = "out of range"  # a command but for its number
_ASK_AGAIN = 1  # times a question is repeated when the answer was not understood


@dataclass(frozen=True, slots=True)
class Response:
    """What to do and say now.

    Attributes:
        reply: what to say; empty text is silence.
        verdicts: policy decisions taken.
        actuations: what was done.
        question: an open question to put to the answerer.
        to_idle: no follow-up window after the reply.
        volume_steps: speak louder (or, negative, softer) from now on.
    """

    reply: Reply = SILENCE
    verdicts: tuple[Verdict, ...] = ()
    actuations: tuple[Actuation, ...] = ()
    question: str = ""
    to_idle: bool = False
    volume_steps: int = 0


class Conversation:
    """Decides on each utterance.

    Args:
        commander: carries commands out.
        replies: the sentences.
        memory: what is remembered.
        acts: intents that ask nothing of the car, to the act they are ("SystemUndo": "undo").
        settings: thresholds.
        is_question: tells an open question from chatter.
        can_answer: whether there is an answerer for open questions.
        now: wall-clock time, for "what time is it".
    """

    def __init__(
        self,
        commander: Commander,
        replies: Replies,
        memory: Memory,
        *,
        acts: Mapping[str, str],
        settings: DialogueSettings,
        is_question: Callable[[str], bool],
        can_answer: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._commander = commander
        self._replies = replies
        self._memory = memory
        self._acts = acts
        self._settings = settings
        self._is_question = is_question
        self._can_answer = can_answer
        self._now = now
        self._pending: YesNo | Choice | None = None
        self._announced: Command | None = None

    # ---- what is open ------------------------------------------------------------------------------

    @property
    def expects(self) -> str:
        """ "confirmation" or "choice" while a question of ours is open, else ""."""
        if self._pending is None:
            return ""
        return "confirmation" if isinstance(self._pending, YesNo) else "choice"

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

    def is_meant_for_us(self, interpretations: Sequence[Interpretation], text: str) -> bool:
        """Whether an utterance is surely a command, an answer to us or a question, and no chatter."""
        return any(self._is_sure(reading) for reading in interpretations) or self._is_question(text)

    def _is_sure(self, reading: Interpretation) -> bool:
        return reading.rejected is None and reading.confidence >= self._settings.ask_below

    # ---- what was said -----------------------------------------------------------------------------

    def respond(
        self,
        text: str,
        interpretations: tuple[Interpretation, ...],
        zone: Zone,
        trace: Trace,
        *,
        addressed: bool,
    ) -> Response:
        """Decide on an utterance.

        Args:
            text: the words.
            interpretations: what they were taken to mean.
            zone: where the talker sits.
            trace: of the turn.
            addressed: the talker activated us for it; if not, doubt means silence.
        """
        # Nobody asked us: asking back about what may have been the radio would be worse than silence.
        commands = tuple(
            reading
            for reading in interpretations
            if self._is_sure(reading) or (addressed and reading.rejected is None)
        )
        if not commands:
            if addressed and interpretations and interpretations[0].rejected == _OUT_OF_RANGE:
                limits = {name: str(value) for name, value in interpretations[0].values.items()}
                return Response(Reply(self._replies.system("out_of_range", **limits), "rejected"))
            return self._unmatched(text, trace, addressed)
        act = self._acts.get(commands[0].intent)
        if act is not None:
            return self._act(act, commands[0], zone, trace, addressed)
        if (picked := self._pick(commands[0])) is not None:
            return self._carry_out(picked, trace)
        # The driver has moved on: an open question is dropped, and an announced command that is corrected.
        self._pending = None
        if self._announced is not None and self._announced.interpretation.intent == commands[0].intent:
            self._announced = None
        commands = tuple(command for command in commands if command.intent not in self._acts)
        if len(commands) == 1 and (doubt := self._doubt(commands[0], zone)) is not None:
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

    # ---- commands ----------------------------------------------------------------------------------

    def _carry_out(self, command: Command, trace: Trace, is_announced: bool = False) -> Response:
        """Do a command and those after it, until one needs an answer or a cancel window."""
        replies: list[Reply] = []
        verdicts: list[Verdict] = []
        actuations: list[Actuation] = []
        announced = False
        while True:
            wait = self._has_window(command) and not is_announced
            outcome = self._do(command, trace, only_judge=wait)
            verdicts += outcome.verdicts
            actuations += outcome.actuations
            if outcome.needs_yes:
                self._pending = YesNo(replace(command, confirmed=True), outcome.reply)
            elif wait and not outcome.reply.text:
                phrase = self._replies.phrase(command.interpretation)
                text = self._replies.system("announce", "I'm about to {do}.", do=phrase)
                outcome = Outcome(Reply(text, "announced"))
                self._announced = command
                announced = True
            replies.append(outcome.reply)
            if outcome.needs_yes or announced or not command.rest:
                break
            command = Command(command.rest[0], command.zone, rest=command.rest[1:])
            is_announced = False
        reply = self._join(replies)
        return Response(reply, tuple(verdicts), tuple(actuations))

    def _has_window(self, command: Command) -> bool:
        settings = self._settings
        is_hard = command.interpretation.intent in settings.hard_to_undo
        return is_hard and settings.cancel_window_s > 0 and not command.confirmed and not command.is_undo

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
                self._memory.did(reading, zone, outcome.reverse)
        return outcome

    def _join(self, replies: Sequence[Reply]) -> Reply:
        """One reply for several commands; what went wrong comes last, a question at the very end."""
        spoken = [reply for reply in replies if reply.text]
        if len(spoken) <= 1:
            return spoken[0] if spoken else replies[-1]
        good = [reply for reply in spoken if reply.kind in ("done", "sent", "answer")]
        bad = [
            reply for reply in spoken if reply.kind not in ("done", "sent", "answer", "question", "announced")
        ]
        text = " ".join(reply.text for reply in good)
        if bad and good:
            problem = " ".join(reply.text for reply in bad)
            text = self._replies.system("partly", "{done} But: {problem}", done=text, problem=problem)
        elif bad:
            text = " ".join(reply.text for reply in bad)
        last = spoken[-1]
        if last.kind in ("question", "announced"):
            text = f"{text} {last.text}".strip()
            return replace(last, text=text)
        return replace(bad[-1] if bad else last, text=text)

    def _doubt(self, command: Interpretation, zone: Zone) -> YesNo | Choice | None:
        """Ask back when another reading is close or this one is not sure."""
        phrase = self._replies.phrase(command)
        for other in command.alternatives:
            is_close = command.confidence - other.confidence <= self._settings.ask_within
            if other.rejected is not None or not is_close or self._replies.phrase(other) == phrase:
                continue
            words = {"do": phrase[:1].upper() + phrase[1:], "other": self._replies.phrase(other)}
            reply = Reply(self._replies.system("clarify", **words), "question", None, "choice")
            return Choice(
                Command(command, zone), Command(other, zone), reply, (phrase, self._replies.phrase(other))
            )
        if command.confidence < self._settings.ask_below:
            text = self._replies.system("did_you_mean", do=phrase)
            reply = Reply(text, "question", None, "confirmation")
            return YesNo(Command(command, zone), reply)
        return None

    def _pick(self, command: Interpretation) -> Command | None:
        """The offered reading that was said again in full, if one was."""
        pending = self._pending
        if not isinstance(pending, Choice):
            return None
        for option in (pending.first, pending.second):
            reading = option.interpretation
            if (reading.intent, reading.values) == (command.intent, command.values):
                self._pending = None
                return option
        return None

    # ---- words that are no command -----------------------------------------------------------------

    def _unmatched(self, text: str, trace: Trace, addressed: bool) -> Response:
        pending = self._pending
        if isinstance(pending, Choice) and (option := pending.chosen(text)) is not None:
            self._pending = None
            return self._carry_out(option, trace)
        if self._is_question(text):
            self._pending = None
            if self._can_answer:
                return Response(question=text)
            return Response(Reply(self._replies.system("no_language_model"), "failed"))
        if self._announced is not None:
            # Whoever speaks up now may have said no: make sure.
            command, self._announced = replace(self._announced, confirmed=True), None
            reply = self._replies.confirmation(command.interpretation)
            self._pending = YesNo(command, reply)
            return Response(reply)
        if pending is not None:
            return self._ask_again(pending)
        if addressed and self._settings.reject_aloud:
            return Response(Reply(self._replies.system("rejected"), "rejected"))
        return Response(Reply(self._replies.system("not_for_me"), "rejected"))

    def _ask_again(self, pending: YesNo | Choice) -> Response:
        if pending.asked >= _ASK_AGAIN:
            return self.time_out()
        self._pending = replace(pending, asked=pending.asked + 1)
        if isinstance(pending, Choice):
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
            return self._help()
        if act == "undo":
            return self._undo(zone, trace)
        if act in ("more", "less", "other_zone", "other_value", "other_state"):
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
        if isinstance(pending, Choice):
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

    def _help(self) -> Response:
        if self._pending is not None:
            text = self._pending.reply.text
            if isinstance(self._pending, YesNo):
                text += " " + self._replies.system("confirm_again")
            return Response(replace(self._pending.reply, text=text))
        return Response(Reply(self._replies.act("help"), "help"))

    def _undo(self, zone: Zone, trace: Trace) -> Response:
        if self._announced is not None:
            return self._no(addressed=True)
        last = self._memory.last
        if last is None or not last.reverse:
            return Response(Reply(self._replies.system("nothing_to_undo"), "rejected"))
        self.drop()
        phrase = self._replies.system("put_back", "put it back")
        reading = replace(last.interpretation, intent="", text=phrase, slots={}, alternatives=())
        return self._carry_out(Command(reading, zone, last.reverse, is_undo=True), trace)

    def _refer(self, act: str, said: Interpretation, zone: Zone, trace: Trace) -> Response:
        """A command that is the last (or the pending) one with something changed."""
        if self._pending is not None:
            pending = self._pending
            base = (pending.command if isinstance(pending, YesNo) else pending.first).interpretation
        elif self._announced is not None:
            base = self._announced.interpretation
        elif self._memory.last is not None:
            base = self._memory.last.interpretation
        else:
            return Response(Reply(self._replies.system("nothing_to_continue"), "rejected"))
        meant = self._changed(act, base, said.values, zone)
        if meant is None and act == "other_value" and (command := self._with_value(base, said, zone)):
            return self._carry_out(command, trace)
        if meant is None:
            return Response(Reply(self._replies.system("nothing_to_continue"), "rejected"))
        self.drop()
        return self._carry_out(Command(replace(meant, text=said.text), zone), trace)

    def _changed(
        self, act: str, base: Interpretation, values: Mapping[str, Value], zone: Zone
    ) -> Interpretation | None:
        if act == "more":
            return reference.more(base, values.get("size"))
        if act == "less":
            return reference.less(base, values.get("size"))
        if act == "other_value":
            return reference.with_value(base, values["value"]) if "value" in values else None
        if act == "other_state":
            return reference.with_state(base, values["state"]) if "state" in values else None
        return self._elsewhere(base, values.get("zone", "other"), zone)

    def _with_value(self, base: Interpretation, said: Interpretation, zone: Zone) -> Command | None:
        """The last adjustment made absolute."""
        last = self._memory.last
        if last is None or last.interpretation is not base or "value" not in said.values:
            return None
        actions = last.with_value(said.values["value"])
        return Command(base, zone, actions) if actions else None

    def _elsewhere(self, base: Interpretation, place: Value, zone: Zone) -> Interpretation | None:
        """The command for another place, or its other reading; None if it has no places."""
        if place == "other" and "zone" not in base.slots and (other := reference.other_reading(base)):
            return other
        meant = reference.for_zone(base, place)
        return meant if self._commander.reaches_elsewhere(base, meant, zone) else None

    def _moment(self) -> dict[str, str]:
        now = self._now()
        return {"time": f"{now.hour}:{now:%M}", "date": f"{now:%A, %B} {now.day}"}
