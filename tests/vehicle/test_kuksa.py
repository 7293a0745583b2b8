"""The same actions over real gRPC and protobuf, to the stand-in databroker."""

from __future__ import annotations

import dataclasses
import datetime
import threading

import pytest
from conftest import getting, setting

from carvoice.errors import BusError
from carvoice.records import Evidence
from carvoice.vehicle.gate import Gate
from carvoice.vehicle.performer import ActuatorSettings
from carvoice.vehicle.policy import Policy
from carvoice.vehicle.state import CarState

pytest.importorskip("kuksa.val.v2", reason="the extra kuksa is not installed")
from carvoice.vehicle.kuksa import BrokerActuator, BrokerAddress, server_name
from carvoice.vehicle.simulator.databroker import StandInBroker

TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
DEFROST = "Vehicle.Cabin.HVAC.IsFrontDefrosterActive"
SOURCE = "Vehicle.Cabin.Infotainment.Media.Played.Source"
LATITUDE = "Vehicle.Cabin.Infotainment.Navigation.DestinationSet.Latitude"
VOLUME = "Vehicle.Cabin.Infotainment.Media.Volume"
TRUNK = "Vehicle.Body.Trunk.Rear.IsOpen"
PATIENT = ActuatorSettings(refusal_s=10.0, status_s=20.0)  # real threads on a busy machine
HASTY = ActuatorSettings(refusal_s=0.05, status_s=0.1)


@pytest.fixture
def broker(car):
    with StandInBroker(car) as it:
        yield it


@pytest.fixture
def state(car):
    return CarState(car)


@pytest.fixture
def relaxed(policy) -> Policy:
    """The broker tells values only when they change: no rule may ask for a fresh one here."""
    rules = tuple(r for r in policy.rules if not any(c.path for c in r.require))
    return dataclasses.replace(policy, rules=rules)


def connect(broker, car, state, policy, settings=PATIENT, **address):
    target = BrokerAddress(broker.target, timeout_s=10.0, **address)
    return BrokerActuator(target, car, state, Gate(car, policy), settings=settings)


@pytest.fixture
def actuator(broker, car, state, relaxed):
    with connect(broker, car, state, relaxed) as it:
        assert state.wait(lambda: state.get(TEMP) is not None, 20.0)
        yield it


@pytest.mark.parametrize(
    ("path", "value"), [(TEMP, 23.5), (DEFROST, True), (SOURCE, "DAB"), (LATITUDE, 52.52), (VOLUME, 12)]
)
def test_every_datatype_is_actuated(actuator, path, value):
    result = actuator.perform(setting(path, value))
    assert (result.evidence, result.value) == (Evidence.ACTUATED, value)


def test_the_actions_of_one_command_go_in_one_call(actuator, broker, state):
    windows = [f"Vehicle.Cabin.Door.Row{row}.{side}.Window.Position"
               for row in (1, 2) for side in ("DriverSide", "PassengerSide")]  # fmt: skip
    results = list(actuator.perform_all([setting(path, 40) for path in windows]))
    assert [(r.action.path, r.evidence, r.value) for r in results] == [
        (path, Evidence.ACTUATED, 40) for path in windows
    ]
    assert broker.calls == ["BatchActuate"]
    asked = list(actuator.perform_all([getting(TEMP), setting(VOLUME, 7)]))
    assert [r.evidence for r in asked] == [Evidence.ACTUATED] * 2
    assert broker.calls == ["BatchActuate", "Actuate"]


def test_a_batch_that_fails_fails_whole(actuator, broker):
    broker.unprovided.add(VOLUME)
    results = list(actuator.perform_all([setting(TEMP, 20.0), setting(VOLUME, 7)]))
    assert [r.evidence for r in results] == [Evidence.FAILED] * 2
    assert actuator.perform(getting(TEMP)).value != 20.0


def test_what_the_first_action_makes_allowed_is_not_in_its_batch(broker, car, state, policy):
    fan, cooling = (
        "Vehicle.Cabin.HVAC.Station.Row1.Driver.FanSpeed",
        "Vehicle.Cabin.HVAC.IsAirConditioningActive",
    )
    rules = tuple(r for r in policy.rules if r.id == "ac-needs-fan")
    with connect(broker, car, state, dataclasses.replace(policy, rules=rules)) as actuator:
        assert state.wait(lambda: state.get(fan) is not None, 20.0)
        broker.publish(fan, 0)
        assert state.wait(lambda: state.get(fan).value == 0, 20.0)
        results = list(actuator.perform_all([setting(fan, 30), setting(cooling, True)]))
        assert [r.evidence for r in results] == [Evidence.ACTUATED] * 2
        assert broker.calls == ["Actuate", "Actuate"]


def test_the_state_follows_the_broker(actuator, broker, state):
    broker.publish("Vehicle.Speed", 87.0)
    assert state.wait(lambda: (r := state.get("Vehicle.Speed")) is not None and r.value == 87.0, 20.0)
    assert actuator.perform(getting("Vehicle.Speed")).value == 87.0
    assert server_name(BrokerAddress(broker.target, timeout_s=10.0)) == "carvoice stand-in databroker 1"


def test_the_gate_stands_in_front_of_the_broker_too(actuator, broker):
    result = actuator.perform(setting(TRUNK, True))
    assert (result.evidence, result.detail.split(":")[0]) == (Evidence.REFUSED, "policy door-open-confirm")
    assert actuator.perform(setting("Vehicle.Speed", 3.0)).detail.startswith("policy not-listed")
    assert actuator.perform(getting("Vehicle.Wings")).evidence is Evidence.REFUSED
    assert actuator.perform(setting(TRUNK, True), confirmed=True).evidence is Evidence.ACTUATED


