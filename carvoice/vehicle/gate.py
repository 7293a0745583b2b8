"""The gate: the only code that may put an action on the bus.

Two floors. :meth:`Gate.check` judges an action against the policy (allow-list, rules with preconditions
on fresh car state, rates). :meth:`Gate.send` judges it once more, encodes it, looks at the finished frame
bit by bit (only the one wanted signal may differ from "no request", and it must say what was asked for)
and only then hands it to the bus. The shape is that of the safety hooks of openpilot's panda: silent by
default, a white-list, then a look at every frame.

carvoice is QM software. The body controllers keep their own safety mechanisms; the gate does not replace
them.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import can

from carvoice.errors import CarError
from carvoice.records import Action, ActionKind, Decision, FrameRecord, Verdict
from carvoice.trace import Clock
from carvoice.vehicle.car import Car
from carvoice.vehicle.codec import MessageCodec, Physical, SignalCodec
from carvoice.vehicle.e2e import Protection
from carvoice.vehicle.node import Node
from carvoice.vehicle.policy import ANY, SELF, Allow, Condition, Policy, Rule, When
from carvoice.vehicle.state import CarState, Reading

SEND_TIMEOUT_S = 0.05


class FrameSink(Protocol):
    """Where frames go: any python-can bus."""

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        """Queue the frame for transmission; raises can.CanError."""


class DeniedError(CarError):
    """An action was about to be sent that the policy or the frame check does not let through.

    Attributes:
        verdict: the decision.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"{verdict.rule}: {verdict.reason}")
        self.verdict = verdict


