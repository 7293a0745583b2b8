"""Which intents are about the conversation itself, and what each of them means for it."""

from __future__ import annotations

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


def load_acts(path: Path) -> dict[str, str]:
    """Read intent → act from the entries of ``actions.yaml`` that have a ``dialogue`` key.

    Raises:
        GrammarError: the file cannot be read, or names an act that does not exist.
    """
    try:
        table: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GrammarError(f"cannot be read ({error.strerror})", path=path) from None
    except yaml.YAMLError as error:
        raise GrammarError(f"not valid YAML ({error})", path=path) from None
    intents = table.get("intents") if isinstance(table, dict) else None
    if not isinstance(intents, dict):
        raise GrammarError("there is no table of intents", path=path)
    acts = {name: str(entry["dialogue"]) for name, entry in intents.items() if "dialogue" in entry}
    for name, act in acts.items():
        if act not in ACTS:
            raise GrammarError(
                f"{name}: no dialogue act {act!r}; known: {', '.join(sorted(ACTS))}", path=path
            )
    return acts
