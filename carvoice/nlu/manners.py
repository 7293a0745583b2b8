"""How people talk around a command, by language: fillers, politeness, corrections, what turns a
sentence into something else than a command.

A grammar may say its own under ``settings:`` (``fillers``, ``small``, ``negations``, ``telling``, ``joints``,
``corrections``); they are added to these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Manners:
    """Words and phrases around commands; all in lower case.

    Attributes:
        fillers: words that mean nothing for the command.
        courtesies: fillers that are often said and misheard; a word that sounds like one is none either.
        small: articles and the like, easily swallowed or put in.
        dangling: words that want another one after them.
        negations: words that turn a command into something else, unless the command itself has them.
        telling: words of people's talk; no command has them left out.
        speakers: pronouns; leaving one out is dear, for people tell each other things.
        joints: what stands between two commands.
        corrections: what comes between a false start and the right word.
        remark_openers: how a clause begins that says why something is wanted ("it's").
        remark_subjects: what such a clause may be about ("my").
        states: words that say how things are ("is").
        feelings: words that do so alone, at the end ("hurts").
        unfinished: words that cannot end a clause.
        ongoing: endings of words that take an object, and therefore do not end a clause either.
        pleas: requests to do something about what was said ("clear it").
        pronouns: words for a thing that was named before.
        refusals: corrections that may also refuse what follows them ("no music").
    """

    fillers: frozenset[str] = frozenset()
    courtesies: frozenset[str] = frozenset()
    small: frozenset[str] = frozenset()
    dangling: frozenset[str] = frozenset()
    negations: frozenset[str] = frozenset()
    telling: frozenset[str] = frozenset()
    speakers: frozenset[str] = frozenset()
    joints: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()
    remark_openers: tuple[str, ...] = ()
    remark_subjects: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    feelings: frozenset[str] = frozenset()
    unfinished: frozenset[str] = frozenset()
    ongoing: tuple[str, ...] = ()
    pleas: frozenset[str] = frozenset()
    pronouns: frozenset[str] = frozenset()
    refusals: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = Manners(
    fillers=_words(
        "um uh er erm ah eh hm hmm mm oh well so okay ok please kindly thanks thank hey hi hello now just "
        "really actually basically then like maybe perhaps alright quickly immediately "
        "car assistant buddy would could can you will and"
    ),
    courtesies=_words("please could would can thanks"),
    small=_words("the a an some of"),
    dangling=_words("to at by for from with and or is my your"),
    negations=_words(
        "not don't dont didn't doesn't wasn't isn't aren't won't wouldn't can't couldn't cannot never "
        "shouldn't yesterday"
    ),
    telling=_words(
        "nobody nothing without unless if yesterday ago already was were did had would've should've used "
        "tomorrow because why who whose he she they them him his hers their said says told thinks think "
        "thought remember forgot forget hate hates love loves wonder"
    ),
    speakers=_words("i i'm i've i'd we we're we've you you're it's he's she's they're that's there's"),
    joints=("and then", "and also", "and", "then", "also", "after that"),
    corrections=("no wait", "no sorry", "no i mean", "i mean", "no make that", "make that", "sorry", "no",
                 "or rather", "rather", "scratch that", "wait"),
    remark_openers=("it's", "it is", "i'm", "i am", "we're", "we are", "there's", "there is", "that's",
                    "i can't", "i cannot", "we can't", "i can hardly", "i can barely", "i feel", "we feel",
                    "i don't like", "i want to", "i need to", "i need", "i want", "i've got", "let me",
                    "let us", "let her", "let him"),
    remark_subjects=_words(
        "my our the this these kids everyone everybody traffic someone somebody"
    ),
    states=_words("is are keeps keep feels feel looks look got gets needs wants"),
    feelings=_words(
        "hurts hurt aches ache stinks smells raining snowing pouring freezing boiling sweating shivering "
        "blinding burning melting itching nothing something anything sleeping shining"
    ),
    unfinished=_words(
        "a an the my your his her their our some any of to at by for from with without and or but nor on in "
        "into onto over under about than as if like is are am be been being keeps keep feels looks got gets "
        "needs wants it's i'm we're you're that's there's i i've i'd we you he she they who whom whose which "
        "what that how when where why so such very too want need love hate let make makes can could will "
        "would should shall must may might can't cannot don't doesn't won't not never always often usually "
        "sometimes only just also even still gonna going trying able ready supposed allowed afraid sure "
        "glad happy sorry easy hard impossible possible time called named hardly barely hear see say every "
        "all no put set turn get"
    ),
    ongoing=("ing",),
    pleas=frozenset((
        "do something", "do something about it", "do something about that", "fix it", "fix that", "fix this",
        "clear it", "clear it up", "clear them", "heat it", "heat them", "warm it up", "warm them up",
        "free it", "sort it out", "help", "change that",
    )),
    pronouns=_words("it them that this those these"),
    refusals=_words("no"),
)  # fmt: skip

GERMAN = Manners(
    fillers=_words(
        "äh ähm hm also bitte mal doch eben gerade ja okay ok danke hallo hey jetzt sofort schnell kannst "
        "könntest würdest du"
    ),
    courtesies=_words("bitte kannst könntest danke"),
    small=_words("der die das den dem des ein eine einen"),
    dangling=_words("auf um für mit von und oder ist mein meine"),
    negations=_words("nicht kein keine keinen nie niemals gestern"),
    telling=_words(
        "niemand nichts ohne vorhin schon war waren hatte hat falls wenn weil warum wer morgen er sie"
    ),
    speakers=_words("ich wir ihr es"),
    joints=("und dann", "und auch", "und", "dann"),
    corrections=("nein warte", "nein", "ich meine", "quatsch", "doch lieber", "lieber", "warte"),
    remark_openers=("es ist", "mir ist", "uns ist", "das ist", "hier ist es", "hier ist", "ich bin",
                    "ich habe", "hier"),
    remark_subjects=_words("mein meine meinem meiner unsere der die das den dem"),
    states=_words("ist sind wird werden"),
    feelings=_words("stinkt regnet schneit zieht schmerzt friert"),
    unfinished=_words(
        "der die das den dem ein eine einen mein meine ist sind bin habe und oder aber zu auf um für mit von "
        "in im an am bei dass wenn weil ob wie wo wer was ich du wir ihr nicht nie immer oft sehr so gern "
        "kann will soll muss darf würde möchte"
    ),
    pleas=frozenset(("mach was", "mach etwas", "tu was", "mach das weg", "mach sie frei", "hilf mir")),
    pronouns=_words("es sie ihn das"),
)  # fmt: skip

_BY_LANGUAGE = {"en": ENGLISH, "de": GERMAN}


def manners_of(language: str, settings: Mapping[str, Any] | None = None) -> Manners:
    """The manners of a language, with what the grammar's settings add."""
    base = _BY_LANGUAGE.get(language.replace("_", "-").split("-")[0].lower(), Manners())
    extra = settings or {}
    return replace(
        base,
        fillers=base.fillers | _lower(extra.get("fillers")),
        courtesies=base.courtesies | _lower(extra.get("courtesies")),
        small=base.small | _lower(extra.get("small")),
        dangling=base.dangling | _lower(extra.get("dangling")),
        negations=base.negations | _lower(extra.get("negations")),
        telling=base.telling | _lower(extra.get("telling")),
        speakers=base.speakers | _lower(extra.get("speakers")),
        joints=(*base.joints, *_lower(extra.get("joints"))),
        corrections=(*base.corrections, *_lower(extra.get("corrections"))),
    )


def longest_phrase(words: Sequence[str], at: int, phrases: tuple[str, ...]) -> int:
    """Number of words of the longest of the phrases that stands at a place; 0 if there is none."""
    for phrase in _by_first_word(phrases).get(words[at], ()):
        if tuple(words[at : at + len(phrase)]) == phrase:
            return len(phrase)
    return 0


@lru_cache(maxsize=64)
def _by_first_word(phrases: tuple[str, ...]) -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """Phrases in words, the longest first."""
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for phrase in sorted((tuple(phrase.split()) for phrase in phrases), key=len, reverse=True):
        if phrase:
            found[phrase[0]] = (*found.get(phrase[0], ()), phrase)
    return found


def _lower(words: Iterable[Any] | None) -> frozenset[str]:
    return frozenset(str(word).lower() for word in words or ())