class Gate:
    """Judges actions and sends those that may be sent. Thread-safe.

    Args:
        car: the car.
        rules: the policy.
        clock: monotonic seconds, the same one the state uses.
    """

    def __init__(self, car: Car, rules: Policy, clock: Clock = time.monotonic) -> None:
        self._car = car
        self._clock = clock
        self._lock = threading.RLock()
        self._sent_s: dict[str, deque[float]] = {rate.id: deque(maxlen=rate.max) for rate in rules.rates}
        self._counters: dict[str, int] = {}
        self.policy = rules
        # which entries are about which path is known before anybody speaks
        self._allow = {path: tuple(a for a in rules.allow if a.paths.match(path)) for path in car.nodes}
        self._rules = {path: tuple(r for r in rules.rules if r.paths.match(path)) for path in car.nodes}
        self._rates = {path: tuple(r for r in rules.rates if r.paths.match(path)) for path in car.nodes}

    def check(self, action: Action, state: CarState, now_s: float, confirmed: bool = False) -> Verdict:
        """Judge an action; nothing is sent and no rate is used up.

        Args:
            action: what is asked for.
            state: what the car last said.
            now_s: monotonic time, for the rates.
            confirmed: the driver has said yes to this action.

        Returns:
            DENY or CONFIRM with the deciding rule and the reason to be spoken; ALLOW with the entry of the
            allow-list, or with a warning's rule and reason.
        """
        node = self._car.nodes.get(action.path)
        if node is None:
            return Verdict(Decision.DENY, "unknown-path", "This car doesn't have that.")
        if action.kind is ActionKind.GET:
            if node.read is None:
                return Verdict(Decision.DENY, "not-readable", "This car doesn't tell me that.")
            return Verdict(Decision.ALLOW, "read")
        allowing = self.allowing(action)
        if allowing is None:
            return Verdict(Decision.DENY, "not-listed", self.policy.denied)
        impossible = _impossible(node, action)
        if impossible is not None:
            return impossible
        broken = [r for r in self.applying(action, state) if self.unmet(r, action, state)]
        for effect in (Decision.DENY, Decision.CONFIRM, Decision.ALLOW):
            for rule in broken:
                if rule.effect is not effect or (effect is Decision.CONFIRM and confirmed):
                    continue
                late = self._over_rate(action, now_s) if effect is not Decision.DENY else None
                return late or Verdict(effect, rule.id, self._reason(rule, action, state))
        return self._over_rate(action, now_s) or Verdict(Decision.ALLOW, allowing.id)

    def allowing(self, action: Action) -> Allow | None:
        """The entry of the allow-list that covers the action, None if there is none."""
        for entry in self._allow.get(action.path, ()):
            in_zone = not entry.zones or action.zone in entry.zones
            if in_zone and (not entry.sources or action.source in entry.sources):
                return entry
        return None

    def applying(self, action: Action, state: CarState) -> tuple[Rule, ...]:
        """The rules that are about this action, in the policy's order."""
        max_age_s = self.policy.max_age_s
        rules = self._rules.get(action.path, ())
        return tuple(rule for rule in rules if concerns(rule.when, action, state, max_age_s))

    def unmet(self, rule: Rule, action: Action, state: CarState) -> bool:
        """Whether one of the rule's conditions does not hold; a rule without conditions is never met."""
        return not rule.require or not all(self.holds(c, action, state) for c in rule.require)

    def holds(self, condition: Condition, action: Action, state: CarState) -> bool:
        """Whether a condition holds; what the car has not told lately does not."""
        if condition.feature:
            return self._car.features.get(condition.feature, False)
        reading = self._reading(condition, action, state)
        return reading is not None and condition.range.holds(reading.value)

    def _reading(self, condition: Condition, action: Action, state: CarState) -> Reading | None:
        """What the car told about a condition, None if it did not or too long ago."""
        reading = state.get(action.path if condition.path == SELF else condition.path)
        return None if reading is None or reading.age_s > condition.max_age_s else reading

    def _reason(self, rule: Rule, action: Action, state: CarState) -> str:
        """The rule's reason, unless it would claim something of the car that the car has not told."""
        failing = [c for c in rule.require if not self.holds(c, action, state)]
        claims = [c for c in failing if c.range != ANY]
        if not claims or any(c.feature or self._reading(c, action, state) is not None for c in failing):
            return rule.reason
        return self.policy.unknown

    def _over_rate(self, action: Action, now_s: float) -> Verdict | None:
        with self._lock:
            for rate in self._rates[action.path]:
                sent_s = self._sent_s[rate.id]
                if len(sent_s) == rate.max and now_s - sent_s[0] < rate.per_s:
                    return Verdict(Decision.DENY, rate.id, rate.reason)
        return None

    def send(
        self,
        bus: FrameSink,
        action: Action,
        state: CarState,
        confirmed: bool = False,
        trace_id: str = "",
        repeated: bool = False,
    ) -> FrameRecord:
        """Judge the action, and send its request frame if it may be sent.

        Args:
            bus: where to.
            action: what is asked for.
            state: what the car last said.
            confirmed: the driver has said yes to this action.
            trace_id: the turn it belongs to.
            repeated: the same request is said once more, for an ECU that wants it held. It is judged again,
                but for the rates, which count requests.

        Returns:
            The frame as handed to the bus.

        Raises:
            DeniedError: the verdict is not ALLOW, the action is not a SET, or the frame says something else.
            can.CanError: the bus did not take the frame; no rate and no alive counter is used up.
        """
        with self._lock:
            # no rate reaches back from the end of time
            now_s = math.inf if repeated else self._clock()
            self._insist(action, state, now_s, confirmed)
            node = self._car.nodes[action.path]
            assert node.write is not None
            assert action.value is not None
            wanted = {node.write.signal.name: node.to_bits(action.value)}
            frame = self._transmit(bus, node.write.message, wanted, trace_id)
            if not repeated:
                self._count(action, now_s)
            return frame

    def pass_on(
        self,
        deliver: Callable[[Sequence[Action]], None],
        actions: Sequence[Action],
        state: CarState,
        confirmed: bool = False,
    ) -> None:
        """Judge actions, and hand them to something that is not a CAN bus (a databroker) if all may go.

        Raises:
            DeniedError: the verdict on one is not ALLOW, or it is not a SET.
            Exception: whatever ``deliver`` raises; then no rate is used up.
        """
        with self._lock:
            now_s = self._clock()
            before = {rate: sent_s.copy() for rate, sent_s in self._sent_s.items()}
            try:
                for action in actions:
                    self._insist(action, state, now_s, confirmed)
                    self._count(action, now_s)
                deliver(actions)
            except BaseException:
                self._sent_s = before
                raise

    def _insist(self, action: Action, state: CarState, now_s: float, confirmed: bool) -> None:
        verdict = self.check(action, state, now_s, confirmed)
        if verdict.decision is not Decision.ALLOW:
            raise DeniedError(verdict)
        if action.kind is not ActionKind.SET:
            raise DeniedError(Verdict(Decision.DENY, "not-a-set", "There is nothing to send."))

    def _count(self, action: Action, now_s: float) -> None:
        for rate in self._rates[action.path]:
            self._sent_s[rate.id].append(now_s)

    def send_idle(self, bus: FrameSink, codec: MessageCodec) -> FrameRecord:
        """Send one of our messages with no request in it, to show that we are there.

        Raises:
            DeniedError: the message is not ours, or the frame would ask for something.
            can.CanError: the bus did not take the frame.
        """
        with self._lock:
            if self._car.node not in codec.senders:
                raise DeniedError(Verdict(Decision.DENY, "not-ours", f"{codec.name} is not ours to send"))
            return self._transmit(bus, codec, {}, "")

    def _transmit(
        self, bus: FrameSink, codec: MessageCodec, wanted: Mapping[str, int], trace_id: str
    ) -> FrameRecord:
        """Encode, protect, inspect, hand to the bus, count."""
        data = codec.encode_bits(wanted)
        protection = self._car.protection.get(codec.name)
        counter = self._counters.get(codec.name, -1) + 1
        if protection is not None:
            data = protection.protect(data, counter)
        signals = inspect(codec, protection, wanted, data)
        sent_s = self._clock()
        bus.send(
            can.Message(
                arbitration_id=codec.arbitration_id,
                is_extended_id=codec.is_extended,
                is_fd=codec.is_fd,
                bitrate_switch=codec.is_fd,
                data=data,
                is_rx=False,
            ),
            timeout=SEND_TIMEOUT_S,
        )
        self._counters[codec.name] = counter
        return FrameRecord(
            timestamp_s=sent_s,
            arbitration_id=codec.arbitration_id,
            data=data,
            is_extended=codec.is_extended,
            is_fd=codec.is_fd,
            is_tx=True,
            name=codec.name,
            signals=signals,
            trace_id=trace_id,
        )


