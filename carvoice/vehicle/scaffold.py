"""A first mapping for an unknown database, by matching signal names to VSS paths.

The result is a draft for the integrator, not a car: every guess carries its score, and what was not
matched is listed at the end. Names are compared by their words ("WndwPosDrvrReq" is window, position,
driver, request), with the usual abbreviations of DBC files spelled out and what all signals of a message
begin with ("Body_...") left away.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rapidfuzz import fuzz

from carvoice.errors import CarError
from carvoice.vehicle.car import Car
from carvoice.vehicle.codec import MessageCodec, SignalCodec
from carvoice.vehicle.files import load_database
from carvoice.vehicle.node import Node

MIN_SCORE = 62.0
_SAME_PATH = 5.0  # a request is a little more likely to be about something whose status was found
_TRUE = {"on", "lock", "locked", "open", "active", "yes", "true", "fold", "folded", "enabled", "start"}
_FALSE = {"off", "unlock", "unlocked", "close", "closed", "inactive", "false", "unfold", "unfolded",
          "disabled", "stop"}  # fmt: skip
_NEGATIONS = {"no", "not"}
# a request signal's value with one of these words in its name asks for nothing
_NOTHING = {"idle", "none", "noop", "nop", "noreq", "sna", "invalid"}
_NO_WHAT = {"request", "requested", "action", "change", "command", "operation"}

_ABBREVIATIONS = """
active: act actv
ambient: amb
average: avg
battery: batt
brightness: bklt brt
charging: chrg
child: chld
climate: clim
control: ctrl
coolant: clnt
cruise: cc
current: cur curr
distance: dist
door: dr
driver: drv drvr
engine: eng
exterior: env ext outside
front: fnt frnt frt ft
front driver: fl
front passenger: fr
gear: gr
heating: htd heat htg htr
high: hi
humidity: hmdt
hvac: hvac
ignition: ign
indicator: ind
interior: int
left: lh
level: lvl
light: lgt lt lmp
locked: lck lckd
low: lo
mirror: mirr mir
mode: mod
open: opn
passenger: pas pass psngr
position: pct pos posn
pressed: psd
pressure: prs press
range: rng
rear: re
rear driver: rl
rear passenger: rr
remaining: rmng
request: cmd cmnd dmd dsrd rq rqst req set tgt trgt
sensor: sns
speed: spd
state of charge: soc
status: st stat sts
sunroof: sunrf
switch: swtch sw
temperature: temp
tire: tyre
traveled distance: odo odometer
trunk: trnk
vehicle: veh
volume: vol
washer: wshr
window: wdw win wndw
wiping: wpr wiper
"""
_WORDS = {
    short: word
    for word, _, shorts in (line.partition(": ") for line in _ABBREVIATIONS.strip().splitlines())
    for short in shorts.split()
}
_IGNORED = {
    "vehicle",
    "cabin",
    "body",
    "status",
    "request",
    "switch",
    "infotainment",
    "chassis",
    "powertrain",
}


@dataclass(frozen=True, slots=True)
class Match:
    """A signal and the VSS path it probably means; ``score`` is 0..100."""

    path: str
    message: str
    signal: str
    score: float


def words(name: str) -> tuple[str, ...]:
    """The words of a signal name or VSS path, in lower case, abbreviations spelled out."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+|\d+", name.replace("DriverSide", "Driver"))
    spelled = " ".join(_WORDS.get(p.lower(), p.lower()) for p in parts)
    return tuple(spelled.split())


@cache
def _path_words(path: str) -> str:
    # a name that says no row means the front one
    spelled = path.replace("Row1", "").replace("Row2", "Rear").replace("PassengerSide", "Passenger")
    return " ".join(w for w in words(spelled) if w not in _IGNORED and w != "is")


def match_signals(
    signals: Iterable[tuple[str, SignalCodec]], paths: Iterable[str], likely: Iterable[str] = ()
) -> tuple[Match, ...]:
    """The best signal for each path, each signal used once; matches below the threshold are left out.

    Args:
        signals: message name and signal.
        paths: VSS paths to find.
        likely: paths that count a little more.
    """
    pairs = []
    paths, likely, signals = tuple(paths), set(likely), tuple(signals)
    prefixes = _prefixes(signals)
    for message, signal in signals:
        name = " ".join(w for w in words(signal.name)[prefixes[message] :] if w not in _IGNORED)
        if not name:
            continue
        for path in paths:
            target = _path_words(path)
            score = 0.5 * fuzz.token_set_ratio(name, target) + 0.5 * fuzz.token_sort_ratio(name, target)
            score = min(100.0, score + _SAME_PATH * (path in likely))
            if score >= MIN_SCORE:
                pairs.append(Match(path, message, signal.name, score))
    taken: set[str] = set()
    best: dict[str, Match] = {}
    for match in sorted(pairs, key=lambda m: (-m.score, m.path, m.signal)):
        if match.path not in best and match.signal not in taken:
            best[match.path] = match
            taken.add(match.signal)
    return tuple(best[path] for path in paths if path in best)


