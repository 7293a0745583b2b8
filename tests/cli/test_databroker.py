"""Spoken orders to a KUKSA databroker, chosen in the settings."""

import json
from pathlib import Path

import pytest

from carvoice.config import VehicleConfig
from carvoice.errors import ConfigError
from carvoice.resources import data_path
from carvoice.vehicle.car import Car

pytest.importorskip("kuksa.val.v2", reason="the extra kuksa is not installed")
from carvoice.assistant.vehicle import broker_address
from carvoice.vehicle.kuksa import BrokerAddress
from carvoice.vehicle.simulator.databroker import StandInBroker

KUKSA = ("--set", "vehicle.target=kuksa")


def turns(result):
    return [json.loads(line) for line in result.out.splitlines() if line.startswith("{")]


def test_without_an_address_a_stand_in_answers(carvoice):
    result = carvoice(
        *KUKSA, "say", "--json", "--car", "Vehicle.Speed=60", "open all windows", "open the trunk"
    )
    windows, trunk = turns(result)
    assert [(a["evidence"], a["value"]) for a in windows["actuations"]] == [("actuated", 100)] * 4
    assert not any(a.get("frames") for a in windows["actuations"])
    assert (result.code, trunk["verdicts"][0]["rule"]) == (1, "trunk-open-speed")  # its speed is fresh


def test_a_databroker_at_an_address_with_a_token(carvoice, tmp_path):
    car = Car.load(data_path("cars", "demo", "demo.toml"))
    (tmp_path / "right.jwt").write_text("right\n")
    (tmp_path / "wrong.jwt").write_text("wrong\n")
    with StandInBroker(car, token="right", cycle_s=0.2) as broker:
        there = (*KUKSA, "--set", f"vehicle.broker={broker.target}", "--set")
        (turn,) = turns(
            carvoice(*there, "vehicle.broker_token=right.jwt", "say", "--json", "set the temperature to 23")
        )
        assert [a["evidence"] for a in turn["actuations"]] == ["actuated"]
        assert broker.calls == ["Actuate"]
        (refused,) = turns(
            carvoice(*there, "vehicle.broker_token=wrong.jwt", "say", "--json", "set the temperature to 24")
        )
        assert [a["evidence"] for a in refused["actuations"]] == ["refused"]


def test_the_settings_name_address_token_and_certificate(tmp_path):
    token = tmp_path / "broker.jwt"
    token.write_text("abc\n")
    roots = Path("root.pem")
    config = VehicleConfig(
        target="kuksa", broker="car:55555", broker_token=token, broker_certificate=roots, broker_name="Server"
    )
    assert broker_address(config) == BrokerAddress("car:55555", roots, "Server", "abc")
    with pytest.raises(ConfigError, match=r"needs vehicle\.broker"):
        broker_address(VehicleConfig(target="kuksa"))
    with pytest.raises(ConfigError, match=r"broker_token: .*gone\.jwt cannot be read"):
        broker_address(VehicleConfig(broker="car:1", broker_token=tmp_path / "gone.jwt"))
