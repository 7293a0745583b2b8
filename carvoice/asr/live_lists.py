"""Lists that change while the recognizer listens: contacts, radio stations."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeAlias

from carvoice.asr.grammar_recognizer import GrammarRecognizer
from carvoice.asr.sentences import with_lists
from carvoice.errors import CarvoiceError
from carvoice.grammar import build_acceptor, replace_list
from carvoice.grammar.acceptor import WordAcceptor
from carvoice.grammar.automaton import Automaton

_LOG = logging.getLogger(__name__)

Meaning: TypeAlias = Callable[[str], Hashable]


class LiveLists:
    """Gives a recognizer other list values without a pause.

    A thread builds the new graph, or finds it in the cache; the old one serves until the first utterance
    that begins after it is there. Lists replaced while it works are built together afterwards. Every method
    is for any thread.

    Args:
        recognizer: of the grammar.
        automaton: the compiled grammar it recognizes.
        meaning_of: what texts mean in a grammar; None when the recognizer was made without one.
    """

    def __init__(
        self,
        recognizer: GrammarRecognizer,
        automaton: Automaton,
        meaning_of: Callable[[Automaton], Meaning] | None = None,
    ) -> None:
        self._recognizer = recognizer
        self._original = self._wanted = automaton
        self._meaning_of = meaning_of
        self._replaced: frozenset[str] = frozenset()
        self._apart: tuple[frozenset[str], WordAcceptor] | None = None
        self._changing = threading.Lock()
        self._worker: threading.Thread | None = None

    @property
    def is_building(self) -> bool:
        """Whether lists were replaced that the recognizer does not know yet."""
        return self._worker is not None

    def replace_list(
        self, name: str, values: Mapping[str, Any] | Iterable[str], *, wait: bool = False
    ) -> None:
        """Give a text list other values; see :func:`carvoice.grammar.replace_list`.

        A graph that cannot be built is logged, and the one before stays in use.

        Args:
            name: the list.
            values: what is said, or what is said to what it stands for.
            wait: return when the recognizer knows them.

        Raises:
            GrammarError: there is no text list of this name.
        """
        with self._changing:
            self._wanted = replace_list(self._wanted, name, values)
            self._replaced |= {name}
            worker = self._worker
            if worker is None:
                worker = threading.Thread(target=self._build, name="recognizer-lists", daemon=True)
                self._worker = worker
                worker.start()
        if wait:
            worker.join()

    def _build(self) -> None:
        known = None
        while True:
            with self._changing:
                automaton, replaced = self._wanted, self._replaced
                if automaton is known:
                    self._worker = None
                    return
            known = automaton
            try:
                meaning = self._meaning_of(automaton) if self._meaning_of else None
                self._recognizer.replace_grammar(self._acceptor(automaton, replaced), meaning)
            except CarvoiceError as error:
                _LOG.warning("new lists are not recognized, the old ones still are: %s", error)
            except Exception:  # a fault of ours; the next lists must find a thread that builds them
                _LOG.exception("new lists are not recognized, the old ones still are")

    def _acceptor(self, automaton: Automaton, replaced: frozenset[str]) -> WordAcceptor:
        """The sentences, with the replaced lists put in where the grammar has one arc each."""
        if self._apart is None or self._apart[0] != replaced:
            self._apart = replaced, build_acceptor(self._original, apart=sorted(replaced))
        return with_lists(self._apart[1], automaton, replaced)