def _prefixes(signals: Iterable[tuple[str, SignalCodec]]) -> dict[str, int]:
    """With how many same words all signals of each message begin: the name of the message or its sender."""
    names: dict[str, list[tuple[str, ...]]] = {}
    for message, signal in signals:
        names.setdefault(message, []).append(words(signal.name))
    prefixes = dict.fromkeys(names, 0)
    for message, each in names.items():
        while len(each) > 2 and len({name[: prefixes[message] + 1] for name in each}) == 1:
            if len(each[0]) <= prefixes[message] + 1:
                break
            prefixes[message] += 1
    return prefixes


def scaffold_car(database: Path | str, catalogue: Car, node: str = "", folder: Path | None = None) -> str:
    """Draft a car file for a database.

    Args:
        database: DBC, ARXML, KCD or SYM file.
        catalogue: a car whose VSS paths are looked for (the demo car has all that the grammar reaches).
        node: our node in the database; "" for the one whose messages look most like requests.
        folder: where the car file will lie; None for beside the database.

    Returns:
        TOML text.

    Raises:
        CarError: the database cannot be read, or has no such node.
    """
    database = Path(database)
    codecs = [MessageCodec(m) for m in load_database(database).messages if not m.is_container]
    senders = {s for codec in codecs for s in codec.senders}
    if node and node not in senders:
        raise CarError(
            f"{database}: no message is sent by node {node!r}; senders: {', '.join(sorted(senders))}"
        )
    node = node or _our_node(codecs)
    requests = [(c.name, s) for c in codecs if node in c.senders for s in c.signals.values()]
    statuses = [(c.name, s) for c in codecs if node not in c.senders for s in c.signals.values()]
    settable = [path for path, vss in catalogue.nodes.items() if vss.write is not None]
    reads = {m.path: m for m in match_signals(statuses, catalogue.nodes)}
    writes = {m.path: m for m in match_signals(requests, settable, likely=reads)}
    by_name = {c.name: c for c in codecs}
    tables = [
        _table(vss, reads.get(path), writes.get(path), by_name)
        for path, vss in catalogue.nodes.items()
        if path in reads or path in writes
    ]
    features = sorted(catalogue.features)
    used = {m.signal for m in (*reads.values(), *writes.values())}
    left = [f"#   {message}.{s.name}" for message, s in (*requests, *statuses) if s.name not in used]
    dbc = Path(os.path.relpath(database, folder)).as_posix() if folder is not None else database.name
    head = (
        f"# A draft, made by matching the signal names of {database.name} to VSS paths: check every line.\n"
        "# The number behind a signal is how sure the match is (100 is the same words). settle_s is how\n"
        "# long the full travel takes: measure it. idle is the raw number of a request signal that asks for\n"
        "# nothing: it is sent along with every other request of the message, so make sure of it.\n\n"
        f'[car]\nname = "{database.stem}"\ndbc = "{dbc}"\nrules = "rules.toml"\nnode = "{node}"\n'
        'driver_position = "LEFT" # or RIGHT\n\n'
        "[car.features]\n" + "".join(f"{name} = false # say true only of what is so\n" for name in features)
    )
    rest = "\n# Signals without a match:\n" + "\n".join(left) + "\n" if left else ""
    return head + "\n" + "\n".join(tables) + rest


def _our_node(codecs: list[MessageCodec]) -> str:
    """The node that sends the most signals named like requests, else the one called like a head unit."""
    score: dict[str, int] = {}
    for codec in codecs:
        for sender in codec.senders:
            wishes = sum("request" in words(name) for name in codec.signals)
            head_unit = bool(re.search(r"HU|IHU|MMI|IVI|CSD|HEAD", sender.upper()))
            score[sender] = score.get(sender, 0) + wishes + (3 if head_unit else 0)
    return max(score, key=lambda s: score[s], default="HU")


