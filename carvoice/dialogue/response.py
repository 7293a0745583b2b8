"""What comes of an utterance."""

from __future__ import annotations

from dataclasses import dataclass

from carvoice.records import Actuation, Reply, Verdict

SILENCE = Reply("", "silent")


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
