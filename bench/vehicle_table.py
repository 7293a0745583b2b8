"""Runs ``test_vehicle_path.py`` and writes ``results/vehicle.md``: CPU time, and wall time of round trips."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from carvoice.resources import data_path
from carvoice.vehicle.car import Car
from carvoice.vehicle.policy import Policy

HERE = Path(__file__).parent
ROUND_TRIP = "test_request_to_status_on_the_simulated_bus"
FRAMES_PER_S = 4000  # a full 500 kbit/s bus
# benchmark, what the row is called, target; the peer's row stands below ours
ROWS = {
    "test_encode": ("encode a request (HU_ClimateReq, 6 signals)", ""),
    "test_encode_cantools": ("the same with cantools", ""),
    "test_decode": ("decode a status by name (6 signals), for frame records", ""),
    "test_decode_cantools": ("the same with cantools", ""),
    "test_gate_check_temperature": ("gate, temperature", ""),
    "test_gate_check_window": ("gate, window (6 rules, 5 readings)", ""),
    "test_policy_encode_send": ("policy + encode + checksum + frame check + hand-over (window)", "1 ms"),
    "test_interpretation_to_frame": ("interpretation → frame at the driver (relative temperature)", "1 ms"),
    "test_state_cache_unchanged_frames": ("state cache, unchanged frame", "12.5 µs"),
    "test_state_cache_changed_frames": ("state cache, changed frame", "12.5 µs"),
    "test_state_cache_protected_motorola_frames": (
        "state cache, changed frame, E2E profile 1, Motorola order",
        "12.5 µs",
    ),
    "test_state_cache_a_full_bus": (f"{FRAMES_PER_S:,} frames, state cache", "5 % of a core"),
    "test_receive_a_full_bus": ("the same with python-can's receiving in front", "5 % of a core"),
    ROUND_TRIP: ("request → ECU → status → evidence, virtual bus, threads (wall)", "a few ms"),
}


def measure(timer: str, only: str) -> dict[str, list[float]]:
    """Sorted times of each benchmark in seconds per call."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "times.json"
        command = [sys.executable, "-m", "pytest", "-q", str(HERE / "test_vehicle_path.py"), "-k", only]
        command += ["--benchmark-enable", f"--benchmark-timer={timer}", f"--benchmark-json={out}"]
        command += ["--benchmark-max-time=0.5", "--benchmark-disable-gc", "-p", "no:cacheprovider"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(out.read_text())["benchmarks"]
    return {one["name"]: sorted(one["stats"]["data"]) for one in found}


def shown(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def main() -> None:
    load = os.getloadavg()[0]
    times = measure("time.thread_time", f"not {ROUND_TRIP}") | measure("time.perf_counter", ROUND_TRIP)
    car = Car.load(data_path("cars", "demo", "demo.toml"))
    policy = Policy.load(car.rules_path, car)
    lines = [
        "# The vehicle room, measured",
        "",
        f"`python bench/vehicle_table.py`, CPython {platform.python_version()}, one core of a "
        f"{os.cpu_count()}-core {platform.machine()} server VM",
        f"on which other work was running (load {load:.0f}), so costs are CPU time of the thread; only the",
        f"round trip is wall time, and holds what it waits for a core. Demo car: {len(car.nodes)} VSS paths,",
        f"{len(car.messages)} messages, {len(policy.rules)} rules. Rows below 20 µs are means over a batch",
        "of calls each, the others single calls.",
        "",
        "| what | p50 | p99 | max | target |",
        "|---|---|---|---|---|",
    ]
    for name, (what, target) in ROWS.items():
        data = times[name]
        p50, p99 = data[len(data) // 2], data[min(len(data) - 1, int(len(data) * 0.99))]
        share = f" = {p50 * 100:.2f} % of a core" if target.endswith("core") else ""
        lines.append(f"| {what} | {shown(p50)}{share} | {shown(p99)} | {shown(data[-1])} | {target} |")
    lines += [
        "",
        "Decoding by name is slower than cantools; it is only used for the frame records of a turn. The",
        "state takes the mapped signals out of the payload itself. The receiving row uses the simulated",
        "interface; a socket interface adds its system calls per frame. What survived mutation:",
        "`vehicle_mutants.md`.",
    ]
    (HERE / "results" / "vehicle.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
