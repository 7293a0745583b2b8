"""From what is written to what is said: "21.5 °C" becomes "twenty-one point five degrees".

Units, abbreviations and symbols come from ``carvoice/data/speech/<language>.yaml``, numbers from the
CLDR spell-out rules (``unicode-rbnf``). Voices get plain words only: no markup, no control characters
(espeak-ng would take ``\\x01`` for a command).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from unicode_rbnf import FormatPurpose, RbnfEngine

from carvoice.errors import ConfigError
from carvoice.resources import data_path

# How figures are written: whole groups of three, then decimals.
_NUMBERS = {
    ".": r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?",
    ",": r"\d{1,3}(?:\.\d{3})+(?:,\d+)?(?!\d)|\d+(?:[.,]\d+)?",
}
_MARKDOWN = re.compile(
    r"```.*?```|^\s{0,3}(?:[#>]+|[-*•]|\d+[.)])\s+|\*\*|__|`|(?<!\w)[*_]|[*_](?!\w)", re.S | re.M
)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<?https?://\S+>?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]+")
_PICTURES = re.compile(r"[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]+")
_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?(?!\d)(?:\s?([ap])\.?m\b\.?(?!\w))?", re.I)
_HOUR = re.compile(r"\b(1[0-2]|[1-9])\s?([ap])\.?m\b\.?(?!\w)", re.I)
_FRACTION = re.compile(r"(?<![\w/.,])(\d{1,2}/\d{1,2})(?![\w/])")
_PHONE = re.compile(r"(?<![\w.,-])(?:\+\d[\d ]{6,}\d|(?:\d{3}[- ])?\d{3}-\d{4})(?![\w-])")
_RANGE = re.compile(r"(?<=\d)\s?[–-]\s?(?=\d)")
_ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")
_GROUPED = re.compile(r"\d{1,3}(?:\.\d{3})+")
_LONGEST_NUMBER = 15  # digits; longer ones are read digit by digit
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _Words:
    """The tables of one language."""

    numbers: Mapping[str, str]
    fractions: Mapping[str, str]
    years_after: Sequence[str]
    units_alone: Sequence[str]
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
        words = self._words
        number = _NUMBERS[words.numbers["decimal"]]
        self._measure = re.compile(
            rf"(?<![\w.])([-−]?)({number})[\s\u202f]?({_any_of(words.units)})(?![\w/°])"
        )
        self._currency = re.compile(rf"([$€£])\s?({number})")
        self._number = re.compile(rf"(?<![\w.])([-−]?)({number})(?![\w])(?!\.\d)")
        self._year = re.compile(rf"\b(?:{_any_of(words.years_after)}) ((?:1[1-9]|20)\d\d)\b(?![.,]\d)")
        self._alone = re.compile(rf"(?<![\w°]){_any_of(words.units_alone)}(?![\w/°])")
        self._abbreviation = re.compile(rf"(?<![\w.])({_any_of(words.abbreviations)})(?!\w)")
        self._symbol = re.compile(_any_of(words.symbols))

    def spoken(self, text: str) -> str:
        """The words to say; "" when nothing in ``text`` can be said."""
        text = _LINK.sub(lambda match: match.group(1) or "", text)
        text = _MARKDOWN.sub(" ", text)
        text = _PICTURES.sub(" ", _CONTROL.sub(" ", text))
        text = self._currency.sub(r"\2 \1", text)
        text = _PHONE.sub(lambda match: self._digits(match.group()), text)
        text = _FRACTION.sub(lambda match: self._words.fractions.get(match.group(1), match.group(1)), text)
        text = _RANGE.sub(f" {self._words.numbers['range']} ", text)
        text = _TIME.sub(self._say_time, text)
        text = _HOUR.sub(lambda match: f"{self._spell(int(match.group(1)))} {self._half(match, 2)}", text)
        text = self._measure.sub(self._say_measure, text)
        text = self._abbreviation.sub(lambda match: self._words.abbreviations[match.group(1)], text)
        text = self._year.sub(self._say_year, text)
        text = _ORDINAL.sub(lambda match: self._spell(int(match.group(1)), FormatPurpose.ORDINAL), text)
        text = self._number.sub(lambda match: self._signed(match.group(1), match.group(2)), text)
        text = self._alone.sub(lambda match: self._words.units[match.group()]["many"], text)
        text = self._symbol.sub(lambda match: f" {self._words.symbols[match.group()]} ", text)
        text = _SPACES.sub(" ", text).strip()
        return text if any(character.isalnum() for character in text) else ""

    def _say_measure(self, match: re.Match[str]) -> str:
        sign, number, unit = match.groups()
        words = self._words.units[unit]
        whole, _, fraction = self._plain(number).partition(".")
        if "part" in words and len(fraction) == 2 and int(fraction):  # money
            return f"{self._amount(sign, whole, words)} {self._spell(int(fraction))}"
        return self._amount(sign, number if int(fraction or 0) else whole, words)

    def _amount(self, sign: str, number: str, words: Mapping[str, str]) -> str:
        if number != "1":
            return f"{self._signed(sign, number)} {words['many']}"
        if "one_has_article" not in self._words.numbers:
            return f"{self._signed(sign, number)} {words['one']}"
        return f"{self._words.numbers['minus']} {words['one']}" if sign else words["one"]

    def _say_year(self, match: re.Match[str]) -> str:
        return match.group().replace(match.group(1), self._spell(int(match.group(1)), FormatPurpose.YEAR))

    def _signed(self, sign: str, number: str) -> str:
        whole, _, fraction = self._plain(number).partition(".")
        has_leading_zero = len(whole) > 1 and whole[0] == "0"
        if len(whole) + len(fraction) > _LONGEST_NUMBER or has_leading_zero:
            words = self._digits(number)
        elif fraction.rstrip("0"):
            # Digit by digit after the point, as CLDR does; the engine itself would go through a float.
            words = self._spell(float(f"{whole}.{fraction.rstrip('0')}"))
        else:
            words = self._spell(int(whole))
        return f"{self._words.numbers['minus']} {words}" if sign else words

    def _plain(self, number: str) -> str:
        """A figure as Python writes it."""
        if self._words.numbers["decimal"] == ".":
            return number.replace(",", "")
        if "," in number or _GROUPED.fullmatch(number):
            return number.replace(".", "").replace(",", ".")
        return number

    def _digits(self, number: str) -> str:
        plus = f"{self._words.symbols['+']} " if number.startswith("+") else ""
        return plus + " ".join(self._spell(int(digit)) for digit in number if digit.isdigit())

    def _say_time(self, match: re.Match[str]) -> str:
        hour, minute = int(match.group(1)), int(match.group(2))
        words = self._words.numbers
        if hour == minute == 0 and not match.group(3):
            return words["midnight"]
        if minute == 0:
            return f"{self._spell(hour)} {self._half(match, 3) or words['hours']}"
        oh = f"{words['zero_minutes']} " if minute < 10 else ""
        between = f" {words['between']}" if "between" in words else ""
        said = f"{self._spell(hour)}{between} {oh}{self._spell(minute)}"
        return f"{said} {self._half(match, 3)}".strip()

    def _half(self, match: re.Match[str], group: int) -> str:
        """Before or after noon; the end of a sentence that the period of "p.m." was stays one."""
        half = (match.group(group) or "").lower()
        if not half:
            return ""
        is_end = match.group().endswith(".") and not match.string[match.end() :].strip()
        return self._words.numbers[f"{half}m"] + ("." if is_end else "")

    def _spell(self, number: int | float, purpose: FormatPurpose = FormatPurpose.CARDINAL) -> str:
        return self._engine.format_number(number, purpose).text


def _load(path: Path) -> _Words:
    try:
        data: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise ConfigError(
            f"{path}: no spoken forms for this language ({error.strerror}); add the file"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({error})") from None
    try:
        return _Words(**{name: data[name] for name in _Words.__slots__})
    except (KeyError, TypeError):
        raise ConfigError(f"{path}: needs the tables {', '.join(_Words.__slots__)}; see en.yaml") from None


def _any_of(texts: Iterable[str]) -> str:
    """A pattern for any of the texts, the longest first; for none it never matches."""
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or "(?!)"


@cache
def speller(language: str = "en") -> Speller:
    """The shared speller of a language (loading one reads the CLDR rules, about 30 ms).

    Raises:
        ConfigError: the language has no spoken forms.
    """
    return Speller(language)
