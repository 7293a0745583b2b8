"""Read grammar files in HassIL's YAML into a :class:`Grammar`.

Several files make one grammar: mappings are merged, lists are joined (as HassIL does it).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from carvoice.errors import GrammarError
from carvoice.grammar.expression import Text
from carvoice.grammar.model import (
    FRACTIONS,
    Block,
    Grammar,
    ListValue,
    RangeList,
    Template,
    TextList,
    WildcardList,
    WordList,
)
from carvoice.grammar.source import Located, error_at, locate, parse_yaml, read_yaml
from carvoice.grammar.template import TemplateError, is_template, normalize_text, parse_template

_SECTIONS = frozenset(
    {"language", "settings", "intents", "lists", "expansion_rules", "skip_words", "responses", "tests"}
)


def load_grammar(*paths: Path | str, language: str = "en") -> Grammar:
    """Read grammar files; a folder stands for the ``*.yaml`` files in it that hold sentences.

    Args:
        paths: files or folders.
        language: language of files that do not say theirs.

    Raises:
        GrammarError: a file is missing or not YAML, a template or list cannot be read; it names
            file, line and column, and shows the line with a caret.
    """
    files = list(grammar_files(paths))
    if not files:
        where = ", ".join(str(path) for path in paths) or "(no path)"
        raise GrammarError(f"no grammar file in {where}; give a .yaml file or a folder that has one")
    digest = hashlib.sha256()
    merged: dict[str, Any] = {}
    for file in files:
        document = read_yaml(file)
        if not isinstance(document, dict):
            raise GrammarError("a grammar file must hold a mapping such as 'intents: ...'", path=file)
        if document.get("tests") is not None and "intents" not in document:
            continue  # a test file beside the grammar
        _merge(merged, document, file)
        digest.update(file.read_bytes())
        digest.update(b"\0")
    return _grammar(merged, language, tuple(files), digest.hexdigest())


def parse_grammar(text: str, language: str = "en") -> Grammar:
    """The same from a string of YAML."""
    document = parse_yaml(text)
    if not isinstance(document, dict):
        raise GrammarError("a grammar must be a mapping such as 'intents: ...'")
    return _grammar(document, language, (), hashlib.sha256(text.encode()).hexdigest())


def grammar_files(paths: Iterable[Path | str]) -> Iterable[Path]:
    """The files that paths stand for: themselves, or those of a folder that hold sentences."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        for file in sorted(path.rglob("*.yaml")):
            if file.name in ("replies.yaml", "actions.yaml") or "tests" in file.relative_to(path).parts[:-1]:
                continue
            if not file.name.startswith("test"):
                yield file


def _merge(base: dict[Any, Any], new: Mapping[Any, Any], file: Path) -> None:
    for key, value in new.items():
        old = base.get(key)
        if isinstance(old, dict):
            if value is None:
                continue
            if not isinstance(value, Mapping):
                raise _wrong(key, f"{key!r} is a mapping in another file but not here", file)
            _merge(old, value, file)
        elif isinstance(old, list):
            if not isinstance(value, list):
                raise _wrong(key, f"{key!r} is a list in another file but not here", file)
            old.extend(value)
        else:
            base[key] = value


def _wrong(key: object, message: str, file: Path | None = None) -> GrammarError:
    if isinstance(key, Located):
        return error_at(key, message)
    return GrammarError(message, path=file)


def _mapping(value: object, key: object, what: str) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(key, f"{what} must be a mapping, not {type(value).__name__}")
    return value


