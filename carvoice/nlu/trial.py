"""Try a grammar on its test files: sentences with what they mean, and sentences that mean nothing.

A test file is YAML beside the grammar (``tests/*.yaml``)::

    tests:
      - intent: {name: WindowOpen, slots: {zone: driver}}
        sentences: [open the driver's window]
    compounds:
      - sentence: open the window and call mom
        intents: [{name: WindowOpen}, {name: PhoneCall, slots: {contact: mom}}]
    rejected:
      - did you open the window yesterday

``context`` gives ``requires_context`` its values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carvoice.errors import GrammarError
from carvoice.grammar.source import Located, error_at, read_yaml
from carvoice.nlu.understander import Context, Understander
from carvoice.records import Interpretation, Value


@dataclass(frozen=True, slots=True)
class TestCase:
    """A sentence and what it means: (intent, slots) per command, none if it must be rejected."""

    __test__ = False

    sentence: str
    expected: tuple[tuple[str, Mapping[str, Value]], ...]
    context: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class TestResult:
    """How a sentence fared.

    ``kind`` is "right", "wrong", "missed" (rejected), "false accept", or "asked back": it means nothing, and
    the assistant would ask before it did anything.
    """

    __test__ = False

    case: TestCase
    found: tuple[Interpretation, ...]
    kind: str


def load_tests(*paths: Path) -> list[TestCase]:
    """Read test files; a folder stands for the YAML files in it and in its ``tests`` folder.

    Raises:
        GrammarError: a file is missing or no test file.
    """
    cases: list[TestCase] = []
    for path in paths:
        if path.is_dir():
            tests = path / "tests"
            files = sorted((tests if tests.is_dir() else path).glob("*.yaml"))
        else:
            files = [path]
        for file in files:
            cases.extend(_cases(file))
    return cases


def _cases(file: Path) -> Iterator[TestCase]:
    document = read_yaml(file)
    if not isinstance(document, Mapping) or not {"tests", "compounds", "rejected"} & document.keys():
        raise GrammarError("a test file needs a list 'tests', 'compounds' or 'rejected'", path=file)
    for entry in document.get("compounds") or []:
        if not isinstance(entry, Mapping) or "sentence" not in entry or not entry.get("intents"):
            raise GrammarError(f"a compound needs 'sentence' and 'intents': {str(entry)[:80]}", path=file)
        expected = tuple(_expected(item, file) for item in entry["intents"])
        yield _case(entry["sentence"], expected, entry.get("context") or {}, file)
    for sentence in document.get("rejected") or []:
        yield _case(sentence, (), {}, file)
    for entry in document.get("tests") or []:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("sentences"), list):
            raise GrammarError(f"a test needs 'sentences': {str(entry)[:80]}", path=file)
        expected = (_expected(entry["intent"], file),) if entry.get("intent") else ()
        for sentence in entry["sentences"]:
            yield _case(sentence, expected, entry.get("context") or {}, file)


def _case(
    sentence: Any,
    expected: tuple[tuple[str, Mapping[str, Value]], ...],
    context: Mapping[str, Any],
    file: Path,
) -> TestCase:
    if not isinstance(sentence, str):
        raise GrammarError(f"a sentence must be text; put quotes around {sentence!r}", path=file)
    line = sentence.line if isinstance(sentence, Located) else 0
    return TestCase(str(sentence), expected, context, file, line)


def _expected(item: Any, file: Path) -> tuple[str, Mapping[str, Value]]:
    if isinstance(item, str):
        return str(item), {}
    if not isinstance(item, Mapping) or "name" not in item:
        if isinstance(item, Located):
            raise error_at(item, "an intent needs a 'name'")
        raise GrammarError(f"an intent needs a 'name': {item!r}", path=file)
    return str(item["name"]), dict(item.get("slots") or {})


def try_case(understander: Understander, case: TestCase, sure: float = 0.0) -> TestResult:
    """Interpret one sentence and compare; what is less sure than ``sure`` would be asked back."""
    found = understander.parse(case.sentence, Context(case.context))
    accepted = [item for item in found if item.rejected is None]
    got = [(item.intent, item.values) for item in accepted]
    if not case.expected:
        kind = "right"
        if accepted:
            kind = "false accept" if min(item.confidence for item in accepted) >= sure else "asked back"
    elif not accepted:
        kind = "missed"
    else:
        kind = "right" if got == [(name, dict(slots)) for name, slots in case.expected] else "wrong"
    return TestResult(case, found, kind)


def try_all(understander: Understander, cases: list[TestCase], sure: float = 0.0) -> list[TestResult]:
    """Interpret all sentences and compare; see :func:`try_case`."""
    return [try_case(understander, case, sure) for case in cases]
