"""Draw random sentences from HassIL grammar files: what drivers say, worded as the assistant understands
it.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import yaml

from training.numerals import spoken

_TOKEN = re.compile(r"[\[\]()|;]|<[^>]+>|\{[^}]+\}|[^\[\]()|;<{]+")
_FRACTIONS = {"halves": (0.0, 0.5), "tenths": tuple(i / 10 for i in range(10))}


class TemplateSampler:
    """Holds the lists, rules and sentence templates of a grammar: a file, or the files of a folder."""

    def __init__(self, grammar: Path, rng: random.Random) -> None:
        self._rng = rng
        self._lists: dict[str, Any] = {}
        self._rules: dict[str, str] = {}
        self._prefixes: list[str] = []
        self._intents: list[list[str]] = []
        for path in sorted(grammar.glob("*.yaml")) if grammar.is_dir() else [grammar]:
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            self._lists |= content.get("lists", {})
            self._rules |= content.get("expansion_rules", {})
            self._prefixes += content.get("skip_words", [])
            for intent in content.get("intents", {}).values():
                groups = [group["sentences"] for group in intent.get("data", []) if "sentences" in group]
                self._intents.append([sentence for group in groups for sentence in group])
        self._intents = [sentences for sentences in self._intents if sentences]
        if not self._intents:
            raise FileNotFoundError(f"no sentence templates in {grammar}")

    def draw(self) -> str:
        """Return one sentence: an intent, then one of its templates, then its alternatives, all at random."""
        sentence = self.expand(self._rng.choice(self._rng.choice(self._intents)))
        if self._prefixes and self._rng.random() < 0.1:
            sentence = f"{self._rng.choice(self._prefixes)} {sentence}"
        return " ".join(sentence.split())

    def expand(self, template: str) -> str:
        """Return one random reading of a template."""
        tokens = [*_TOKEN.findall(template), ""]
        text, at = self._alternatives(tokens, 0, "")
        if at != len(tokens) - 1:
            raise ValueError(f"unbalanced template {template!r}")
        return text

    def _alternatives(self, tokens: list[str], at: int, closing: str) -> tuple[str, int]:
        options, current, permuted = list[str](), "", False
        while tokens[at] not in (closing, ""):
            token = tokens[at]
            if token in "|;":
                permuted = permuted or token == ";"
                options.append(current)
                current = ""
            elif token in "([":
                inner, at = self._alternatives(tokens, at + 1, ")" if token == "(" else "]")
                current += inner if token == "(" or self._rng.random() < 0.5 else ""
            else:
                current += self._piece(token)
            at += 1
        options.append(current)
        if permuted:
            self._rng.shuffle(options)
            return " ".join(options), at
        return self._rng.choice(options), at

    def _piece(self, token: str) -> str:
        if token.startswith("<"):
            return self.expand(str(self._rules[token[1:-1]]))
        if token.startswith("{"):
            return self._value(token[1:-1].partition(":")[0])
        return token

    def _value(self, name: str) -> str:
        inline = re.fullmatch(r"(-?\d+)\.\.(-?\d+)(?:,(\d+))?", name)
        if inline:
            return spoken(
                self._rng.randrange(int(inline[1]), int(inline[2]) + 1, int(inline[3] or 1)), self._rng
            )
        entry = self._lists.get(name, {})
        if "range" in entry:
            limits = entry["range"]
            number = self._rng.randrange(limits["from"], limits["to"] + 1, limits.get("step", 1))
            fraction = self._rng.choice(_FRACTIONS.get(limits.get("fractions", ""), (0.0,)))
            return spoken(number + fraction, self._rng)
        values = entry.get("values", [])
        if not values:
            return ""
        value = self._rng.choice(values)
        return self.expand(str(value["in"] if isinstance(value, dict) else value))
