"""Answers to open-ended questions, in tiers behind one protocol.

    from carvoice.llm.build import AnswerSettings, build_answerer

    answerer = build_answerer(AnswerSettings(manual=folder, model=gguf, remotes=[Deployment(...)]))
    stream = answerer.answer("why is the sky blue", AnswerContext(), cancel=threading.Event())
    for sentence in stream: ...
    stream.record, stream.proposals

What takes long to import (the client for remotes, llama.cpp, the retrieval libraries) is not imported here.
"""

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
