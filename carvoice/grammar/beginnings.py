"""Share the beginnings of templates, so that "i want to" is followed once and not once for each of hundreds.

Each template has states of its own. As long as only words were said, the states that the same words lead to
are put together into one, as the subset construction does (Rabin and Scott, "Finite automata and their
decision problems", IBM Journal 3(2), 1959), a few words deep: further on templates part by themselves.
"""

from __future__ import annotations

from collections.abc import Container

WordArc = tuple[int, int, int]
"""Word, weight, target."""
ListArc = tuple[int, int, int, int]
"""List, slot, target, mask."""

_DEPTH = 5


def share_beginnings(
    word_arcs: list[list[WordArc]],
    list_arcs: list[list[ListArc]],
    finals: list[list[int]],
    apart: Container[int],
) -> None:
    """Add states for what sets of states have in common, and lead there from the start (state 0).

    The arrays, one row per state, are changed in place; what is accepted, at which cost and in which order of
    preference stays as it was.

    Args:
        word_arcs, list_arcs, finals: of each state.
        apart: states that must stay by themselves.
    """
    known: dict[tuple[int, ...], int] = {}
    states = [0]
    for _ in range(_DEPTH):
        added: list[int] = []
        for state in states:
            targets: dict[tuple[int, int], dict[int, None]] = {}
            for word, weight, then in word_arcs[state]:
                targets.setdefault((word, weight), {})[then] = None
            row: list[WordArc] = []
            for (word, weight), found in targets.items():
                alone = [then for then in found if then in apart]
                together = tuple(then for then in found if then not in apart)
                if len(together) > 1:
                    shared = known.get(together)
                    if shared is None:
                        shared = known[together] = len(word_arcs)
                        added.append(shared)
                        word_arcs.append([arc for then in together for arc in word_arcs[then]])
                        list_arcs.append([arc for then in together for arc in list_arcs[then]])
                        finals.append([template for then in together for template in finals[then]])
                    together = (shared,)
                row.extend((word, weight, then) for then in (*together, *alone))
            word_arcs[state] = row
        states = added
