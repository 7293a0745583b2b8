"""Cutting streamed text into whole sentences: a tier that breaks off leaves no half sentence behind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from carvoice.errors import AnswerError

_ABBREVIATIONS = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "e.g", "i.e", "approx", "ca", "incl"}
)
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]|\n+")
_RUBBISH = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffd]|<!doctype|<html|<body|<\|", re.IGNORECASE)
_BARE = re.compile(r"[\W\d_]+")  # all but letters
_LONGEST = 400  # characters: a model that never ends a sentence must still be heard


class CutShort(AnswerError):  # noqa: N818 (an end, not an error)
    """The model reached its token limit: its last sentence is not whole. Not a failure of the tier."""


def split_sentences(text: str) -> list[str]:
    """Cut finished text into sentences; joined with spaces they give the text back, spacing aside."""
    return list(whole_sentences([text]))


def whole_sentences(pieces: Iterable[str]) -> Iterator[str]:
    """Yield each sentence as soon as the text after it proves that it has ended; the rest at the end.

    If ``pieces`` raises, the unfinished sentence is dropped and the exception goes on to the caller; only
    :class:`CutShort` ends here, and the unfinished sentence is then kept if it is the only one.
    """
    held = ""
    said = False
    try:
        for piece in pieces:
            held += piece
            while (cut := _boundary(held)) is not None:
                sentence, held = held[:cut].strip(), held[cut:]
                if sentence:
                    said = True
                    yield sentence
    except CutShort:
        if said:
            return
    if held.strip():
        yield held.strip()


def sound_sentences(pieces: Iterable[str], spoken: Sequence[str] = ()) -> Iterator[str]:
    """:func:`whole_sentences` of a model, which may have gone mad.

    Args:
        pieces: text as the model streams it.
        spoken: sentences already out, to recognize a model that goes round in circles.

    Raises:
        AnswerError: markup or binary rubbish instead of an answer, or the same sentence a third time,
            however it is numbered.
    """
    heard = [_bare(sentence) for sentence in spoken]
    for sentence in whole_sentences(pieces):
        if _RUBBISH.search(sentence):
            raise AnswerError(f"rubbish instead of an answer: {sentence[:60]!r}")
        bare = _bare(sentence)
        if bare and heard.count(bare) >= 2:
            raise AnswerError(f"the model repeats itself: {sentence[:60]!r}")
        heard.append(bare)
        yield sentence


def _bare(sentence: str) -> str:
    return _BARE.sub(" ", sentence.lower()).strip()


def _boundary(text: str) -> int | None:
    """Where the first complete sentence in ``text`` ends, None if none has ended yet."""
    for match in _END.finditer(text):
        if match.group().startswith("."):
            head = text[: match.start()]
            word = head.rsplit(None, 1)[-1].lower().lstrip("(\"'") if head.split() else ""
            # "e.g. this", "3. item", "as follows: 1. item", "J. Smith" do not end a sentence.
            before = head.strip()[: -len(word)].rstrip()
            is_item = word.isdigit() and (not before or before.endswith(":"))
            if word in _ABBREVIATIONS or is_item or len(word) == 1:
                continue
        return match.end()
    if len(text) > _LONGEST and (space := text.rfind(" ", 0, _LONGEST)) > 0:
        return space + 1
    return None