def test_rates_count_what_the_broker_took(broker, car, state, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[allow]]\nid = "a"\npaths = ["Vehicle.**"]\n[[rate]]\nid = "r"\npaths = ["Vehicle.**"]\nmax = 2\nper_s = 60\n'  # noqa: E501
    )
    broker.unprovided.add(TEMP)
    with connect(broker, car, state, Policy.load(rules, car), HASTY) as actuator:
        for _ in range(3):
            assert actuator.perform(setting(TEMP, 20.0)).evidence is Evidence.FAILED
        for _ in range(2):
            actuator.perform(setting(VOLUME, 20))
        assert actuator.perform(setting(VOLUME, 20)).detail.startswith("policy r")


@pytest.mark.parametrize(
    ("attribute", "evidence", "detail"),
    [
        ("unprovided", Evidence.FAILED, "no provider"),
        ("forbidden", Evidence.REFUSED, "does not let us"),
    ],
)
def test_what_the_broker_answers_becomes_evidence(actuator, broker, attribute, evidence, detail):
    getattr(broker, attribute).add(TEMP)
    result = actuator.perform(setting(TEMP, 24.0))
    assert result.evidence is evidence
    assert detail in result.detail


def test_a_provider_that_does_nothing(broker, car, state, relaxed):
    broker.silent.add(TEMP)
    with connect(broker, car, state, relaxed, HASTY) as actuator:
        assert state.wait(lambda: state.get(TEMP) is not None, 20.0)
        result = actuator.perform(setting(TEMP, 24.0))
        assert (result.evidence, result.detail) == (Evidence.TIMED_OUT, "no status came")


def test_a_signal_the_broker_lacks(car, state, relaxed):
    poor = dataclasses.replace(car, nodes={p: n for p, n in car.nodes.items() if p != TEMP})
    with StandInBroker(poor) as broker, connect(broker, car, state, relaxed) as actuator:
        assert state.wait(lambda: state.get(VOLUME) is not None, 20.0)
        result = actuator.perform(setting(TEMP, 24.0))
        assert (result.evidence, state.get(TEMP)) == (Evidence.FAILED, None)
        assert "no such signal" in result.detail
        assert actuator.perform(getting(TEMP)).evidence is Evidence.TIMED_OUT


def test_a_value_the_broker_does_not_take(car, state, relaxed):
    narrow = dataclasses.replace(
        car, nodes={**car.nodes, VOLUME: dataclasses.replace(car.nodes[VOLUME], maximum=50)}
    )
    with StandInBroker(narrow) as broker, connect(broker, car, state, relaxed) as actuator:
        result = actuator.perform(setting(VOLUME, 80))
        assert (result.evidence, "does not take" in result.detail) == (Evidence.FAILED, True)


def test_tokens(car, state, relaxed):
    with StandInBroker(car, token="right") as broker:
        with connect(broker, car, state, relaxed, token="wrong") as stranger:
            result = stranger.perform(setting(TEMP, 24.0))
            assert (result.evidence, "our token" in result.detail) == (Evidence.REFUSED, True)
            with pytest.raises(BusError, match="token is missing or not valid"):
                server_name(BrokerAddress(broker.target, token="wrong", timeout_s=10.0))
        with connect(broker, car, state, relaxed, token="right") as friend:
            assert friend.perform(setting(TEMP, 24.0)).evidence is Evidence.ACTUATED


def test_no_broker(car, state, relaxed):
    address = BrokerAddress("localhost:1", timeout_s=1.0)
    actuator = BrokerActuator(address, car, state, Gate(car, relaxed), settings=HASTY)
    result = actuator.perform(setting(TEMP, 24.0))
    assert result.evidence in (Evidence.FAILED, Evidence.TIMED_OUT)
    with pytest.raises(BusError, match="databroker localhost:1"):
        server_name(address)
    actuator.close()


def test_the_broker_goes_away_and_the_thread_ends(car, state, relaxed, monkeypatch):
    from carvoice.vehicle import kuksa

    monkeypatch.setattr(kuksa, "RETRY_S", 0.02)
    with StandInBroker(car) as broker:
        actuator = connect(broker, car, state, relaxed, HASTY)
        actuator.start()
        assert state.wait(lambda: state.get(TEMP) is not None, 20.0)
    assert actuator.perform(setting(TEMP, 24.0)).evidence is not Evidence.ACTUATED
    actuator.close()
    assert [t.name for t in threading.enumerate() if t.name.startswith("carvoice")] == []


def test_tls(car, state, relaxed, tmp_path):
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography makes the test certificate")
    import grpc
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker.test")])
    today = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today)
        .not_valid_after(today + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("broker.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "root.pem").write_bytes(pem)
    with StandInBroker(car, credentials=grpc.ssl_server_credentials([(private, pem)])) as broker:
        secure = {"root_certificates": tmp_path / "root.pem", "server_name": "broker.test"}
        with connect(broker, car, state, relaxed, **secure) as actuator:
            assert actuator.perform(setting(TEMP, 24.0)).evidence is Evidence.ACTUATED
        with pytest.raises(BusError):
            server_name(BrokerAddress(broker.target, timeout_s=10.0))
    with pytest.raises(BusError, match="cannot read the certificate"):
        connect(broker, car, state, relaxed, root_certificates=tmp_path / "gone.pem")


def test_only_the_gate_is_given_the_delivery():
    import inspect

    source = inspect.getsource(BrokerActuator)
    assert (source.count("stub.Actuate("), source.count("stub.BatchActuate(")) == (1, 1)
    assert source.count("self._deliver") == source.count("self._gate.pass_on(self._deliver") == 1
