"""Is this an open question for us, or cabin talk between people?

The grammar has already refused the words. What is left is mostly chatter, so a question or a request for talk
has to show itself by its wording. A logistic regression looks at single words, pairs, the opening, the last
word and hand-written cues (English); English and German are in one model, for nobody says which is spoken.
Its weights are ``question-gate.tsv``, fitted by ``training/question_gate.py``. Words are all this room sees;
whoever was addressed by a wake phrase or a button says so, and less is asked of the words.
``bench/llm_gate.py`` measures both error rates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise

from carvoice.resources import data_path

_CALL = re.compile(
    r"^(?:(?:hey|hi|ok|okay|so|and|but|well|um|uh|please|now|then|alright|carvoice|assistant|car)[ ,]+)+"
)
_POLITE = re.compile(
    r"^(?:(?:can|could|would|will) you (?:please )?|please |i(?:'d| would) (?:like|love) (?:you )?to |"
    r"i want (?:you )?to |do you know |i (?:wonder|was wondering) |i need to know |any idea )"
)

_CAR_WORDS = (
    "engine|tires?|tyres?|brakes?|oil|coolant|fuel|battery|warning light|dashboard|fuse|airbags?|seat belts?|"
    "child seat|cruise control|headlights?|wipers?|manual|car|vehicle|trunk|hood|bonnet|charging|tow|jack|"
    "spare|windshield|isofix|bluetooth|pressure|octane|service"
)
_ASKING = "tell (?:me|us)|explain|describe|define|translate|spell|summarize|recommend|suggest|give me"
_MEASURES = "mean|meaning|means|difference between|capital of|how (?:many|much|far|long|often)"
_YOU_DO = (
    "want|think|feel|like|remember|see|hear|mind|hungry|okay|guys|ready|coming|sure|kidding|serious|going|"
    "guess|call|bring|finish|get|eat|sleep|talk"
)
_FAMILY = "you guys|honey|sweetie|babe|mom|mum|mommy|dad|daddy|dude|bro|buddy|darling|kids|guys"
_PERSONS = "he|she|they|him|her|them|his|their|we|us|our|your|you're|you"
_OPENERS = "i|i'm|i've|i'll|we|we're|he|she|they|it's|it|that|that's|yeah|yes|no|oh|wow|haha|right|because"
_ANYBODY = (
    "how (?:do|would|can) you (?!feel|like|know|want)|do (?:they|people) (?:speak|use|eat|make|live|drive)"
)
_IDIOMS = (
    "tell me about it|what's (?:wrong|up|taking|going on)|what's for (?:dinner|lunch)|what (?:was|is) that$"
)
_RETORTS = (
    "how (?:about|come|are|was|did)|what (?:about|the (?:hell|heck)|a)|who (?:cares|knows|wants)|"
    "why (?:not|don't|would|did|are)"
)
_PRIVATE = "last night|yesterday|this morning|the party|dinner|lunch|school|homework|movie|boss|work"

# (pattern, weight in logits) on the words after the call and the polite opening.
_CUES = tuple(
    (re.compile(pattern), weight)
    for pattern, weight in (
        (r"^(?:what|who|where|when|why|which|whose|how)(?:'s)?\b", 2.6),
        (r"^(?:is|are|was|were|does|do|did|has|have|can|could|should|will|would|may|must)\b", 1.4),
        (r"^(?:is|are|does|do|can|should|will) (?:the|there|a|an|this|my|it)\b", 0.9),
        (r"^(?:can|may|should|could|do|must) i\b", 1.6),
        (rf"^(?:{_ASKING})\b", 3.4),
        (r"^(?:read|sing|recite|tell) (?:me |us )?(?:a|an|another|some)\b", 3.0),
        (r"^(?:let's (?:talk|chat)|talk to me|chat with me|i(?:'m| am) bored)\b", 3.2),
        (r"^(?:know|learn|hear|talk|chat|understand)\b", 1.6),
        (rf"\b(?:{_MEASURES})\b", 1.0),
        (rf"\b(?:{_CAR_WORDS})\b", 1.1),
        (r"\?$", 0.8),
        # People among themselves: second person, gossip, plans, reactions.
        (rf"\b(?:do|did|are|were|have|would|will|can|could) you (?:{_YOU_DO})\b", -3.2),
        (rf"^(?:{_FAMILY})\b|\b(?:{_FAMILY})$", -2.6),
        (rf"\b(?:{_PERSONS})\b", -1.7),
        (rf"\b(?:{_ANYBODY})\b", 1.9),
        (rf"^(?:{_IDIOMS})\b", -3.5),
        (r"\b(?:it|this|that|these|those|my turn|one)\b", -1.3),
        (r"^where(?:'s| is| are) (?:my|the kids)\b|\bdid you\b", -2.2),
        (rf"^(?:{_OPENERS})\b", -1.6),
        (rf"^(?:{_RETORTS})\b", -2.4),
        (r"^(?:what|why|how|who|really|seriously|pardon|sorry)$", -3.0),
        (r"\b(?:isn't it|aren't they|don't you|right|you know|i mean|or what|i guess|anyway)\??$", -2.2),
        (rf"\b(?:{_PRIVATE})\b", -0.8),
    )
)
_LONGEST_OPENING = 3  # words
_THRESHOLD = 0.8  # fitted as if both kinds were equally frequent; chatter is at least four times as frequent
_ADDRESSED_THRESHOLD = 0.5  # after a wake phrase or the button it is not


def features(text: str) -> list[str]:
    """What the gate sees of a sentence; what is there twice counts twice.

    Args:
        text: recognized words; case and punctuation do not matter.
    """
    core = _CALL.sub("", " ".join(re.sub(r"[^\w'? ]+", " ", text.lower()).split()))
    found = []
    if polite := _POLITE.match(core):
        core = core[polite.end() :]
        found.append("=polite")
    logit = sum(weight for pattern, weight in _CUES if pattern.search(core))
    found += ["=cue +"] * max(0, round(logit)) + ["=cue -"] * max(0, round(-logit))
    spoken = core.replace("?", " ").split()
    found.append(f"=words {min(len(spoken), 8)}")
    found += [f"^{' '.join(spoken[:n])}" for n in range(1, min(_LONGEST_OPENING, len(spoken)) + 1)]
    found += spoken
    found += [" ".join(pair) for pair in pairwise(spoken)]
    found += [f"{word}$" for word in spoken[-1:]]
    return found


def question_score(text: str) -> float:
    """How probable it is that ``text`` asks the assistant something, 0..1.

    Args:
        text: recognized words; case and punctuation do not matter.
    """
    weights = _weights()
    logit = weights["bias"] + sum(weights.get(feature, 0.0) for feature in features(text))
    return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, logit))))


def looks_like_question(text: str, addressed: bool = False) -> bool:
    """Whether ``text`` is an open question or a request for talk, rather than cabin chatter.

    Args:
        text: recognized words.
        addressed: the talker activated the assistant for it.
    """
    return question_score(text) >= (_ADDRESSED_THRESHOLD if addressed else _THRESHOLD)


@lru_cache(maxsize=1)
def _weights() -> Mapping[str, float]:
    lines = data_path("question-gate.tsv").read_text(encoding="utf-8").splitlines()
    return {name: float(weight) for name, _, weight in (line.rpartition("\t") for line in lines)}
