"""``requires_context`` and ``excludes_context``: when a block of sentences applies.

A condition maps a key to the value wanted: a plain value, a list of values of which one must be
there, None for "any value", or a mapping whose ``value`` is one of these.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def plain(value: Any) -> Any:
    """The value itself, out of a ``{value: ...}`` mapping."""
    return value.get("value") if isinstance(value, Mapping) else value


def _is_choice(wanted: Any) -> bool:
    return isinstance(wanted, Collection) and not isinstance(wanted, str)


def required_passes(
    requires: Mapping[str, Any], context: Mapping[str, Any], missing_passes: bool = False
) -> bool:
    """Does the context have everything required?

    Args:
        requires: the conditions.
        context: what is known.
        missing_passes: a key the context lacks is no objection (it may still come).
    """
    for key, condition in requires.items():
        wanted = plain(condition)
        actual = plain(context.get(key))
        if key not in context or actual is None:
            if missing_passes and key not in context:
                continue
            return False
        if _is_choice(wanted):
            if actual not in wanted:
                return False
        elif wanted is not None and actual != wanted:
            return False
    return True


def excluded_passes(excludes: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Is nothing excluded in the context?"""
    for key, condition in excludes.items():
        if key not in context:
            continue
        unwanted = plain(condition)
        actual = plain(context[key])
        if actual in unwanted if _is_choice(unwanted) else actual == unwanted:
            return False
    return True


def slots_from_context(requires: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Slots that conditions with ``slot: true`` (or a slot name) take over from the context."""
    taken: dict[str, Any] = {}
    for key, condition in requires.items():
        if not isinstance(condition, Mapping) or key not in context:
            continue
        slot = condition.get("slot")
        if slot:
            taken[slot if isinstance(slot, str) else key] = plain(context[key])
    return taken