def _table(vss: Node, read: Match | None, write: Match | None, codecs: Mapping[str, MessageCodec]) -> str:
    lines = [
        f'["{vss.path}"]',
        f'type = "{"actuator" if write else "sensor"}"',
        f'datatype = "{vss.datatype}"',
    ]
    legs = [
        (key, match, codecs[match.message].signals[match.signal])
        for key, match in (("dbc2vss", read), ("vss2dbc", write))
        if match is not None
    ]
    if vss.unit:
        lines.append(f'unit = "{vss.unit}"')
    if vss.minimum is not None and vss.maximum is not None:
        low, high = _limits(vss.minimum, vss.maximum, legs[-1][2])
        lines += [f"min = {low:g}", f"max = {high:g}"]
    if vss.allowed:
        lines.append("allowed = [" + ", ".join(f'"{a}"' for a in vss.allowed) + "]")
    if write is not None and vss.settle_s:
        lines.append(f"settle_s = {vss.settle_s:g}")
    for key, match, signal in legs:
        named = ", ".join(f"{raw} {name}" for raw, name in list(signal.choices.items())[:8])
        mapping = _mapping(vss, signal, is_request=key == "vss2dbc")
        transform = f", transform = {{ mapping = [{mapping}] }}" if mapping else ""
        idle = _idle(signal) if key == "vss2dbc" else None
        at_rest = "" if idle is None else f", idle = {idle[0]}"
        leg = f'{{ signal = "{match.signal}", message = "{match.message}"{transform}{at_rest} }}'
        notes = [f"# {match.score:.0f}"]
        notes += [f"values: {named}"] if named else []
        notes += [f"idle: {idle[1]}"] if idle is not None else []
        lines.append(f"{key} = {leg} {' '.join(notes)}")
    return "\n".join(lines) + "\n"


def _limits(low: float, high: float, signal: SignalCodec) -> tuple[float, float]:
    """The catalogue's range, as far as the signal goes; it may count in other units."""
    if signal.minimum is None or signal.maximum is None or signal.maximum <= signal.minimum:
        return low, high
    narrower = max(low, signal.minimum), min(high, signal.maximum)
    return narrower if narrower[0] < narrower[1] else (low, high)


def _idle(signal: SignalCodec) -> tuple[int, str] | None:
    """The raw number that asks for nothing and why it is thought so; None if the start value will do."""
    for raw, name in signal.choices.items():
        if _asks_nothing(name):
            return None if raw == signal.idle_raw else (raw, f"named {name}")
    if signal.choices or signal.is_float or signal.is_signed:
        return None
    start, above = signal.value(signal.idle_raw), signal.value(signal.mask)
    if signal.maximum is None or isinstance(start, str) or isinstance(above, str):
        return None
    is_request = signal.minimum is None or signal.minimum <= start <= signal.maximum
    if is_request and above > signal.maximum:
        return signal.mask, "a guess, all bits set; ask the maker of the ECU"
    return None


def _asks_nothing(name: str) -> bool:
    spelled = set(words(name)) | {name.lower()}
    return bool(spelled & _NOTHING) or (bool(spelled & _NEGATIONS) and bool(spelled & _NO_WHAT))


def _truth(name: str) -> bool | None:
    """Whether the name of a value says yes or no; None if neither, or both."""
    spelled = set(words(name)) | {name.lower()}
    if _asks_nothing(name):
        return None
    if name.lower() == "no":
        return False
    is_true, is_false, is_negated = (bool(spelled & some) for some in (_TRUE, _FALSE, _NEGATIONS))
    return None if is_true == is_false else is_true != is_negated


def _mapping(vss: Node, signal: SignalCodec, is_request: bool) -> str:
    """The entries of a transform between VSS values and the signal's named values, "" if none are needed."""
    pairs: dict[str, str] = {}
    for name in signal.choices.values():
        if vss.datatype == "boolean":
            truth = _truth(name)
            if truth is not None:
                pairs.setdefault("true" if truth else "false", name)
        elif vss.allowed:
            same = [a for a in vss.allowed if a.lower().replace("_", "") == name.lower().replace("_", "")]
            if same:
                pairs.setdefault(f'"{same[0]}"', name)
        else:
            return ""
    ways = [
        f'{{ from = {vss_value}, to = "{name}" }}'
        if is_request
        else f'{{ from = "{name}", to = {vss_value} }}'
        for vss_value, name in pairs.items()
    ]
    return ", ".join(ways)
