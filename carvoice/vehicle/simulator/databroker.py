"""A databroker stand-in: the part of ``kuksa.val.v2`` that carvoice uses, over real gRPC, in this process.

It stands where eclipse-kuksa's databroker does, for tests and demos: signals and metadata from the car
file, one built-in provider that carries actuations out, the error codes of the real one.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent import futures
from types import TracebackType
from typing import Any

import grpc
from kuksa.val.v2 import types_pb2, val_pb2, val_pb2_grpc

from carvoice.errors import CarError
from carvoice.records import Value
from carvoice.vehicle.car import Car
from carvoice.vehicle.kuksa import from_proto, to_proto
from carvoice.vehicle.node import Node
from carvoice.vehicle.simulator.physics import accepts, consequences

_ENTRY_TYPES = {
    "actuator": types_pb2.ENTRY_TYPE_ACTUATOR,
    "sensor": types_pb2.ENTRY_TYPE_SENSOR,
    "attribute": types_pb2.ENTRY_TYPE_ATTRIBUTE,
}


class StandInBroker(val_pb2_grpc.VALServicer):  # type: ignore[misc]  # generated, untyped
    """A databroker on a free port of this machine. A context manager.

    Args:
        car: which signals there are.
        token: the only token it accepts; "" accepts everybody.
        credentials: for TLS; None for none.
        cycle_s: how often every value is published again, as cyclic providers do; 0 for only when it changes.

    Attributes:
        target: ``localhost:port``.
        unprovided: paths that no provider takes.
        silent: paths whose actuations are taken and then nothing happens.
        forbidden: paths nobody may actuate.
        calls: which calls have asked for something, in order.
    """

    def __init__(
        self,
        car: Car,
        token: str = "",
        credentials: grpc.ServerCredentials | None = None,
        cycle_s: float = 0.0,
    ) -> None:
        self._car = car
        self._token = token
        self._cycle_s = cycle_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._values: dict[str, Value] = {}
        self._subscribers: list[tuple[set[str], queue.SimpleQueue[dict[str, Any] | None]]] = []
        self.unprovided: set[str] = set()
        self.silent: set[str] = set()
        self.forbidden: set[str] = set()
        self.calls: list[str] = []
        for path, node in car.nodes.items():
            if node.read is not None:
                value = node.from_bits(node.read.signal.idle_raw)
                if value is not None:
                    self._values[path] = value
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        val_pb2_grpc.add_VALServicer_to_server(self, self._server)
        if credentials is None:
            port = self._server.add_insecure_port("localhost:0")
        else:
            port = self._server.add_secure_port("localhost:0", credentials)
        self.target = f"localhost:{port}"

    def __enter__(self) -> StandInBroker:
        self._server.start()
        if self._cycle_s > 0:
            self._thread = threading.Thread(target=self._repeat, name="carvoice-stand-in", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._lock:
            for _, inbox in self._subscribers:
                inbox.put(None)
        self._server.stop(0).wait()

    def _repeat(self) -> None:
        while not self._stop.wait(self._cycle_s):
            with self._lock:
                for paths, inbox in self._subscribers:
                    inbox.put({path: self._datapoint(self._car.nodes[path]) for path in paths})

    def publish(self, path: str, value: Value) -> None:
        """Take in an actual value and tell the subscribers, as a provider's ``PublishValue`` does."""
        node = self._car.find(path)
        with self._lock:
            self._values[path] = node.cast(value)
            for paths, inbox in self._subscribers:
                if path in paths:
                    inbox.put({path: self._datapoint(node)})

    def _datapoint(self, node: Node) -> Any:
        value = self._values.get(node.path)
        if value is None:
            return types_pb2.Datapoint()
        return types_pb2.Datapoint(value=to_proto(node.datatype, value))

    def _admit(self, context: grpc.ServicerContext) -> None:
        sent = dict(context.invocation_metadata())
        if self._token and sent.get("authorization") != f"Bearer {self._token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is missing or not valid")

    def _node(self, signal: Any, context: grpc.ServicerContext) -> Node:
        node = self._car.nodes.get(signal.path)
        if node is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no signal {signal.path}")
        assert node is not None
        return node

    def GetServerInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Name and version."""
        self._admit(context)
        return val_pb2.GetServerInfoResponse(name="carvoice stand-in databroker", version="1")

    def GetValue(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The actual value of one signal."""
        self._admit(context)
        node = self._node(request.signal_id, context)
        with self._lock:
            return val_pb2.GetValueResponse(data_point=self._datapoint(node))

    def ListMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """What signals there are below ``root``."""
        self._admit(context)
        nodes = [
            n for p, n in self._car.nodes.items() if p == request.root or p.startswith(request.root + ".")
        ]
        data_types = {"boolean": "BOOLEAN", **{n.datatype: n.datatype.upper() for n in nodes}}
        return val_pb2.ListMetadataResponse(
            metadata=[
                types_pb2.Metadata(
                    path=node.path,
                    data_type=types_pb2.DataType.Value(f"DATA_TYPE_{data_types[node.datatype]}"),
                    entry_type=_ENTRY_TYPES[node.kind],
                    unit=node.unit,
                )
                for node in nodes
            ]
        )

    def Subscribe(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        """All present values at once, then every new one."""
        self._admit(context)
        nodes = [self._node(types_pb2.SignalID(path=path), context) for path in request.signal_paths]
        inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        context.add_callback(lambda: inbox.put(None))
        entry = ({node.path for node in nodes}, inbox)
        with self._lock:
            self._subscribers.append(entry)
            inbox.put({node.path: self._datapoint(node) for node in nodes})
        try:
            while (update := inbox.get()) is not None:
                yield val_pb2.SubscribeResponse(entries=update)
        finally:
            with self._lock:
                self._subscribers.remove(entry)

    def Actuate(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Ask for a new value of an actuator."""
        self._admit(context)
        self.calls.append("Actuate")
        self._carry_out([self._wish(request, context)])
        return val_pb2.ActuateResponse()

    def BatchActuate(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Several at once: all of them, or none."""
        self._admit(context)
        self.calls.append("BatchActuate")
        self._carry_out([self._wish(one, context) for one in request.actuate_requests])
        return val_pb2.BatchActuateResponse()

    def _wish(self, request: Any, context: grpc.ServicerContext) -> tuple[str, Value]:
        """What a request asks for; ends the call if that cannot be passed on."""
        node = self._node(request.signal_id, context)
        path, value = node.path, from_proto(request.value)
        if path in self.forbidden:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"the token does not allow {path}")
        try:
            if node.kind != "actuator" or value is None:
                raise CarError(f"{path} is not an actuator, or the value is empty")
            value = node.cast(value)
        except CarError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if path in self.unprovided:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"no provider for {path}")
        assert value is not None
        return path, value

    def _carry_out(self, wishes: list[tuple[str, Value]]) -> None:
        """What a provider does with actuations."""
        for path, value in wishes:
            if path in self.silent or not accepts(path, value, self._values.get):
                continue
            self.publish(path, value)
            for other, follows in consequences(path, value, self._values.get):
                if other in self._car.nodes:
                    self.publish(other, follows)
