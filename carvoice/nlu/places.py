"""Where slots lie in a text, when only a part of it, or another form of it, was understood."""

from __future__ import annotations

from dataclasses import replace

from carvoice.records import Interpretation, Slot


def unplaced(found: Interpretation, text: str) -> Interpretation:
    """Slots whose places in the text are not known, as the text was put right."""
    slots = {name: replace(slot, start=-1, end=-1) for name, slot in found.slots.items()}
    return replace(found, slots=slots, text=text)


def spanning(slot: Slot, start: int, end: int, text: str) -> Slot:
    """A slot that lies elsewhere in the text; one without a place stays without."""
    return slot if slot.start < 0 else Slot(slot.value, text[start:end], start, end)


def moved(found: Interpretation, offset: int) -> Interpretation:
    """Slots of a part of the text, placed in the whole."""
    if not offset:
        return found
    slots = {
        name: replace(slot, start=slot.start + offset, end=slot.end + offset)
        if slot.start >= 0 and slot.start + offset >= 0
        else replace(slot, start=-1, end=-1)
        for name, slot in found.slots.items()
    }
    return replace(found, slots=slots)