def inspect(
    codec: MessageCodec, protection: Protection | None, wanted: Mapping[str, int], data: bytes
) -> dict[str, Physical]:
    """Look at a finished frame as its receiver will: only what is wanted, and that right.

    Returns:
        What the frame says, by signal name.

    Raises:
        DeniedError: a signal is not as wanted, another one asks for something, or the checksum is wrong.
    """
    seen = codec.decode_bits(data)
    for name, found in seen.items():
        signal = codec.signals[name]
        if name in wanted:
            if found != wanted[name]:
                reason = f"{name} would be sent as {found}, not {wanted[name]}"
                raise DeniedError(Verdict(Decision.DENY, "frame-value", reason))
        elif not _may_differ(signal, codec, protection) and found != signal.idle_raw:
            raise DeniedError(Verdict(Decision.DENY, "frame-other", f"{name} would be sent along as {found}"))
    if protection is not None and protection.carried_crc(data) != protection.crc(data):
        reason = f"{codec.name} would be sent with a wrong checksum"
        raise DeniedError(Verdict(Decision.DENY, "frame-crc", reason))
    return {name: codec.signals[name].value(bits) for name, bits in seen.items()}


def _may_differ(signal: SignalCodec, codec: MessageCodec, protection: Protection | None) -> bool:
    """Whether a signal is the frame's own affair: its multiplexer, checksum or counter."""
    if signal in codec.multiplexers:
        return True
    return protection is not None and signal.is_little_endian and protection.owns(signal.shift, signal.length)


def concerns(when: When, action: Action, state: CarState, max_age_s: float) -> bool:
    """Whether ``when`` picks out this action."""
    if when.zones and action.zone not in when.zones:
        return False
    if when.sources and action.source not in when.sources:
        return False
    if action.value is None or not when.value.holds(action.value):
        return False
    if not when.falling or isinstance(action.value, str):
        return True
    reading = state.get(action.path)
    if reading is None or reading.age_s > max_age_s or isinstance(reading.value, str):
        return True
    return action.value < reading.value


def _impossible(node: Node, action: Action) -> Verdict | None:
    """The verdict on a value that the car cannot be asked for."""
    if node.write is None:
        return Verdict(Decision.DENY, "not-settable", "That can't be changed in this car.")
    try:
        if action.value is not None:
            node.to_bits(action.value)
            return None
    except CarError:
        pass
    reason = "That isn't a value this car knows."
    if node.is_numeric:
        reason = f"It only goes from {node.low:g} to {node.high:g}."
    return Verdict(Decision.DENY, "out-of-range", reason)
