"""A first policy for a drafted car: the catalogue's rules, as far as the car can keep them.

Nothing is allowed by the draft. Every ``[[allow]]`` stands in it commented out, for the integrator to take
in by hand; the rules, rates and companions about what the car has are in force. A path with a deny or
confirm rule that the car cannot keep (it does not tell the speed, say) is in no draft of an allow-list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from carvoice.records import Decision, Value
from carvoice.vehicle.car import Car
from carvoice.vehicle.policy import SELF, Allow, Companion, Condition, Paths, Policy, Range, Rate, Rule, When

_EFFECTS = {Decision.DENY: "deny", Decision.CONFIRM: "confirm", Decision.ALLOW: "warn"}


def scaffold_policy(car: Car, catalogue: Policy) -> str:
    """Draft a policy file.

    Args:
        car: the drafted car.
        catalogue: the policy whose rules are taken over.

    Returns:
        TOML text.
    """
    settable = [path for path, node in car.nodes.items() if node.write is not None]
    kept = [rule for rule in catalogue.rules if not _missing(rule, car) and _some(rule.paths, settable)]
    lost = [rule for rule in catalogue.rules if _missing(rule, car) and _some(rule.paths, settable)]
    unsafe = [rule for rule in lost if rule.effect is not Decision.ALLOW]
    barred = {path for path in settable if any(rule.paths.match(path) for rule in unsafe)}
    parts = [
        "# A draft: it allows nothing. Take the comment signs off the [[allow]] entries of what it may be\n"
        "# asked for, one after the other, once their signals were tried; then run carvoice car check.\n"
        "# What the [[rule]]s say of a car with other interlocks than the demo car's is for you to judge.\n",
        f"[defaults]\nmax_age_s = {catalogue.max_age_s:g}\n"
        f"denied = {_toml(catalogue.denied)}\nunknown = {_toml(catalogue.unknown)}\n",
        *(_commented(_allow(entry, settable, barred)) for entry in catalogue.allow),
        *(_rule(rule, settable, catalogue.max_age_s) for rule in kept),
        *_left_out(lost, barred, car),
        *(_rate(rate, settable) for rate in catalogue.rates if _some(rate.paths, settable)),
        *(
            _companion(companion, settable)
            for companion in catalogue.companions
            if _some(companion.paths, settable) and companion.path in settable
        ),
    ]
    return "\n".join(part for part in parts if part)


def _some(paths: Paths, settable: Iterable[str]) -> bool:
    return any(paths.match(path) for path in settable)


def _missing(rule: Rule, car: Car) -> tuple[str, ...]:
    """What a rule asks about that the car does not tell."""
    asked = [c.path for c in rule.require if c.path and c.path != SELF]
    if any(c.path == SELF for c in rule.require):
        asked += [path for path, node in car.nodes.items() if node.write and rule.paths.match(path)]
    return tuple(path for path in asked if path not in car.nodes or car.nodes[path].read is None)


def _patterns(paths: Paths, settable: Iterable[str]) -> list[str]:
    """Those patterns that are about something this car can be asked for."""
    there = tuple(settable)
    return [p for p in paths.patterns if any(Paths.of([p]).match(path) for path in there)]


def _allow(entry: Allow, settable: Iterable[str], barred: set[str]) -> str:
    free = [path for path in settable if entry.paths.match(path) and path not in barred]
    if not free:
        return ""
    lines = ["[[allow]]", f'id = "{entry.id}"', *_list("paths", free)]
    lines += [f"zones = {_toml(tuple(z.value for z in entry.zones))}"] if entry.zones else []
    lines += [f"sources = {_toml(entry.sources)}"] if entry.sources else []
    return "\n".join(lines) + "\n"


def _rule(rule: Rule, settable: Iterable[str], max_age_s: float) -> str:
    lines = [
        "[[rule]]",
        f'id = "{rule.id}"',
        *_list("paths", _patterns(rule.paths, settable)),
        *_when(rule.when),
    ]
    if rule.require:
        lines += ["require = [", *(f"    {_condition(c, max_age_s)}," for c in rule.require), "]"]
    lines += [f'effect = "{_EFFECTS[rule.effect]}"', f"reason = {_toml(rule.reason)}"]
    return "\n".join(lines) + "\n"


def _rate(rate: Rate, settable: Iterable[str]) -> str:
    lines = ["[[rate]]", f'id = "{rate.id}"', *_list("paths", _patterns(rate.paths, settable))]
    lines += [f"max = {rate.max}", f"per_s = {rate.per_s:g}", f"reason = {_toml(rate.reason)}"]
    return "\n".join(lines) + "\n"


def _companion(companion: Companion, settable: Iterable[str]) -> str:
    patterns = _patterns(companion.paths, settable)
    lines = ["[[companion]]", f'id = "{companion.id}"', *_list("paths", patterns), *_when(companion.when)]
    wanted = "value" if companion.value is not None else "at_least"
    value = companion.value if companion.value is not None else companion.at_least
    lines.append(f'set = {{ path = "{companion.path}", {wanted} = {_toml(value)} }}')
    return "\n".join(lines) + "\n"


def _left_out(lost: Iterable[Rule], barred: set[str], car: Car) -> Iterator[str]:
    for rule in lost:
        lines = [
            f"{rule.id} is left out: this car does not tell {', '.join(dict.fromkeys(_missing(rule, car)))}."
        ]
        concerned = [path for path in barred if rule.paths.match(path)]
        if concerned and rule.effect is not Decision.ALLOW:
            lines += [
                "Without it these are in no [[allow]] above:",
                *(f"    {path}" for path in sorted(concerned)),
            ]
        yield _commented("\n".join(lines) + "\n")


def _when(when: When) -> list[str]:
    fields = _range(when.value)
    fields += ["falling = true"] if when.falling else []
    fields += [f"zones = {_toml(tuple(z.value for z in when.zones))}"] if when.zones else []
    fields += [f"sources = {_toml(when.sources)}"] if when.sources else []
    return [f"when = {{ {', '.join(fields)} }}"] if fields else []


def _condition(condition: Condition, max_age_s: float) -> str:
    if condition.feature:
        return f'{{ feature = "{condition.feature}" }}'
    fields = [f'path = "{condition.path}"', *_range(condition.range)]
    fields += [f"max_age_s = {condition.max_age_s:g}"] if condition.max_age_s != max_age_s else []
    return f"{{ {', '.join(fields)} }}"


def _range(limits: Range) -> list[str]:
    fields = [f"min = {limits.minimum:g}"] if limits.minimum is not None else []
    fields += [f"max = {limits.maximum:g}"] if limits.maximum is not None else []
    return fields + ([f"in = {_toml(limits.values)}"] if limits.values else [])


def _list(key: str, items: Iterable[str]) -> list[str]:
    return [f"{key} = [", *(f'    "{item}",' for item in items), "]"]


def _commented(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.splitlines())


def _toml(value: Value | tuple[Value, ...] | None) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value:g}"
