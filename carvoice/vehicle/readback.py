"""Reads back from the car whether a request was carried out."""

from __future__ import annotations

from collections.abc import Callable

from carvoice.records import Evidence, Value
from carvoice.vehicle.node import Node
from carvoice.vehicle.state import CarState

Condition = Callable[[], bool]
Wait = Callable[[Condition, float], bool]


def read_back(
    node: Node,
    wanted: Value,
    state: CarState,
    seen: int,
    refusal_s: float,
    status_s: float,
    wait: Wait | None = None,
) -> tuple[Evidence | None, str]:
    """Wait for the car to show the wanted value, or to move towards it if that takes time.

    Args:
        node: what was asked for.
        wanted: the value asked for.
        state: what the car says.
        seen: ``state.count`` of the path before asking.
        refusal_s: how long another value may be shown before that is a refusal; two cycles of the status,
            if that is longer. What takes time may begin to move until ``status_s``.
        status_s: how long to wait for anything to be shown.
        wait: waits for a condition at most so many seconds; the state's own wait if None.

    Returns:
        ACTUATED, MOVING, REFUSED or TIMED_OUT; None when there is no evidence beyond the sending, and why.
    """
    if node.read is None:
        return None, "this car does not tell whether it was done"
    path, wanted = node.path, node.cast(wanted)
    wait = wait or state.wait
    cycle_s = node.read.message.cycle_time_s or 0.0
    patience_s = status_s if node.settle_s > 0 else min(max(refusal_s, 2 * cycle_s), status_s)
    patience_s = max(refusal_s, patience_s)
    before = state.get(path)
    first = before.value if before is not None else None

    def shown() -> Value | None:
        reading = state.get(path)
        return reading.value if reading is not None and state.count(path) > seen else None

    # a switch that takes long shows nothing on its way: any word of its ECU is all there is to wait for
    is_mute = not node.is_numeric and node.settle_s > refusal_s

    def settled() -> bool:
        value = shown()
        return value is not None and (
            is_mute or is_reached(node, value, wanted) or _is_moving(node, first, value, wanted)
        )

    if not wait(settled, patience_s) and state.count(path) == seen:
        wait(settled, status_s - patience_s)
    value = shown()
    if value is None:
        return Evidence.TIMED_OUT, "no status came"
    if is_reached(node, value, wanted):
        return Evidence.ACTUATED, ""
    if _is_moving(node, first, value, wanted):
        return Evidence.MOVING, f"moving: {value} on the way to {wanted}"
    if is_mute:
        return None, f"it takes up to {node.settle_s:g} s"
    return Evidence.REFUSED, f"the car shows {value}, not {wanted}"


def is_reached(node: Node, value: Value, wanted: Value) -> bool:
    """Whether an actual value counts as the wanted one."""
    if isinstance(value, str) or isinstance(wanted, str) or node.datatype == "boolean":
        return value == wanted
    return abs(value - wanted) <= node.tolerance + 1e-6 * max(1.0, abs(wanted))


def _is_moving(node: Node, first: Value | None, now: Value, wanted: Value) -> bool:
    """Whether something that takes time has begun to go towards the wanted value."""
    if node.settle_s <= 0 or first is None or isinstance(first, str) or isinstance(now, str):
        return False
    return not isinstance(wanted, str) and abs(now - wanted) < abs(first - wanted)
