"""Builds the search by sound for a grammar, and again, fast, when a list was replaced."""

from __future__ import annotations

from pathlib import Path

from carvoice.grammar.acceptor import WordAcceptor
from carvoice.grammar.automaton import Automaton
from carvoice.grammar.graft import graft_list
from carvoice.grammar.kept import kept_acceptor
from carvoice.grammar.lists import replace_list
from carvoice.nlu.confusion import Confusions
from carvoice.nlu.manners import Manners
from carvoice.nlu.phonetic import PhoneticSearch, SearchSettings
from carvoice.nlu.speller import Pronouncer, Speller
from carvoice.resources import data_path

LETTERS = "abcdefghijklmnopqrstuvwxyzäöüß'éèàçñ"


class SearchBuilder:
    """Builds searches for one grammar with changing lists. Not thread-safe.

    Args:
        automaton: the compiled grammar.
        lexicon: pronunciations of words; None compares letters instead of phones.
        manners: which words may be left out for little, and which must not.
        settings: limits of the search.
        max_list_values: longer lists are left out.
        keep_in: folder where the word sequences of the grammar are kept; None builds them every time.

    Raises:
        GrammarError: the table of confusions cannot be read.
    """

    def __init__(
        self,
        automaton: Automaton,
        lexicon: Pronouncer | None,
        manners: Manners,
        settings: SearchSettings,
        max_list_values: int,
        keep_in: Path | None = None,
    ) -> None:
        table = data_path(f"confusions-{automaton.language.split('-')[0]}.tsv")
        if lexicon is not None and table.exists():
            self._speller = Speller(lexicon, Confusions.load(table))
        else:
            self._speller = Speller(None, Confusions.of_letters(LETTERS))
        self._automaton = automaton
        self._manners = manners
        self._settings = settings
        self._max_list_values = max_list_values
        self._keep_in = keep_in
        self._apart: dict[frozenset[str], WordAcceptor] = {}

    def build(
        self, automaton: Automaton, replaced: frozenset[str] = frozenset()
    ) -> tuple[WordAcceptor, PhoneticSearch]:
        """The word sequences of a grammar, and the search through them.

        Args:
            automaton: the grammar, with the lists it has now.
            replaced: the lists that are not those of the grammar given at first.

        Raises:
            GrammarError: the grammar is too large for the search by sound.
        """
        acceptor = self._apart.get(replaced)
        if acceptor is None:
            acceptor = kept_acceptor(self._automaton, self._max_list_values, sorted(replaced), self._keep_in)
            self._apart = {replaced: acceptor}
        for name in sorted(replaced):
            program = next(item for item in automaton.lists if item.name == name)
            if len(program.values) > self._max_list_values:
                automaton = replace_list(automaton, name, ())
            acceptor = graft_list(acceptor, automaton, name)
        search = PhoneticSearch(
            acceptor,
            self._speller,
            manners=self._manners,
            skip_phrases=automaton.skip_texts(),
            settings=self._settings,
            language=automaton.language,
        )
        return acceptor, search
