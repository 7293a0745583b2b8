"""An open question in a turn: its answer is spoken sentence by sentence while it is being made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from carvoice.dialogue.answering import Questions
from carvoice.dialogue.attention import Attention
from carvoice.dialogue.conversation import Conversation
from carvoice.dialogue.events import AnswerEnded, AnswerPart
from carvoice.dialogue.memory import Memory
from carvoice.dialogue.replies import Replies
from carvoice.dialogue.speech import Speech
from carvoice.dialogue.underway import Underway
from carvoice.llm.answer import AnswerContext
from carvoice.records import Interpretation, Reply


class OpenQuestion:
    """Has questions answered and says what comes.

    Args:
        questions: has them answered.
        underway: the turn.
        speech: the answer in the loudspeaker.
        conversation: asks for a yes to what a model proposes.
        attention: where the talker sits.
        memory: earlier questions and answers.
        replies: the sentences.
        car_facts: what a model is told about the car.
    """

    def __init__(
        self,
        questions: Questions,
        underway: Underway,
        speech: Speech,
        conversation: Conversation,
        attention: Attention,
        memory: Memory,
        replies: Replies,
        car_facts: Callable[[], Mapping[str, str]],
    ) -> None:
        self._questions = questions
        self._underway = underway
        self._speech = speech
        self._conversation = conversation
        self._attention = attention
        self._memory = memory
        self._replies = replies
        self._car_facts = car_facts

    def ask(self, question: str) -> None:
        """Have a question answered."""
        if self._underway.turn is not None:
            self._underway.turn.asked()
        self._questions.ask(question, AnswerContext(self._car_facts(), self._memory.exchanges))

    def say_one_moment(self) -> None:
        """The answer takes long: say that we are at it, in the same utterance."""
        text = self._replies.system("thinking")
        if self._questions.is_open and text and self._speech.is_possible:
            self._speech.add(text)
            self._underway.speaks(Reply(text, "thinking"))

    def take(self, part: AnswerPart) -> None:
        """Say a sentence of the answer."""
        if self._questions.take(part):
            self._underway.say_part(Reply(part.text, "answer"))

    def give_up(self) -> bool:
        """It takes too long. Returns whether the turn is over with that."""
        end = self._questions.give_up()
        return end is not None and self.end(end)

    def end(self, end: AnswerEnded) -> bool:
        """The answer is complete. Returns whether the turn is over with that: nothing is left to be heard."""
        answer = self._questions.close(end)
        if answer is None:
            return False
        text = " ".join(answer.sentences)
        if self._underway.turn is not None:
            self._underway.turn.answered(end.record)
        if end.record.outcome == "answered" and text:
            self._memory.answered(answer.question, text)
        closing = self._closing(end.proposals, bool(text))
        if closing.text:
            self._underway.say_part(closing)
        if text:
            self._memory.said(f"{text} {closing.text}".strip())
        return not self._speech.complete()

    def cancel(self) -> None:
        """The answer is not wanted any more."""
        broken_off = self._questions.cancel()
        if broken_off is not None and self._underway.turn is not None:
            self._underway.turn.answered(broken_off)

    def _closing(self, proposals: tuple[Interpretation, ...], has_text: bool) -> Reply:
        """What follows a streamed answer: the model's proposal as a question, an apology, or nothing."""
        turn = self._underway.turn
        if proposals and turn is not None:
            response = self._conversation.propose(proposals, self._attention.zone, turn.trace)
            turn.verdicts += response.verdicts
            return response.reply
        if not has_text:
            return Reply(self._replies.system("language_model_failed"), "failed")
        return Reply("", "silent")
