"""Compile grammars once; later starts read them from the cache, in milliseconds.

The cache is keyed by all that an automaton is made of: the files with their places (which errors and
explanations name), the language, and the compiler's own sources, so that nothing stale is ever taken. So it
is with the word acceptor of an automaton, which takes longer to build than the automaton itself, and with the
words of its tests.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from carvoice.errors import GrammarError
from carvoice.grammar import store
from carvoice.grammar.acceptor import WordAcceptor, build_acceptor
from carvoice.grammar.automaton import Automaton
from carvoice.grammar.compiler import compile_grammar
from carvoice.grammar.loader import grammar_files, load_grammar
from carvoice.grammar.usage import WordUsage, files_of_tests, sentences_of_tests

_LOG = logging.getLogger(__name__)
_MOST_KEPT = 16
_T = TypeVar("_T")


def compile_files(paths: Sequence[Path], language: str, folder: Path) -> Automaton:
    """The automaton of grammar files, from the cache when the same ones were compiled before.

    Args:
        paths: files or folders.
        language: of files that do not say theirs.
        folder: the cache; made if missing.

    Raises:
        GrammarError: a file is missing or wrong; it names file, line and column.
    """
    return _kept(
        folder / f"{_key(paths, language)}.automaton",
        store.load,
        lambda: compile_grammar(load_grammar(*paths, language=language)),
        store.save,
    )


def kept_acceptor(
    automaton: Automaton, max_list_values: int, apart: Collection[str], folder: Path | None
) -> WordAcceptor:
    """What :func:`build_acceptor` builds, from the cache when it was built before.

    Args:
        automaton: the compiled grammar.
        max_list_values: lists with more values are left out.
        apart: text lists that stay one arc.
        folder: the cache; made if missing. None for no cache.

    Raises:
        GrammarError: the grammar is too large.
    """
    if folder is None:
        return build_acceptor(automaton, max_list_values, apart)
    left_out = [item.name for item in automaton.lists if len(item.values) > max_list_values]
    return _kept(
        folder / f"{_acceptor_key(automaton, left_out, apart)}.acceptor",
        store.load_acceptor,
        lambda: build_acceptor(automaton, max_list_values, apart),
        store.save_acceptor,
    )


def kept_usage(paths: Sequence[Path], folder: Path) -> WordUsage:
    """How the tests beside grammar files are worded, from the cache when the same ones were counted before.

    Args:
        paths: files or folders of the grammar.
        folder: the cache; made if missing.

    Raises:
        GrammarError: a test file is no YAML.
    """
    files = files_of_tests(paths)
    return _kept(
        folder / f"{_files_key(files)}.usage",
        store.load_usage,
        lambda: WordUsage.of(sentences_of_tests(files)),
        store.save_usage,
    )


def _kept(
    file: Path, load: Callable[[Path], _T], build: Callable[[], _T], save: Callable[[_T, Path], None]
) -> _T:
    try:
        found = load(file)
    except GrammarError:
        found = build()
        _keep(found, file, save)
    else:
        with contextlib.suppress(OSError):  # a cache that may only be read
            file.touch()
    return found


def _keep(found: _T, file: Path, save: Callable[[_T, Path], None]) -> None:
    try:
        save(found, file)
        store.forget_oldest(file.parent, file.suffix, _MOST_KEPT)
    except OSError as error:
        _LOG.warning("the compiled grammar cannot be kept in %s: %s", file.parent, error)


def _key(paths: Sequence[Path], language: str) -> str:
    return _files_key(grammar_files(paths), language, *map(str, paths))


def _files_key(files: Iterable[Path], *made_with: str) -> str:
    digest = hashlib.sha256(_compiler().encode())
    for part in made_with:
        digest.update(part.encode() + b"\0")
    for file in files:
        digest.update(str(file).encode() + b"\0")
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError:
            continue  # the loader says what is wrong with it
    return digest.hexdigest()[:24]


def _acceptor_key(automaton: Automaton, left_out: Sequence[str], apart: Collection[str]) -> str:
    """Of all that an acceptor is made of: words, arcs, finals and lists, whatever they mean."""
    digest = hashlib.sha256(_compiler().encode())
    lists = [(item.name, item.kind) for item in automaton.lists]
    digest.update(json.dumps([list(automaton.vocabulary), lists, sorted(left_out), list(apart)]).encode())
    for array in (
        automaton.arc_start, automaton.arc_word, automaton.arc_next, automaton.list_start, automaton.list_id,
        automaton.list_next, automaton.final_start,
        *(
            array
            for item in automaton.lists
            for array in (item.arc_start, item.arc_word, item.arc_node, item.value_start)
        ),
    ):  # fmt: skip
        digest.update(len(array).to_bytes(8, "little"))
        digest.update(array.tobytes())
    return digest.hexdigest()[:24]


@cache
def _compiler() -> str:
    """Identifies the code that compiles."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
