"""Text to train on: orders in the assistant's own wording, free car talk, and broad English.

Broad English keeps the model from knowing only car words: random common words, weighted by frequency but so
that every word of the vocabulary comes up, set into light sentence frames.

Command: `python -m training.text text.txt --lines 64000 --grammar grammars/en`.
"""

from __future__ import annotations

import argparse
import random
import re
from pathlib import Path

from wordfreq import top_n_list, word_frequency

from training.numerals import clock, digits, spoken
from training.templates import TemplateSampler


def _phrases(text: str) -> list[str]:
    """Split a list at its commas."""
    return [" ".join(phrase.split()) for phrase in text.split(",")]


_SHORT_WORDS = set("a i am an as at be by do go he if in is it me my no of on or so to up us we".split())
_FUNCTION_WORDS = """
    the a an of to in on for with and at from by my your some this that one two three is are was it i
    you we they not more can will would have has get give make take do
""".split()
_NAMES = """
    john mary michael sarah david emma james olivia robert anna william sophie thomas julia daniel laura
    peter susan mark linda paul karen steven nancy andrew lisa kevin betty brian helen george sandra
    edward ashley emily jason amy jeff ruth ryan diane jacob alice gary jean nick eric megan frank
    andrea scott hannah mom dad grandma
""".split()
_STREETS = """
    main oak pine maple cedar elm washington lake hill park river spring north south market church king
    queen victoria lincoln jackson highland sunset franklin broad mill forest green
""".split()
_CITIES = """
    london paris berlin chicago boston seattle denver dallas houston phoenix portland atlanta miami
    vancouver toronto sydney dublin oxford cambridge bristol glasgow york munich vienna rome madrid
    stuttgart hamburg zurich
""".split()
_SHORT_ANSWERS = _phrases(
    """
    yes, no, yes please, no thanks, no thank you, yeah, yep, nope, okay, ok, sure, confirm, cancel,
    cancel that, never mind, stop, stop it, go ahead, do it, don't do it, that's right, that's wrong,
    right, wrong, correct, help, repeat that, again, continue, wait, thank you, thanks, undo, undo that,
    go back, start over, louder, quieter, more, less, a bit more, a bit less, the driver side,
    the passenger side, the left one, the right one, both, all of them, the front, the rear, off, on
    """
)
_WAKE_PHRASES = _phrases(
    "hey car, okay car, hello car, hi car, hey assistant, computer, hey driver, hello computer"
)
_LIGHT_FRAMES = _phrases(
    """
    D W W P D W, i V D W P W, Q W D W W, give me D W W, show me D W P W, tell me D W W, N W W P D W,
    there is D W W, what is D W W, where is D W, who was D W W, D W W is W P D W, D W has W D W,
    W and W P W and W, a lot of W P W, a little bit of W P W, some W and a few W, a couple of W W,
    small W W P W, large W W, double W W P W, single W W, dark W P W, light W W, hot W and cold W,
    old W P D W, he said that D W W, we would W D W P W, i told him about D W, she V D W W,
    they V W P D W, why is D W W, how does D W W, when did D W W, i think W is W
    """
)


