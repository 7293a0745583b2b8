"""Is every part well? For ``GET /health``, and for systemd's watchdog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from carvoice.assistant import Assistant
from carvoice.assistant.listener import Listener
from carvoice.assistant.loudspeaker import Loudspeaker
from carvoice.assistant.microphone import Microphone
from carvoice.llm.local import LocalTier
from carvoice.llm.router import Router
from carvoice.llm.tiered import TieredAnswerer

_ANSWERS_IN_S = 5.0  # the actuator may wait for the car for a second or two
_FRESH_S = 2.0  # status messages come every second at least


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the assistant.

    Attributes:
        is_well: it does what it is there for.
        detail: what is wrong or worth knowing.
        figures: counters and ages.
    """

    is_well: bool
    detail: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


class Health:
    """Looks at the parts of a running assistant.

    Args:
        assistant: the assistant.
        microphone: None when none is configured.
        listener: None when there is no microphone.
        loudspeaker: plays the replies.
    """

    def __init__(
        self,
        assistant: Assistant,
        microphone: Microphone | None,
        listener: Listener | None,
        loudspeaker: Loudspeaker,
    ) -> None:
        self._assistant = assistant
        self._microphone = microphone
        self._listener = listener
        self._loudspeaker = loudspeaker

    def is_alive(self) -> bool:
        """Whether the conversation goes on; takes up to five seconds if it does not."""
        return self._assistant.is_alive(_ANSWERS_IN_S)

    def parts(self) -> dict[str, Part]:
        """Every part by name. May take seconds when the dialogue hangs."""
        return {
            "dialogue": self._dialogue(),
            "bus": self._bus(),
            "microphone": self._microphone_part(),
            "recognizer": self._recognizer(),
            "loudspeaker": Part(not self._loudspeaker.problem, self._loudspeaker.problem),
            "llm": self._llm(),
        }

    def report(self) -> dict[str, Any]:
        """For ``GET /health``: "ok", "degraded" (commands still work some way) or "failed"."""
        parts = self.parts()
        is_up = parts["dialogue"].is_well and parts["bus"].is_well
        is_whole = all(part.is_well for part in parts.values())
        return {
            "status": "ok" if is_whole else "degraded" if is_up else "failed",
            "state": self._assistant.dialogue.state.value,
            "parts": {name: asdict(part) for name, part in parts.items()},
        }

    def _dialogue(self) -> Part:
        return Part(True) if self.is_alive() else Part(False, f"no sign of life for {_ANSWERS_IN_S:g} s")

    def _bus(self) -> Part:
        vehicle = self._assistant.vehicle
        bus, state = vehicle.bus, vehicle.state
        ages_s = [reading.age_s for path in vehicle.car.nodes if (reading := state.get(path)) is not None]
        figures: dict[str, object] = {"newest_s": round(min(ages_s), 3) if ages_s else None}
        if bus is None:
            figures["channel"] = "databroker"
        else:
            known = str(bus.raw.channel_info)
            wanted = self._assistant.config.vehicle
            # Some of python-can's interfaces do not say.
            figures["channel"] = f"{wanted.interface} {wanted.channel}" if known == "unknown" else known
            figures["frames"] = state.frames
            figures["error_frames"] = bus.error_frames
            figures["failures"] = bus.failures
            if bus.is_gone:
                return Part(False, "the interface is not there", figures)
        if not ages_s:
            return Part(False, "the car has said nothing yet", figures)
        if min(ages_s) > _FRESH_S:
            return Part(False, f"the car has said nothing for {min(ages_s):.1f} s", figures)
        return Part(True, "", figures)

    def _microphone_part(self) -> Part:
        if self._microphone is None:
            return Part(True, "none configured")
        status = self._microphone.status
        figures = {
            "heard_s": round(status.heard_s, 2),
            "dropped_samples": status.dropped_samples,
            "failures": status.failures,
            "noise_db": None if self._listener is None else self._listener.noise_db,
        }
        return Part(status.is_well, status.detail, figures)

    def _recognizer(self) -> Part:
        if self._listener is None:
            return Part(True, "not loaded: no microphone")
        faults = self._listener.faults
        detail = f"failed {faults} times; see the log" if faults else ""
        return Part(not self._listener.is_failing, detail, {"model": self._assistant.config.asr.model})

    def _llm(self) -> Part:
        answerer = self._assistant.answerer
        if not isinstance(answerer, TieredAnswerer):
            return Part(True)
        tiers = answerer.tiers
        figures: dict[str, Any] = {"tiers": list(tiers)}
        problems: list[str] = []
        local, remote = answerer.tier("local"), answerer.tier("remote")
        if isinstance(local, LocalTier):
            report = local.report
            figures["local"] = {"pid": local.pid, "restarts": local.restarts, "is_loaded": report is not None}
            if report is not None:  # its threads and memory, how long it took to load and to warm
                figures["local"] |= asdict(report)
            if local.pid is None:
                problems.append("the local model is down")
        if isinstance(remote, Router):
            figures["remotes"] = [asdict(status) for status in remote.status()]
            resting = [status.name for status in remote.status() if status.resting_s > 0]
            problems += [f"{name} rests after failures" for name in resting]
        return Part(not problems, "; ".join(problems), figures)
