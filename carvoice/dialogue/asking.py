"""Questions of ours: when two readings are close, when one is not sure, when half a command was said."""

from __future__ import annotations

from collections.abc import Container

from carvoice.dialogue.pending import Choice, Command, Missing, YesNo
from carvoice.dialogue.protocols import Understander
from carvoice.dialogue.replies import Replies
from carvoice.dialogue.settings import DialogueSettings
from carvoice.records import Interpretation, Reply, Zone

OUT_OF_RANGE = "out of range"  # a command but for its number
_EXAMPLES = 2  # of how a command that was begun could end


class Asking:
    """Finds what has to be asked before a command can be carried out.

    Args:
        understander: reads the rest of a command together with its beginning.
        replies: the sentences.
        acts: intents of the dialogue itself, which nobody is asked about.
        settings: thresholds.
    """

    def __init__(
        self, understander: Understander, replies: Replies, acts: Container[str], settings: DialogueSettings
    ) -> None:
        self._understander = understander
        self._replies = replies
        self._acts = acts
        self._settings = settings

    def is_sure(self, reading: Interpretation) -> bool:
        """Whether a reading can be taken for a command as it is."""
        return reading.rejected is None and reading.confidence >= self._settings.ask_below

    # ---- doubt -------------------------------------------------------------------------------------

    def about(self, command: Interpretation, zone: Zone) -> YesNo | Choice | None:
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

    def about_half_heard(self, rejected: Interpretation, zone: Zone) -> YesNo | Choice | None:
        """The reading that was thrown away for its low probability, as a question."""
        best = next(iter(rejected.alternatives), None)
        if len(rejected.alternatives) != 1 or best is None or best.intent in self._acts:
            return None
        return self.about(best, zone) if best.confidence >= self._settings.guess_from else None

    # ---- half a command ----------------------------------------------------------------------------

    def for_rest(self, text: str, addressed: bool) -> Missing | None:
        """Ask for what is missing when the words are the beginning of a command.

        In talk that nobody addressed to us only what is plainly half a command counts.
        """
        words = len(text.split())
        if words < (1 if addressed else 3):
            return None
        endings = self._understander.completions(text)
        lacking = [
            ending for ending in endings if any(slot.start >= len(text) for slot in ending.slots.values())
        ]
        asked = [(self._replies.ask(ending), ending) for ending in lacking]
        question = next((ask for ask, _ in asked if ask), "")
        if not question and (not addressed or not endings or words < 2):
            return None
        if not question:
            examples = list({ending.intent: ending.text for ending in reversed(endings)}.values())
            question = self._replies.system(
                "missing",
                words=f"{text[:1].upper()}{text[1:]}",
                example=f" {self._replies.system('or')} ".join(examples[::-1][:_EXAMPLES]),
            )
        heads = (ending.text[: slot.start].strip() for ending in lacking for slot in ending.slots.values())
        reply = Reply(question, "question", None, "slot")
        return Missing(text, tuple(dict.fromkeys(head for head in heads if len(head) > len(text))), reply)

    def completed(
        self, missing: Missing, text: str, said: tuple[Interpretation, ...]
    ) -> tuple[tuple[Interpretation, ...], bool]:
        """The command that an answer completes, and True; or what was said by itself, and False."""
        if said and self.is_sure(said[0]) and said[0].intent not in self._acts:
            return said, False
        refused = said
        for whole in missing.joined(text):
            found = self._understander.parse(whole)
            if found and self.is_sure(found[0]) and found[0].intent not in self._acts:
                return found, True
            if found and found[0].rejected == OUT_OF_RANGE:
                refused = found
        return refused, False