class TextMaker:
    """Makes random lines from one random generator."""

    def __init__(self, grammar: Path | None, seed: int) -> None:
        self._rng = random.Random(seed)
        self._templates = TemplateSampler(grammar, self._rng) if grammar else None
        words = [w for w in top_n_list("en", 12000) if re.fullmatch(r"[a-z]+('[a-z]+)?", w)]
        words = [w for w in words if re.search("[aeiouy]", w) and (len(w) > 2 or w in _SHORT_WORDS)]
        self._words = words[:10000]
        self._weights = [word_frequency(w, "en") ** 0.35 for w in self._words]
        self._unused: list[str] = []

    def _word(self) -> str:
        if self._rng.random() < 0.5:
            return self._rng.choices(self._words, self._weights)[0]
        if not self._unused:
            self._unused = self._words.copy()
            self._rng.shuffle(self._unused)
        return self._unused.pop()

    def _framed(self) -> str:
        pick = self._rng.choice
        fill = {
            "W": self._word,
            "D": lambda: pick("the a my your some this that every another his her our no".split()),
            "P": lambda: pick("in on at with of for from by to and or under about without into over".split()),
            "V": lambda: pick("want need like have see know think said found made took".split()),
            "Q": lambda: pick(
                ["can you", "could you", "please", "would you", "do you", "did they", "will she"]
            ),
            "N": lambda: spoken(self._rng.randint(1, 99), self._rng),
        }
        return " ".join(fill[part]() if part in fill else part for part in pick(_LIGHT_FRAMES).split())

    def broad(self) -> str:
        """Return a line of broad English."""
        draw = self._rng.random()
        if draw < 0.18:
            return " ".join(self._word() for _ in range(self._rng.randint(1, 2)))
        if draw < 0.23:
            return spoken(
                self._rng.choice([self._rng.randint(0, 99), self._rng.randint(100, 9999)]), self._rng
            )
        if draw < 0.26:
            return clock(self._rng)
        if draw < 0.31:
            return digits(self._rng.randint(1, 7), self._rng)
        if draw < 0.62:
            return self._framed()
        count = self._rng.choice([3, 4, 4, 5, 5, 6, 6, 7, 8])
        common = self._rng.choice
        return " ".join(
            common(_FUNCTION_WORDS) if self._rng.random() < 0.3 else self._word() for _ in range(count)
        )

    def _place(self) -> str:
        pick = self._rng.choice
        street = f"{pick(_STREETS)} {pick('street avenue road drive lane boulevard square'.split())}"
        return pick(
            [
                street,
                f"{spoken(self._rng.randint(1, 999), self._rng)} {street}",
                f"{street} in {pick(_CITIES)}",
            ]
        )

    def car(self) -> str:
        """Return a line of car talk that a fixed grammar does not hold: answers, wake phrases, names,
        places.
        """
        pick = self._rng.choice
        draw = self._rng.random()
        if draw < 0.35:
            return pick(_SHORT_ANSWERS)
        if draw < 0.55:
            rest = self._templates.draw() if self._templates and self._rng.random() < 0.5 else ""
            return f"{pick(_WAKE_PHRASES)} {rest}".strip()
        if draw < 0.75:
            verb = pick(["navigate to", "take me to", "drive to", "how do i get to", "find a route to"])
            return f"{verb} {pick([self._place(), pick(_CITIES), self._place()])}"
        if draw < 0.9:
            verb = pick(["call", "phone", "text", "send a message to", "ring"])
            return f"{verb} {pick([pick(_NAMES), pick(_NAMES) + ' ' + self._word(), digits(7, self._rng)])}"
        what = pick(["songs by", "the album", "the song", "some"])
        return f"play {what} {self._word()} {pick(['', self._word()])}"

    def line(self) -> str:
        """Return one line: 38 % orders by the grammar, 10 % free car talk, the rest broad English."""
        draw = self._rng.random()
        if self._templates and draw < 0.38:
            text = self._templates.draw()
        else:
            text = self.car() if draw < 0.48 else self.broad()
        return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())

    def lines(self, count: int) -> list[str]:
        """Return `count` lines, none more than three times (short answers and wake phrases excepted)."""
        often = {*_SHORT_ANSWERS, *_WAKE_PHRASES}
        seen: dict[str, int] = {}
        lines: list[str] = []
        while len(lines) < count:
            line = self.line()
            if line and (line in often or seen.get(line, 0) < 3):
                seen[line] = seen.get(line, 0) + 1
                lines.append(line)
        return lines


def main() -> None:
    """Write the lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--lines", type=int, default=64000)
    parser.add_argument(
        "--grammar", type=Path, default=None, help="folder of HassIL files to draw orders from"
    )
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    lines = TextMaker(arguments.grammar, arguments.seed).lines(arguments.lines)
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
