"""Turn a JSGF grammar (JSpeech Grammar Format, W3C Note, 5 June 2000) into HassIL's YAML.

Each public rule becomes an intent; rules become expansion rules, weights fall away, tags are dropped.
``*`` and ``+`` have no counterpart: HassIL templates are finite.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from carvoice.errors import GrammarError

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(
    r'\s+|"(?:[^"\\]|\\.)*"|\{(?:[^{}\\]|\\.)*\}|<[^<>\s]+>|/[0-9.eE+-]+/|[()\[\]|*+;=]|[^\s"{}<>()\[\]|*+;=/]+'
)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    offset: int


class _Reader:
    def __init__(self, text: str, path: Path | None) -> None:
        self._source = text
        self._path = path
        blank = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
        self._tokens = self._tokenize(blank)
        self._at = 0

    def error(self, message: str, offset: int) -> GrammarError:
        line = self._source.count("\n", 0, offset) + 1
        begin = self._source.rfind("\n", 0, offset) + 1
        excerpt = self._source[begin:].split("\n", 1)[0]
        return GrammarError(message, path=self._path, line=line, column=offset - begin + 1, excerpt=excerpt)

    def _tokenize(self, text: str) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.error(f"{text[at]!r} is not expected in a JSGF grammar", at)
            if not match.group().isspace():
                tokens.append(_Token(match.group(), at))
            at = match.end()
        return tokens

    @property
    def peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise self.error("the grammar ends in the middle of a rule; is a ';' missing?", len(self._source))
        token = self._tokens[self._at]
        self._at += 1
        return token

    def expect(self, text: str) -> None:
        token = self.next()
        if token.text != text:
            raise self.error(f"{text!r} is wanted here, not {token.text!r}", token.offset)

    @property
    def is_done(self) -> bool:
        return self._at >= len(self._tokens)

    def alternatives(self, closers: str) -> str:
        """Read up to a closing token, which is left; the HassIL template."""
        branches: list[list[str]] = [[]]
        while self.peek not in closers or not self.peek:
            token = self.next()
            text = token.text
            if text == "|":
                branches.append([])
            elif text == "(":
                branches[-1].append(f"({self.alternatives(')')})")
                self.expect(")")
            elif text == "[":
                branches[-1].append(f"[{self.alternatives(']')}]")
                self.expect("]")
            elif text in "*+":
                raise self.error(
                    f"{text!r} repeats without end, which HassIL cannot; write the repetitions out or use "
                    "a wildcard list",
                    token.offset,
                )
            elif text.startswith("<"):
                name = text[1:-1].split(".")[-1]
                if name == "NULL":
                    continue
                if name == "VOID":
                    raise self.error("<VOID> can never be spoken; remove the alternative", token.offset)
                branches[-1].append(f"<{name}>")
            elif text[0] in "{/":
                continue  # a tag or a weight
            elif text in ")]=;":
                raise self.error(f"{text!r} is not expected here", token.offset)
            else:
                word = text[1:-1] if text.startswith('"') else text
                branches[-1].append(re.sub(r"([()\[\]{}<>|;\\])", r"\\\1", word))
        return "|".join(" ".join(branch) for branch in branches)


def import_jsgf(text: str, path: Path | None = None, language: str = "en") -> str:
    """The grammar as HassIL YAML.

    Raises:
        GrammarError: it is not JSGF, has no public rule, imports another grammar or repeats endlessly.
    """
    reader = _Reader(text.lstrip("\ufeff"), path)
    rules: dict[str, str] = {}
    public: list[str] = []
    while not reader.is_done:
        token = reader.next()
        if token.text.startswith("#JSGF"):
            while reader.next().text != ";":
                pass
            continue
        if token.text == "grammar":
            reader.next()
            reader.expect(";")
            continue
        if token.text == "import":
            raise reader.error("imports of other grammars are not followed; put the rules here", token.offset)
        is_public = token.text == "public"
        name = reader.next() if is_public else token
        if not name.text.startswith("<"):
            raise reader.error(f"a rule <name> is wanted here, not {name.text!r}", name.offset)
        reader.expect("=")
        rules[name.text[1:-1]] = reader.alternatives(";")
        reader.expect(";")
        if is_public:
            public.append(name.text[1:-1])
    if not public:
        raise GrammarError("the grammar has no public rule, so nothing can be said", path=path)
    document = {
        "language": language,
        "intents": {name: {"data": [{"sentences": [f"<{name}>"]}]} for name in public},
        "expansion_rules": rules,
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
