"""How numbers are said: every spoken form of a number in a language, as words.

English and German are written out here, with the forms people really use ("twenty one and a half",
"one oh one point three"). Other languages come from ``unicode-rbnf`` (CLDR rules) when it is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from carvoice.errors import GrammarError

_EN_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_EN_TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_DE_ONES = [
    "null",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
]
_DE_TENS = ["_", "_", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]


def spoken(number: int | float, language: str = "en") -> tuple[str, ...]:
    """Every way to say a number, the plainest first; words separated by single spaces.

    Raises:
        GrammarError: the language's numbers are not known.
    """
    family = language.replace("_", "-").split("-")[0].lower()
    speaker = _SPEAKERS.get(family)
    if speaker is None:
        return _cldr(number, language)
    whole = int(abs(number))
    part = round(abs(number) - whole, 2)
    sign = _MINUS[family] if number < 0 else ("",)
    forms = speaker(whole, part)
    return tuple(dict.fromkeys((before + form).strip() for before in sign for form in forms))


def _english(whole: int, part: float) -> list[str]:
    cardinals = _english_whole(whole)
    if not part:
        return cardinals
    digits = f"{part:.2f}"[2:].rstrip("0")
    decimal = " ".join(_EN_ONES[int(digit)] for digit in digits)
    forms = [f"{form} point {decimal}" for form in cardinals]
    if whole == 0:
        forms.append(f"point {decimal}")
    fractions = {0.5: ("a half", "half"), 0.25: ("a quarter", "quarter"), 0.75: ("three quarters",)}
    for fraction in fractions.get(part, ()):
        if whole == 0:
            forms.append(fraction)
        elif fraction != "quarter":
            forms.extend(f"{form} and {fraction}" for form in cardinals)
    return forms


def _english_whole(number: int) -> list[str]:
    forms = [_english_cardinal(number, " ")]
    if number > 100 and number % 100:
        forms.append(_english_cardinal(number, " and "))
    if 100 <= number < 200:
        forms.extend("a" + form[3:] for form in list(forms))
    if 100 < number < 1000 and number % 100:
        hundreds, rest = divmod(number, 100)
        # Radio style: "one oh one", "one zero one", "nine eighty".
        if rest < 10:
            forms.extend(f"{_EN_ONES[hundreds]} {zero} {_EN_ONES[rest]}" for zero in ("oh", "zero"))
        else:
            forms.append(f"{_EN_ONES[hundreds]} {_english_below_100(rest)}")
    if 1000 <= number < 10_000:
        hundreds, rest = divmod(number, 100)
        if hundreds % 10:
            tail = (
                "hundred" if not rest else f"oh {_EN_ONES[rest]}" if rest < 10 else _english_below_100(rest)
            )
            forms.append(f"{_english_below_100(hundreds)} {tail}")
    return forms


def _english_below_100(number: int) -> str:
    if number < 20:
        return _EN_ONES[number]
    tens, ones = divmod(number, 10)
    return _EN_TENS[tens] + (f" {_EN_ONES[ones]}" if ones else "")


def _english_cardinal(number: int, joint: str) -> str:
    if number < 100:
        return _english_below_100(number)
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            count, rest = divmod(number, size)
            head = f"{_english_cardinal(count, joint)} {name}"
            if not rest:
                return head
            return head + (joint if rest < 100 else " ") + _english_cardinal(rest, joint)
    raise AssertionError(number)


def _german(whole: int, part: float) -> list[str]:
    cardinals = [_german_cardinal(whole)]
    if whole == 2:
        cardinals.append("zwo")
    if whole == 1:
        cardinals.extend(("ein", "eine", "einen", "einem", "einer"))
    if 100 <= whole < 200:
        cardinals.append("ein" + cardinals[0] if not cardinals[0].startswith("ein") else cardinals[0][3:])
    if not part:
        return cardinals
    digits = f"{part:.2f}"[2:].rstrip("0")
    decimal = " ".join(_DE_ONES[int(digit)] for digit in digits)
    forms = [f"{form} komma {decimal}" for form in cardinals[:1]]
    if part == 0.5:
        forms.extend(
            ["ein halb", "halb", "einhalb"]
            if whole == 0
            else ["eineinhalb", "anderthalb"]
            if whole == 1
            else [f"{cardinals[0]}einhalb", f"{cardinals[0]} einhalb"]
        )
    return forms


def _german_cardinal(number: int, counts: bool = False) -> str:
    if number < 20:
        return "ein" if counts and number == 1 else _DE_ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return (f"{_german_cardinal(ones, True)}und" if ones else "") + _DE_TENS[tens]
    for size, one, many in ((10**6, "eine million", "millionen"),):
        if number >= size:
            count, rest = divmod(number, size)
            head = one if count == 1 else f"{_german_cardinal(count)} {many}"
            return head + (f" {_german_cardinal(rest)}" if rest else "")
    for size, name in ((1000, "tausend"), (100, "hundert")):
        if number >= size:
            count, rest = divmod(number, size)
            return _german_cardinal(count, True) + name + (_german_cardinal(rest) if rest else "")
    raise AssertionError(number)


_SPEAKERS: dict[str, Callable[[int, float], list[str]]] = {"en": _english, "de": _german}
_MINUS = {"en": ("minus ", "negative "), "de": ("minus ",)}


@lru_cache(maxsize=8)
def _cldr_engine(language: str) -> object:
    try:
        from unicode_rbnf import RbnfEngine
    except ImportError as error:
        raise GrammarError(
            f"number words of {language!r} need the package unicode-rbnf: pip install unicode-rbnf"
        ) from error
    for candidate in (language.replace("-", "_"), language.replace("_", "-").split("-")[0]):
        try:
            return RbnfEngine.for_language(candidate)
        except ValueError:
            continue
    raise GrammarError(f"number words of {language!r} are not known; use 'words: false' for its ranges")


def _cldr(number: int | float, language: str) -> tuple[str, ...]:
    engine = _cldr_engine(language)
    texts = engine.format_number(number).text_by_ruleset.values()  # type: ignore[attr-defined]
    return tuple(dict.fromkeys(" ".join(text.replace("-", " ").split()) for text in texts))
