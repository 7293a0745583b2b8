"""From what is written to what is said: "21.5 °C" becomes "twenty-one point five degrees".

Units, abbreviations and symbols come from ``carvoice/data/speech/<language>.yaml``, numbers from the
CLDR spell-out rules (``unicode-rbnf``). Voices get plain words only: no markup, no control characters
(espeak-ng would take ``\\x01`` for a command).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from unicode_rbnf import FormatPurpose, RbnfEngine

from carvoice.errors import ConfigError
from carvoice.resources import data_path

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MARKDOWN = re.compile(
    r"```.*?```|^\s{0,3}(?:[#>]+|[-*•]|\d+[.)])\s+|\*\*|__|`|(?<!\w)[*_]|[*_](?!\w)", re.S | re.M
)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<?https?://\S+>?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]+")
_PICTURES = re.compile(r"[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]+")
_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?\b")
_CURRENCY = re.compile(rf"([$€£])\s?({_NUMBER})")
_RANGE = re.compile(r"(?<=\d)\s?[–-]\s?(?=\d)")
_ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")
_YEAR = re.compile(r"\b(?:in|since|of|year|from|until|by) ((?:1[1-9]|20)\d\d)\b(?![.,]\d)")
_LONGEST_NUMBER = 15  # digits; longer ones are read digit by digit
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _Words:
    """The tables of one language."""

    numbers: Mapping[str, str]
    units: Mapping[str, Mapping[str, str]]
    abbreviations: Mapping[str, str]
    symbols: Mapping[str, str]


class Speller:
    """Writes text out as a person would say it. Immutable after construction; thread-safe.

    Args:
        language: "en" or any language with a file in ``carvoice/data/speech``.
        path: another file of that form.

    Raises:
        ConfigError: there is no such file, or it is malformed.
    """

    def __init__(self, language: str = "en", path: Path | None = None) -> None:
        self._words = _load(path or data_path("speech", f"{language}.yaml"))
        self._engine = RbnfEngine.for_language(language)
        units = sorted(self._words.units, key=len, reverse=True)
        self._measure = re.compile(
            rf"(?<![\w.])([-−]?)({_NUMBER})[\s\u202f]?({'|'.join(map(re.escape, units))})(?![\w/°])"
        )
        self._number = re.compile(rf"(?<![\w.])([-−]?)({_NUMBER})(?![\w])(?!\.\d)")
        short = sorted(self._words.abbreviations, key=len, reverse=True)
        self._abbreviation = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, short))})(?!\w)")
        self._symbol = re.compile("|".join(map(re.escape, self._words.symbols)))

    def spoken(self, text: str) -> str:
        """The words to say; "" when nothing in ``text`` can be said."""
        text = _LINK.sub(lambda match: match.group(1) or "", text)
        text = _MARKDOWN.sub(" ", text)
        text = _PICTURES.sub(" ", _CONTROL.sub(" ", text))
        text = _CURRENCY.sub(r"\2 \1", text)
        text = _RANGE.sub(f" {self._words.numbers['range']} ", text)
        text = _TIME.sub(lambda match: self._time(int(match.group(1)), int(match.group(2))), text)
        text = self._measure.sub(self._say_measure, text)
        text = self._abbreviation.sub(lambda match: self._words.abbreviations[match.group(1)], text)
        text = _YEAR.sub(self._say_year, text)
        text = _ORDINAL.sub(lambda match: self._spell(int(match.group(1)), FormatPurpose.ORDINAL), text)
        text = self._number.sub(lambda match: self._signed(match.group(1), match.group(2)), text)
        text = self._symbol.sub(lambda match: f" {self._words.symbols[match.group()]} ", text)
        text = _SPACES.sub(" ", text).strip()
        return text if any(character.isalnum() for character in text) else ""

    def _say_measure(self, match: re.Match[str]) -> str:
        sign, number, unit = match.groups()
        words = self._words.units[unit]
        return f"{self._signed(sign, number)} {words['one' if number == '1' else 'many']}"

    def _say_year(self, match: re.Match[str]) -> str:
        return match.group().replace(match.group(1), self._spell(int(match.group(1)), FormatPurpose.YEAR))

    def _signed(self, sign: str, number: str) -> str:
        digits = number.replace(",", "")
        if len(digits) > _LONGEST_NUMBER or (len(digits) > 1 and digits[0] == "0" and digits[1] != "."):
            words = " ".join(self._spell(int(digit)) for digit in digits if digit.isdigit())
        elif "." in digits:
            whole, _, fraction = digits.partition(".")
            fraction = fraction.rstrip("0")
            # Digit by digit after the point, as CLDR does; the engine itself would go through a float.
            words = self._spell(int(whole))
            if fraction:
                words = self._spell(float(f"{whole}.{fraction}"))
        else:
            words = self._spell(int(digits))
        return f"{self._words.numbers['minus']} {words}" if sign else words

    def _time(self, hour: int, minute: int) -> str:
        words = self._words.numbers
        if minute == 0:
            return f"{self._spell(hour)} {words['hours']}"
        oh = f"{words['zero_minutes']} " if minute < 10 else ""
        return f"{self._spell(hour)} {oh}{self._spell(minute)}"

    def _spell(self, number: int | float, purpose: FormatPurpose = FormatPurpose.CARDINAL) -> str:
        return self._engine.format_number(number, purpose).text


def _load(path: Path) -> _Words:
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: no spoken forms for this language ({error.strerror}); add the file"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({error})") from None
    try:
        return _Words(data["numbers"], data["units"], data["abbreviations"], data["symbols"])
    except (KeyError, TypeError):
        raise ConfigError(
            f"{path}: needs the tables numbers, units, abbreviations and symbols; see en.yaml"
        ) from None


@cache
def speller(language: str = "en") -> Speller:
    """The shared speller of a language (loading one reads the CLDR rules, about 30 ms).

    Raises:
        ConfigError: the language has no spoken forms.
    """
    return Speller(language)
