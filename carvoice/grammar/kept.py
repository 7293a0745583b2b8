"""Compile grammar files once; later starts read the automaton from the cache, in milliseconds.

The cache is keyed by all that the automaton is made of: the files with their places (which errors and
explanations name), the language, and the compiler's own sources, so that nothing stale is ever taken.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from carvoice.errors import GrammarError
from carvoice.grammar import store
from carvoice.grammar.automaton import Automaton
from carvoice.grammar.compiler import compile_grammar
from carvoice.grammar.loader import grammar_files, load_grammar

_LOG = logging.getLogger(__name__)
_MOST_KEPT = 16


def compile_files(paths: Sequence[Path], language: str, folder: Path) -> Automaton:
    """The automaton of grammar files, from the cache when the same ones were compiled before.

    Args:
        paths: files or folders.
        language: of files that do not say theirs.
        folder: the cache; made if missing.

    Raises:
        GrammarError: a file is missing or wrong; it names file, line and column.
    """
    kept = folder / f"{_key(paths, language)}.automaton"
    try:
        automaton = store.load(kept)
        kept.touch()
    except GrammarError:
        automaton = compile_grammar(load_grammar(*paths, language=language))
    except OSError:
        return automaton  # a cache that may only be read
    else:
        return automaton
    try:
        store.save(automaton, kept)
        store.forget_oldest(folder, ".automaton", _MOST_KEPT)
    except OSError as error:
        _LOG.warning("the compiled grammar cannot be kept in %s: %s", folder, error)
    return automaton


def _key(paths: Sequence[Path], language: str) -> str:
    digest = hashlib.sha256(_compiler().encode())
    for part in (language, *map(str, paths)):
        digest.update(part.encode() + b"\0")
    for file in grammar_files(paths):
        digest.update(str(file).encode() + b"\0")
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError:
            continue  # the loader says what is wrong with it
    return digest.hexdigest()[:24]


@cache
def _compiler() -> str:
    """Identifies the code that compiles."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
