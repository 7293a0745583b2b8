from typing import Final, TypeAlias

from carvoice.grammar.automaton import Automaton

Edge: TypeAlias = tuple[int, int, int, int, float]
SlotMatch: TypeAlias = tuple[int, int, int, int, int]
Parse: TypeAlias = tuple[int, int, list[SlotMatch]]

MAX_NODES: Final[int]
MAX_EDGES: Final[int]

class Matcher:
    """Matches texts and lattices against one automaton. Not thread-safe: one per thread."""

    def __init__(self, automaton: Automaton) -> None: ...
    def match(
        self,
        edges: list[Edge],
        starts: list[int],
        ends: list[int],
        boundary: list[int],
        any_number: bool = False,
    ) -> tuple[list[Parse], bool, bool] | None:
        """(complete parses, cheapest first; alive; could go on), None when there are too many."""

    def match_text(self, text: str, any_number: bool = False) -> tuple[list[Parse], bool, bool] | None:
        """The same for a text of nothing but words of the vocabulary; None for any other."""
