"""The same actions to a KUKSA databroker: gRPC ``kuksa.val.v2`` instead of CAN.

Actions go through the same gate, are handed over with ``Actuate`` (those of one command together, with
``BatchActuate``), and their evidence comes from the
broker's actual values (``Subscribe``), which feed the car state. A value is as old as the broker's last
word about it, so the providers of what the policy asks for fresh (speed, positions) have to publish
cyclically. Needs the extra ``kuksa``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from carvoice.errors import BusError, CarError
from carvoice.records import Action, ActionKind, Actuation, Evidence, Value
from carvoice.trace import Clock
from carvoice.vehicle.car import Car
from carvoice.vehicle.gate import DeniedError, Gate
from carvoice.vehicle.performer import ActuatorSettings, NotTakenError, Performer
from carvoice.vehicle.state import CarState

try:
    import grpc
    from kuksa.val.v2 import types_pb2, val_pb2, val_pb2_grpc
except ImportError as error:  # pragma: no cover
    raise BusError(
        f"a databroker needs the extra kuksa ({error.name} is missing): pip install carvoice[kuksa]"
    ) from error

logger = logging.getLogger(__name__)

RETRY_S = 1.0
_FIELDS = {
    "boolean": "bool",
    "string": "string",
    "float": "float",
    "double": "double",
    "int8": "int32",
    "int16": "int32",
    "int32": "int32",
    "uint8": "uint32",
    "uint16": "uint32",
    "uint32": "uint32",
}
# what the broker's answer to Actuate means for the evidence (kuksa.val.v2 val.proto, rpc Actuate)
_OUTCOMES = {
    grpc.StatusCode.NOT_FOUND: (Evidence.FAILED, "the databroker has no such signal"),
    grpc.StatusCode.INVALID_ARGUMENT: (Evidence.FAILED, "the databroker does not take this value"),
    grpc.StatusCode.UNAVAILABLE: (Evidence.FAILED, "no provider takes it, or the databroker is not there"),
    grpc.StatusCode.DATA_LOSS: (Evidence.FAILED, "the databroker lost it on the way"),
    grpc.StatusCode.PERMISSION_DENIED: (Evidence.REFUSED, "the databroker does not let us do this"),
    grpc.StatusCode.UNAUTHENTICATED: (Evidence.REFUSED, "the databroker does not accept our token"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (Evidence.TIMED_OUT, "the databroker did not answer"),
}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a databroker is and how to be let in.

    Attributes:
        target: ``host:port``.
        root_certificates: PEM file of the authority that signed the broker's certificate; None: no TLS.
        server_name: name in that certificate, if it is not the host's.
        token: JSON web token, "" for none.
        timeout_s: for each call.
    """

    target: str
    root_certificates: Path | None = None
    server_name: str = ""
    token: str = ""
    timeout_s: float = 0.5


def to_proto(datatype: str, value: Value) -> Any:
    """A value as protobuf, in the field its VSS datatype asks for."""
    return types_pb2.Value(**{_FIELDS[datatype]: value})


def from_proto(value: Any) -> Value | None:
    """A protobuf value; None if it is empty or an array."""
    field = value.WhichOneof("typed_value")
    found = getattr(value, field) if field is not None else None
    return found if isinstance(found, (bool, int, float, str)) else None


def open_channel(address: BrokerAddress) -> grpc.Channel:
    """A gRPC channel to the broker; nothing is sent yet.

    Raises:
        BusError: the certificate file cannot be read.
    """
    if address.root_certificates is None:
        return grpc.insecure_channel(address.target)
    try:
        roots = address.root_certificates.read_bytes()
    except OSError as error:
        raise BusError(
            f"{address.root_certificates}: cannot read the certificate: {error.strerror}"
        ) from None
    options = [("grpc.ssl_target_name_override", address.server_name)] if address.server_name else []
    return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(roots), options)


def server_name(address: BrokerAddress) -> str:
    """Name and version of the broker.

    Raises:
        BusError: it is not there or does not let us in.
    """
    with open_channel(address) as channel:
        try:
            info = val_pb2_grpc.VALStub(channel).GetServerInfo(
                val_pb2.GetServerInfoRequest(), timeout=address.timeout_s, metadata=_metadata(address)
            )
        except grpc.RpcError as error:
            raise BusError(f"databroker {address.target}: {error.details()}") from error
    return f"{info.name} {info.version}"


def _metadata(address: BrokerAddress) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {address.token}"),) if address.token else ()


