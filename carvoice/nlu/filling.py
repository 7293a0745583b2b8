"""The value that a meaning lacks, found in the words that were said.

"Let the fan run at five" is a fan's level by its words, and no template has it. A sentence that the grammar
has for this meaning carries each part of the words in turn ("set the fan to #"): the part with which it is
still that meaning, and nothing but the value, is the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from carvoice.grammar.words import tokenize
from carvoice.nlu.exact import ExactParser
from carvoice.nlu.gist import Guess
from carvoice.records import Slot, Value

PLACE = "#"
LONGEST = 6  # words of a value: "one hundred and one point five"
LONGEST_TEXT = 16  # words


def filled(
    text: str, guess: Guess, exact: ExactParser, is_plain: Callable[[Sequence[str]], bool]
) -> Mapping[str, Slot] | None:
    """The slots of a meaning with the value that it lacks; None if no part of the text is one.

    Args:
        text: what was said.
        guess: what it means, with sentences that carry a value.
        exact: understands these.
        is_plain: may these words be left over?
    """
    tokens = tokenize(text)
    words = [token.text for token in tokens]
    if len(words) > LONGEST_TEXT:
        return None
    for length in range(min(LONGEST, len(words)), 0, -1):
        for first in range(len(words) - length + 1):
            if not is_plain((*words[:first], *words[first + length :])):
                continue
            start, end = tokens[first].start, tokens[first + length - 1].end
            for carrier in guess.carriers:
                carried = _carried(carrier, text[start:end], guess, exact)
                if carried is not None:
                    name, value = carried
                    known = {slot: Slot(item) for slot, item in guess.slots}
                    return {**known, name: Slot(value, text[start:end], start, end)}
    return None


def _carried(carrier: str, value: str, guess: Guess, exact: ExactParser) -> tuple[str, Value] | None:
    """The slot that a carrier fills with these words, and its value; None if they are not just its value."""
    before, _, after = carrier.partition(PLACE)
    readings = exact.parse(f"{before}{value}{after}")
    if not readings or readings[0].intent != guess.intent:
        return None
    slots = dict(readings[0].slots)
    for name, known in guess.slots:
        if name not in slots or str(slots.pop(name).value) != known:
            return None
    if len(slots) != 1:
        return None
    name, slot = slots.popitem()
    place = len(before), len(before) + len(value)
    return (name, slot.value) if (slot.start, slot.end) == place else None
