"""Which answers may be given again: those that depend on neither moment, place, car, talker nor conversation.

English and German words are looked for in every question, whatever its language: a word too many only costs
a cache hit, a word too few would give the driver yesterday's weather.
"""

from __future__ import annotations

import re

from carvoice.llm.answer import AnswerContext
from carvoice.llm.text import content_stems, stem, words

_MOMENT = (
    "now|today|tonight|tomorrow|yesterday|current(?:ly)?|at the moment|next|last|latest|recent(?:ly)?|still|"
    "yet|already|this (?:week|month|year|morning|evening|weekend)|news|weather|forecast|what time|what day|"
    "the date|the time|how late|temperature (?:outside|inside)|traffic|prices?|score|raining|snowing|"
    r"jetzt|heute|morgen|gestern|gerade|aktuell\w*|derzeit|momentan|im moment|nächste[rnsm]?|letzte[rnsm]?|"
    r"neueste[rnsm]?|noch|schon|bald|nachrichten|wetter\w*|vorhersage|uhrzeit|wie spät|datum|wochentag|"
    r"welcher tag|welchen tag|verkehr\w*|staus?|preise?|kostet|spielstand|draußen|drinnen|regnet|schneit"
)
# Who holds an office, a title or a record changes without notice.
_HOLDERS = (
    "president|chancellor|minister|king|queen|pope|ceo|mayor|governor|coach|champions?|richest|record|"
    r"how old is (?!the )\w+|"
    r"präsident(?:in)?|\w*kanzler(?:in)?|\w*minister(?:in)?|könig(?:in)?|papst|bürgermeister(?:in)?|trainer(?:in)?|"
    r"weltmeister(?:in)?|meister|reichste[rn]?|rekord|wie alt ist (?!d(?:er|ie|as) )\w+"
)
_PLACE = (
    "here|near|nearby|nearest|closest|around|away|arrive|eta|get there|on the way|route|we are|are we|am i|"
    "i am|i'm|my|mine|our|ours|me|us|remind|"
    r"hier|nähe|unterwegs|ankunft|ankommen|strecke|bin ich|sind wir|ich|wir|uns|unsere?[rnsm]?|"
    r"mein\w*|mir|mich|erinner\w*"
)
_BACK = (
    "it|its|that|those|these|this|they|them|he|she|him|her|again|more|else|another|same|previous|"
    "es|er|ihn|ihm|ihr|ihnen|dort|da|davon|darüber|damit|dafür|dazu|diese[rnsm]?|wieder|mehr|sonst|gleiche[rn]?|"
    "ist das|das$"
)
_FRESH = (
    r"random|joke|story|guess|song|poem|zufällig\w*|witz\w*|geschichte erzähl\w*|erzähl\w*|rate|gedicht|lied"
)
_STATE = (
    "fuel|tank|range|battery|charge|speed|mileage|odometer|oil level|t[iy]re pressure|open|closed|on or off|"
    "switched|set to|playing|"
    r"benzin|sprit|reichweite|akku\w*|batterie|ladestand|geschwindigkeit|kilometerstand|ölstand|reifendruck|offen|"
    "geöffnet|geschlossen|eingeschaltet|ausgeschaltet|an oder aus|läuft|eingestellt"
)
_NOW = re.compile(rf"\b(?:{_MOMENT}|{_HOLDERS}|{_PLACE}|{_BACK}|{_FRESH}|{_STATE})(?!\w)")
# "tell me", "can you tell us" point at nobody.
_TO_ME = re.compile(
    r"\b(?:tell|give|show) (?:me|us)\b|\bexplain to (?:me|us)\b"
    r"|\b(?:sag|sagen sie|erklär|erkläre) (?:mir|uns)\b"
    r"|\b(?:kannst du |können sie )?(?:mir|uns) (?:sagen|erklären)\b"
)


def is_timeless(question: str, context: AnswerContext | None = None) -> bool:
    """Whether the answer depends on neither moment, car, talker nor conversation; in doubt it does."""
    text = _TO_ME.sub("tell", " ".join(question.lower().split()))
    if _NOW.search(text):
        return False
    state = {stem(word) for name in (context.car_state if context else ()) for word in words(name)}
    return not state & set(content_stems(text)) and len(content_stems(text)) > 0
