"""A bus log written while the assistant runs: a turn is found in it again, and it drives the car."""

import json


def test_frames_of_a_spoken_order_are_found_in_the_log(carvoice):
    said = carvoice("--set", "vehicle.bus_log=drive.asc", "say", "--json", "set the temperature to 23")
    (turn,) = (json.loads(line) for line in said.out.splitlines() if line.startswith("{"))
    found = carvoice("replay", "drive.asc", "--turn", turn["trace_id"])
    assert (found.code, "HU_TempSetDrvReq=23.0" in found.out) == (0, True)
    assert "HVAC_TempSetDrv=23.0" in found.out
    assert "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature = 23.0" in carvoice("replay", "drive.asc").out
    assert carvoice("replay", "drive.asc", "--turn", "nobody").code == 1
