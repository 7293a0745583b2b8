"""Answers to open-ended questions, in tiers behind one protocol.

answerer = build_answerer(AnswerSettings(manual=folder, model=gguf, remotes=[Deployment(...)]))
stream = answerer.answer("why is the sky blue", AnswerContext(), cancel=threading.Event())
for sentence in stream: ...
stream.record, stream.proposals
"""

from carvoice.llm.answer import AnswerContext, Answerer, AnswerStream, Exchange, IntentTool, Tier
from carvoice.llm.build import AnswerSettings, build_answerer
from carvoice.llm.gate import looks_like_question, question_score
from carvoice.llm.grammar_tools import tools_from_grammar
from carvoice.llm.remote import Deployment
from carvoice.llm.tiered import TieredAnswerer

__all__ = [
    "AnswerContext",
    "AnswerSettings",
    "AnswerStream",
    "Answerer",
    "Deployment",
    "Exchange",
    "IntentTool",
    "Tier",
    "TieredAnswerer",
    "build_answerer",
    "looks_like_question",
    "question_score",
    "tools_from_grammar",
]