def _sequence(value: object, key: object, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(key, f"{what} must be a list, not {type(value).__name__}")
    return value


def _grammar(document: Mapping[Any, Any], language: str, paths: tuple[Path, ...], digest: str) -> Grammar:
    for key in document:
        if key not in _SECTIONS:
            names = ", ".join(sorted(_SECTIONS))
            raise _wrong(key, f"{key!r} is no section of a grammar; the sections are {names}")
    settings = _mapping(document.get("settings"), "settings", "settings")
    blocks: list[Block] = []
    for intent, body in _mapping(document.get("intents"), "intents", "intents").items():
        data = _mapping(body, intent, f"the intent {intent!r}").get("data")
        for entry in _sequence(data, intent, f"'data' of the intent {intent!r}"):
            blocks.append(_block(str(intent), _mapping(entry, intent, f"each block of {intent!r}"), intent))
    return Grammar(
        language=str(document.get("language", language)),
        blocks=tuple(blocks),
        lists=_lists(document.get("lists"), "lists"),
        rules=_rules(document.get("expansion_rules"), "expansion_rules"),
        skip_words=tuple(
            str(word) for word in _sequence(document.get("skip_words"), "skip_words", "skip_words")
        ),
        ignore_whitespace=bool(settings.get("ignore_whitespace", False)),
        settings=dict(settings),
        paths=paths,
        digest=digest,
    )


def _block(intent: str, entry: Mapping[Any, Any], key: object) -> Block:
    sentences = _sequence(entry.get("sentences"), key, f"'sentences' of the intent {intent!r}")
    return Block(
        intent=intent,
        sentences=tuple(_template(text, f"a sentence of {intent!r}") for text in sentences),
        slots=dict(_mapping(entry.get("slots"), key, "slots")),
        requires_context=dict(_mapping(entry.get("requires_context"), key, "requires_context")),
        excludes_context=dict(_mapping(entry.get("excludes_context"), key, "excludes_context")),
        required_keywords=frozenset(
            str(word).lower() for word in _sequence(entry.get("required_keywords"), key, "required_keywords")
        ),
        lists=_lists(entry.get("lists"), key),
        rules=_rules(entry.get("expansion_rules"), key),
        response=str(entry.get("response") or ""),
        metadata=dict(_mapping(entry.get("metadata"), key, "metadata")),
    )


def _template(text: object, what: str) -> Template:
    if not isinstance(text, str):
        raise GrammarError(f"{what} must be text; put quotes around {text!r}")
    located = locate(text)
    lead = len(text) - len(text.lstrip())
    try:
        return Template(located, parse_template(text.strip()))
    except TemplateError as error:
        raise error_at(located, error.message, error.offset + lead) from None


def _rules(value: object, key: object) -> dict[str, Template]:
    rules = _mapping(value, key, "expansion_rules")
    return {str(name): _template(body, f"the rule <{name}>") for name, body in rules.items()}


def _lists(value: object, key: object) -> dict[str, WordList]:
    lists = _mapping(value, key, "lists")
    return {str(name): _list(str(name), _mapping(body, name, f"the list {{{name}}}"), name)
            for name, body in lists.items()}  # fmt: skip


def _list(name: str, body: Mapping[Any, Any], key: object) -> WordList:
    if "values" in body:
        values = _sequence(body["values"], key, f"'values' of the list {{{name}}}")
        return TextList(name, tuple(_value(value, name, key) for value in values))
    if "range" in body:
        return _range(name, _mapping(body["range"], key, f"'range' of {{{name}}}"), key)
    if body.get("wildcard"):
        return WildcardList(name)
    raise _wrong(key, f"the list {{{name}}} needs 'values', 'range' or 'wildcard: true'")


def _value(value: object, name: str, key: object) -> ListValue:
    if isinstance(value, bool):
        raise _wrong(key, f"YAML reads a value of {{{name}}} as {value}; put quotes around the word")
    if isinstance(value, (int, float)):
        return ListValue(Template(Located(str(value)), Text(str(value))), value)
    if isinstance(value, str):
        # HassIL gives a value written as a template the text that was heard.
        return ListValue(_list_template(value, name), None if is_template(value) else str(value))
    if not isinstance(value, Mapping) or "in" not in value:
        raise _wrong(key, f"a value of {{{name}}} must be text or a mapping with 'in' (and 'out')")
    heard = value["in"]
    if isinstance(heard, bool) or not isinstance(heard, (str, int, float)):
        raise _wrong(key, f"'in' of a value of {{{name}}} must be text; put quotes around {heard!r}")
    return ListValue(
        _list_template(heard if isinstance(heard, str) else str(heard), name),
        value.get("out"),
        dict(_mapping(value.get("context"), key, f"'context' of a value of {{{name}}}")),
        dict(_mapping(value.get("metadata"), key, f"'metadata' of a value of {{{name}}}")),
    )


def _list_template(text: str, name: str) -> Template:
    if is_template(text):
        return _template(text, f"a value of {{{name}}}")
    return Template(locate(text), Text(normalize_text(text)))


def _range(name: str, body: Mapping[Any, Any], key: object) -> RangeList:
    try:
        start, stop, step = int(body["from"]), int(body["to"]), int(body.get("step", 1))
    except (KeyError, TypeError, ValueError) as error:
        raise _wrong(key, f"the range {{{name}}} needs whole numbers 'from' and 'to' (and 'step')") from error
    if start > stop:
        raise _wrong(key, f"the range {{{name}}} goes from {start} down to {stop}; swap them")
    if step < 1:
        raise _wrong(key, f"'step' of the range {{{name}}} is {step}; it must be 1 or more")
    fractions = body.get("fractions") or ""
    if fractions and fractions not in FRACTIONS:
        known = ", ".join(FRACTIONS)
        raise _wrong(key, f"'fractions' of {{{name}}} is {fractions!r}; it can be {known}")
    digits, words = bool(body.get("digits", True)), bool(body.get("words", True))
    if not (digits or words):
        raise _wrong(key, f"the range {{{name}}} allows neither digits nor words; allow one")
    multiplier = body.get("multiplier")
    return RangeList(
        name=name,
        start=start,
        stop=stop,
        step=step,
        fractions=str(fractions),
        multiplier=None if multiplier is None else float(multiplier),
        digits=digits,
        words=words,
        words_language=str(body.get("words_language") or ""),
        type=str(body.get("type", "number")),
    )
