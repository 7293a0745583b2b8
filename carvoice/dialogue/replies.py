"""What is said back: sentences from ``replies.yaml``, never claiming more than the evidence.

The file's form is described in ``grammars/README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from carvoice.errors import GrammarError
from carvoice.records import ActionKind, Actuation, Evidence, Interpretation, Reply, Value

# The claim for several actuations is the weakest one's.
_WEAKEST_FIRST = (
    Evidence.FAILED,
    Evidence.REFUSED,
    Evidence.TIMED_OUT,
    Evidence.REQUESTED,
    Evidence.TRANSMITTED,
    Evidence.MOVING,
    Evidence.ACTUATED,
)
_KINDS = {
    Evidence.ACTUATED: "done",
    Evidence.MOVING: "sent",
    Evidence.TRANSMITTED: "sent",
    Evidence.REQUESTED: "sent",
    Evidence.TIMED_OUT: "timed_out",
    Evidence.REFUSED: "refused",
    Evidence.FAILED: "failed",
}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SECTIONS = ("evidence", "system", "dialogue", "intents")


class _Fields(dict[str, str]):
    """Fields that a template may use; one that is not known is said as nothing."""

    def __missing__(self, key: str) -> str:
        return ""


class Replies:
    """The sentences of one language. Immutable; thread-safe.

    Args:
        table: the parsed file.
        path: where it came from, for messages.

    Raises:
        GrammarError: a section is missing or a sentence is no template.
    """

    def __init__(self, table: Mapping[str, Any], path: Path | None = None) -> None:
        for section in _SECTIONS:
            if not isinstance(table.get(section), Mapping):
                raise GrammarError(f"there is no table {section!r} of sentences", path=path)
        self._table = table
        self._path = path
        self._fields: Mapping[str, Mapping[str, Any]] = table.get("fields") or {}
        self._places: Mapping[str, str] = table.get("places") or {}
        self._reasons: Mapping[str, str] = table.get("reasons") or {}
        self._check()

    @classmethod
    def load(cls, path: Path) -> Replies:
        """Read a file.

        Raises:
            GrammarError: it cannot be read, is not YAML or not of this form.
        """
        try:
            table = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        except OSError as error:
            raise GrammarError(f"cannot be read ({error.strerror})", path=path) from None
        except yaml.YAMLError as error:
            raise GrammarError(f"not valid YAML ({error})", path=path) from None
        if not isinstance(table, Mapping):
            raise GrammarError("not a table of sentences", path=path)
        return cls(table, path)

    def _check(self) -> None:
        """Every sentence must be a template, found out at start and not in traffic."""
        groups = [(name, self._table[name]) for name in ("evidence", "system", "dialogue")]
        groups += [(f"intents.{name}", entry) for name, entry in self._table["intents"].items()]
        for name, group in groups:
            if not isinstance(group, Mapping):
                raise GrammarError(f"{name}: not a table of sentences", path=self._path)
            for key, sentence in group.items():
                if isinstance(sentence, str):
                    try:
                        list(Formatter().parse(sentence))
                    except ValueError as error:
                        raise GrammarError(f"{name}.{key}: {sentence!r}: {error}", path=self._path) from None

    def fixed(self) -> list[str]:
        """All sentences without fields, for pre-rendering."""
        groups = [self._table["system"], self._table["dialogue"], self._table["evidence"]]
        groups += self._table["intents"].values()
        sentences = [
            sentence
            for group in groups
            for key, sentence in group.items()
            if isinstance(sentence, str) and sentence and "{" not in sentence and key != "do"
        ]
        return list(dict.fromkeys(sentences))

    def system(self, key: str, default: str = "", **fields: str) -> str:
        """A sentence that belongs to no intent; ``default`` when the file lacks it."""
        sentence = self._table["system"].get(key)
        return str(default if sentence is None else sentence).format_map(_Fields(fields))

    def act(self, act: str, **fields: str) -> str:
        """The sentence of a dialogue act (help, thanks, ...), "" when the file has none."""
        return str(self._table["dialogue"].get(act, "")).format_map(_Fields(fields))

    def phrase(self, interpretation: Interpretation) -> str:
        """What was asked, as a verb phrase: "open the trunk"."""
        entry = self._table["intents"].get(interpretation.intent, {})
        phrase = str(entry.get("do") or interpretation.text or interpretation.intent)
        return phrase.format_map(self._words(interpretation))

    def ask(self, interpretation: Interpretation) -> str:
        """The question for what this command lacks, "" when the file has none for its intent."""
        return str(self._table["intents"].get(interpretation.intent, {}).get("ask", ""))

    def follow_ups(self, acts: Sequence[str]) -> str:
        """What can be said after a command, from the table ``follow_ups``."""
        table = self._table.get("follow_ups") or {}
        phrases = [str(table[act]) for act in acts if act in table]
        last = f" {self.system('or')} ".join(
            part for part in (", ".join(phrases[:-1]), *phrases[-1:]) if part
        )
        return self.system("help_follow_ups", phrases=last) if phrases else self.act("help")

    def denied(self, interpretation: Interpretation, reason: str) -> Reply:
        """The policy said no. A reason that says "I can't" itself is said alone."""
        if own := self._in_this_language(reason):
            return Reply(self._evidence("denied", interpretation, reason=own), "refused", Evidence.REFUSED)
        opening, found, _ = str(self._table["evidence"].get("denied", "")).partition("{do}")
        if found and opening and reason.startswith(opening):
            return Reply(reason, "refused", Evidence.REFUSED)
        text = self._evidence("denied", interpretation, reason=_clause(reason))
        return Reply(text, "refused", Evidence.REFUSED)

    def confirmation(self, interpretation: Interpretation, reason: str = "") -> Reply:
        """Ask for a yes."""
        key = "confirm_reason" if reason else "confirm"
        reason = self._in_this_language(reason) or reason.strip().rstrip(".")
        text = self._evidence(key, interpretation, reason=reason[:1].upper() + reason[1:])
        return Reply(text, "question", None, "confirmation")

    def _in_this_language(self, reason: str) -> str:
        """The reason from the table ``reasons``, by its English text (numbers as ``#``); "" if absent."""
        numbers = iter(_NUMBER.findall(reason))
        found = str(self._reasons.get(_NUMBER.sub("#", reason), ""))
        return re.sub("#", lambda _: next(numbers, ""), found)

    def outcome(self, interpretation: Interpretation, actuations: Sequence[Actuation]) -> Reply:
        """What to say after acting: the sentence of the weakest evidence, or the value that was read."""
        if not actuations:
            return Reply("", "silent")
        if all(actuation.action.kind is ActionKind.GET for actuation in actuations):
            return self._answer(interpretation, actuations)
        # What the policy added beside (a fan for the air conditioning) is not what was asked for.
        weakest = min(actuations, key=lambda actuation: _WEAKEST_FIRST.index(actuation.evidence))
        last = actuations[-1]
        value = last.value if last.value is not None else last.action.value
        evidence = weakest.evidence
        text = self._evidence(evidence.value, interpretation, value=self._show(interpretation, value))
        return Reply(text, _KINDS[evidence], evidence)

    def _answer(self, interpretation: Interpretation, actuations: Sequence[Actuation]) -> Reply:
        known = [actuation for actuation in actuations if actuation.evidence is Evidence.ACTUATED]
        if not known:
            evidence = actuations[0].evidence
            return Reply(self._evidence("unknown", interpretation), "answer", evidence)
        shown = [self._show(interpretation, actuation.value) for actuation in known]
        entry = self._table["intents"].get(interpretation.intent, {})
        if len(set(shown)) == 1:
            sentence = entry.get("answer", "{value}.")
        else:
            sentence = entry.get("mixed") or self._table["evidence"].get("mixed", "{list}.")
        places = ", ".join(
            f"{self._place(actuation.action.path)} {value[:1].lower()}{value[1:]}".strip()
            for actuation, value in zip(known, shown, strict=True)
        )
        fields = self._words(interpretation, value=shown[0], list=places[:1].upper() + places[1:])
        return Reply(str(sentence).format_map(fields), "answer", Evidence.ACTUATED)

    def _evidence(self, key: str, interpretation: Interpretation, **extra: str) -> str:
        entry = self._table["intents"].get(interpretation.intent, {})
        sentence = entry.get("done" if key == "actuated" else key)
        if sentence is None:
            sentence = self._table["evidence"].get(key, "")
        do = self.phrase(interpretation)
        return str(sentence).format_map(self._words(interpretation, do=do, **extra))

    def _words(self, interpretation: Interpretation, **extra: str) -> _Fields:
        values = interpretation.values
        fields = _Fields({name: _plain(value) for name, value in values.items()})
        for name, field in self._fields.items():
            value = values.get(field["slot"])
            if value is None:
                fields[name] = str(field.get("missing", ""))
            else:
                key = _plain(value)
                words = field.get("words", {})
                fields[name] = str(words.get(key, words.get(value, key)))
        fields.update(extra)
        return fields

    def _show(self, interpretation: Interpretation, value: Value | None) -> str:
        if value is None:
            return ""
        entry = self._table["intents"].get(interpretation.intent, {})
        words = entry.get("values")
        if words is not None:
            return str(words.get(_plain(value), _plain(value)))
        if isinstance(value, (bool, str)):
            return _plain(value)
        show = entry.get("show", {})
        return _plain(round(float(value) * show.get("scale", 1.0), show.get("decimals", 1)))

    def _place(self, path: str) -> str:
        return next((name for place, name in self._places.items() if f".{place}." in f"{path}."), "")


def _plain(value: Value) -> str:
    """A value as text: true and false in lower case, numbers without trailing zeros."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{round(value, 6):g}" if abs(value) < 1e6 else f"{value:.0f}"
    return str(value)


def _clause(reason: str) -> str:
    """A reason as part of a sentence: no period, no capital except of names and "I"."""
    reason = reason.strip().rstrip(".")
    head = reason.split(" ", 1)[0]
    if not head.startswith("I'") and head[:1].isupper() and head[1:].islower():
        return reason[0].lower() + reason[1:]
    return reason
