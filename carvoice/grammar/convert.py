"""Bring grammars of other formats into HassIL's YAML."""

from __future__ import annotations

from pathlib import Path

from carvoice.errors import GrammarError
from carvoice.grammar.jsgf import import_jsgf
from carvoice.grammar.loader import parse_grammar
from carvoice.grammar.rhino import import_rhino


def import_grammar(path: Path, language: str = "en") -> str:
    """Read a JSGF (``.jsgf``, ``.gram``) or Rhino (``.yml``, ``.yaml``) file; the grammar as YAML text.

    The result has been read back, so it loads.

    Raises:
        GrammarError: the file cannot be read, is of neither format, or says what HassIL cannot.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GrammarError(f"the file cannot be read: {error}", path=path) from error
    if path.suffix.lower() in (".jsgf", ".gram") or text.lstrip("\ufeff \n").startswith("#JSGF"):
        converted = import_jsgf(text, path, language)
    elif path.suffix.lower() in (".yml", ".yaml"):
        converted = import_rhino(text, path, language)
    else:
        raise GrammarError("neither JSGF (.jsgf, .gram) nor a Rhino context (.yml, .yaml)", path=path)
    parse_grammar(converted, language)
    return converted
