"""Answers to open-ended questions, in tiers behind one protocol."""

from carvoice.llm.answer import AnswerContext, Answerer, AnswerStream, Exchange, IntentTool, Tier
from carvoice.llm.gate import looks_like_question, question_score
from carvoice.llm.tiered import TieredAnswerer

__all__ = [
    "AnswerContext",
    "AnswerStream",
    "Answerer",
    "Exchange",
    "IntentTool",
    "Tier",
    "TieredAnswerer",
    "looks_like_question",
    "question_score",
]
