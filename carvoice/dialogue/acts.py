"""Which intents are about the conversation itself, and what each of them means for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from carvoice.errors import GrammarError

ACTS = frozenset(
    (
        "yes",
        "no",
        "cancel",
        "stop_talking",
        "stop_listening",
        "repeat",
        "help",
        "undo",
        "thanks",
        "voice_volume",
        "more",
        "less",
        "other_zone",
        "other_value",
        "other_state",
        "time",
        "date",
    )
)


@dataclass(frozen=True, slots=True)
class Adjustment:
    """How else the signal of an intent is changed.

    Attributes:
        intent: the one that changes it step by step; "" if there is none.
        words: "up" and "down" to the value of its slot ``direction``, where these have names of their own.
        switch: the one that switches it on and off; "" if there is none.
    """

    intent: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    switch: str = ""

    @property
    def is_named(self) -> bool:
        """Whether its directions are no numbers getting larger or smaller: open and close."""
        return bool(self.words)


def load_acts(path: Path) -> dict[str, str]:
    """Read intent → act from the entries of ``actions.yaml`` that have a ``dialogue`` key.

    Raises:
        GrammarError: the file cannot be read, or names an act that does not exist.
    """
    intents = _intents(path)
    acts = {name: str(entry["dialogue"]) for name, entry in intents.items() if "dialogue" in entry}
    for name, act in acts.items():
        if act not in ACTS:
            raise GrammarError(
                f"{name}: no dialogue act {act!r}; known: {', '.join(sorted(ACTS))}", path=path
            )
    return acts


def load_adjustments(path: Path) -> dict[str, Adjustment]:
    """For each intent that sets or adjusts a signal, those that do it otherwise, from ``actions.yaml``.

    Raises:
        GrammarError: the file cannot be read.
    """
    steps = {
        name: entry["steps"][0]
        for name, entry in _intents(path).items()
        if len(entry.get("steps", ())) == 1 and entry["steps"][0]["kind"] in ("set", "adjust")
    }
    by_path = {
        step["path"]: Adjustment(
            name, {str(sense): str(word) for word, sense in (step.get("map") or {}).items()}
        )
        for name, step in steps.items()
        if step["kind"] == "adjust"
    }
    switches = {name: step["path"] for name, step in steps.items() if step.get("value") == "{state}"}
    found = {}
    for name, step in steps.items():
        adjustment = by_path.get(step["path"]) if step["kind"] == "set" else None
        # "LightAmbientColor" is switched by "LightAmbient", whatever the signal.
        named = [switch for switch in switches if name.startswith(switch) and name != switch]
        same = [
            switch for switch, switched in switches.items() if switched == step["path"] and name != switch
        ]
        switch = max(named or same, key=len, default="")
        if adjustment or switch:
            found[name] = replace(adjustment or Adjustment(), switch=switch)
    return found


@lru_cache(maxsize=1)  # who reads the acts reads the adjustments too
def _table(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _intents(path: Path) -> dict[str, Any]:
    try:
        table = _table(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GrammarError(f"cannot be read ({error.strerror})", path=path) from None
    except yaml.YAMLError as error:
        raise GrammarError(f"not valid YAML ({error})", path=path) from None
    intents = table.get("intents") if isinstance(table, dict) else None
    if not isinstance(intents, dict):
        raise GrammarError("there is no table of intents", path=path)
    return intents