class BrokerActuator(Performer):
    """Performs actions on a databroker, through the gate; the counterpart of :class:`Actuator`.

    :meth:`start` subscribes to all signals that the broker and the car both have. A context manager.

    Args:
        address: the broker.
        car: the car; its paths, ranges and settling times are used, not its CAN signals.
        state: what the car says; fed by the subscription.
        gate: judges and passes on.
        settings: waiting times.
        clock: monotonic seconds, the same one the state uses.
    """

    def __init__(
        self,
        address: BrokerAddress,
        car: Car,
        state: CarState,
        gate: Gate,
        *,
        settings: ActuatorSettings | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(car, state, gate, settings=settings, clock=clock)
        self._address = address
        self._channel = open_channel(address)
        self._stub = val_pb2_grpc.VALStub(self._channel)
        self._metadata = _metadata(address)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._call: Any = None

    def perform_all(
        self, actions: Sequence[Action], confirmed: bool = False, trace_id: str = ""
    ) -> Iterator[Actuation]:
        """Carry out the actions of one command: in one call, if all of them may go now, else one by one."""
        if len(actions) < 2 or any(action.kind is not ActionKind.SET for action in actions):
            yield from super().perform_all(actions, confirmed, trace_id)
            return
        self._cancelled.clear()
        start_s = self._clock()
        seen = [self._seen(action) for action in actions]
        try:
            self._pass_on(actions, confirmed)
        except DeniedError:
            # the first may be what makes the second allowed
            yield from super().perform_all(actions, confirmed, trace_id)
            return
        except NotTakenError as error:
            yield from (Actuation(action, error.evidence, detail=str(error)) for action in actions)
            return
        latency_s = self._clock() - start_s
        for action, count in zip(actions, seen, strict=True):
            yield self._follow_up(action, confirmed, trace_id, None, count, latency_s)

    def _hand_over(self, action: Action, confirmed: bool, trace_id: str) -> None:
        self._pass_on((action,), confirmed)

    def _pass_on(self, actions: Sequence[Action], confirmed: bool) -> None:
        # Actuate returns once the broker has handed the value to a provider
        try:
            self._gate.pass_on(self._deliver, actions, self._state, confirmed)
        except grpc.RpcError as error:
            code = error.code()
            evidence, meaning = _OUTCOMES.get(code, (Evidence.FAILED, f"the databroker failed ({code.name})"))
            raise NotTakenError(evidence, f"{meaning}: {error.details()}") from error

    def _deliver(self, actions: Sequence[Action]) -> None:
        requests = [self._request(action) for action in actions]
        timeout_s = self._address.timeout_s
        if len(requests) == 1:
            self._stub.Actuate(requests[0], timeout=timeout_s, metadata=self._metadata)
            return
        batch = val_pb2.BatchActuateRequest(actuate_requests=requests)
        self._stub.BatchActuate(batch, timeout=timeout_s, metadata=self._metadata)

    def _request(self, action: Action) -> Any:
        assert action.value is not None
        node = self._car.nodes[action.path]
        return val_pb2.ActuateRequest(
            signal_id=types_pb2.SignalID(path=action.path),
            value=to_proto(node.datatype, node.cast(action.value)),
        )

    def start(self) -> None:
        """Start feeding the state from the broker, in a thread; once it runs this does nothing."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="carvoice-kuksa", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop the thread and close the channel."""
        self._stop.set()
        if self._call is not None:
            self._call.cancel()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._channel.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow(self._known_paths())
            except grpc.RpcError as error:
                if not self._stop.is_set():
                    logger.warning("databroker %s: %s", self._address.target, error.details())
            self._stop.wait(RETRY_S)

    def _known_paths(self) -> list[str]:
        """The car's paths that the broker has; a subscription to an unknown one would be refused whole."""
        answer = self._stub.ListMetadata(
            val_pb2.ListMetadataRequest(root="Vehicle", filter="**"),
            timeout=self._address.timeout_s * 4,
            metadata=self._metadata,
        )
        there = {entry.path for entry in answer.metadata}
        return [path for path in self._car.nodes if path in there]

    def _follow(self, paths: list[str]) -> None:
        request = val_pb2.SubscribeRequest(signal_paths=paths, buffer_size=1)
        self._call = self._stub.Subscribe(request, metadata=self._metadata)
        if self._stop.is_set():
            self._call.cancel()
        for update in self._call:
            self._take(update.entries.items())

    def _take(self, entries: Iterable[tuple[str, Any]]) -> None:
        for path, datapoint in entries:
            value = from_proto(datapoint.value)
            if value is None:
                continue
            try:
                self._state.put(path, value)
            except CarError as error:
                logger.warning("databroker %s: %s", self._address.target, error)

    def __enter__(self) -> BrokerActuator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
