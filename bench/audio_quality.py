"""Our front end beside its peers, in one run: python bench/audio_quality.py.

Writes bench/results/audio_quality.* and its pictures. Needs pesq, pystoi and matplotlib, and of the peers
(pip install pywebrtc-audio livekit speexdsp pyaec pyrnnoise noisereduce) those that can be had; an absent one
is named. Every figure is the mean over SEEDS, which were not used to tune anything. Time is processor time,
so other work on the machine hardly counts. With ``--lane 0/3`` and so on each lane measures a third of the
conditions, all systems side by side; ``--merge`` joins the lanes.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from audio_metrics import erle_curve_db, erle_db, power_db, seconds_to, si_sdr_db, talker
from audio_peers import ECHO_CANCELLERS, NOISE_SUPPRESSORS, Result
from audio_report import write_report
from audio_scenes import RATE, SHARED, Scene, make_scene

from carvoice.audio.devices import read_wav

SEEDS = (41, 42)
PERFECT = "echo taken away perfectly"
RESULTS = Path(__file__).parent / "results"
ECHO_SCENES: dict[str, dict[str, Any]] = {
    "SER 0 dB, 40 ms": {},
    "SER -10 dB, 40 ms": {"ser_db": -10.0},
    "SER -10 dB, noise 35 dB below the talker": {"ser_db": -10.0, "noise_db": -45.0},
    "200 ms": {"delay_ms": 200.0},
    "300 ms": {"delay_ms": 300.0},
    "drift 50 ppm": {"drift_ppm": 50.0},
    "drift 100 ppm": {"drift_ppm": 100.0},
    "loudspeaker clips at 1.5 RMS": {"clip": 1.5},
    "loudspeaker saturates softly": {"saturate": 1.0},
    "talker leans back and forth": {"moving": "head"},
    "window goes down and up": {"moving": "window"},
    "music": {"far_kind": "music"},
    "stereo music": {"far_kind": "stereo"},
    "drive noise, SNR 10 dB": {"noise_db": -10.0, "noise_kind": "drive"},
}
NOISE_SCENES = {
    f"{kind}, SNR {snr} dB": {"noise_kind": kind, "noise_db": -float(snr)}
    for kind in ("drive", "wind", "rain", "fan")
    for snr in (0, 10, 20)
}
Table = dict[str, dict[str, dict[str, Any]]]  # condition, system, measure


def run(system: Callable[[np.ndarray, np.ndarray], Result], scene: Scene) -> Result | str:
    """The system's output, or why there is none."""
    try:
        return system(scene.mic, scene.far)
    except (ImportError, OSError, AttributeError) as error:
        return f"absent: {error}".splitlines()[0]


def mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean of each measure over the seeds; None once one of them has none."""
    out: dict[str, Any] = {"scenes": len(rows)}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if any(value is None or isinstance(value, str) for value in values):
            out[name] = values[0] if isinstance(values[0], str) else None
        else:
            with np.errstate(all="ignore"):
                out[name] = np.mean(np.array(values, np.float64), axis=0).tolist()
    return out


def cost(result: Result) -> dict[str, float]:
    p50, p99 = np.percentile(result.frame_us, [50, 99])
    return {"delay_ms": result.latency_samples / 16, "us_p50": float(p50), "us_p99": float(p99)}


def echo_measures(scene: Scene, result: Result) -> dict[str, Any]:
    """Echo alone to 20 s, double talk to 40 s, then a changed path: see make_scene."""
    return {
        **cost(result),
        "to_20_db_s": seconds_to(scene, result, 20.0, 0, 20),
        "erle_early_db": erle_db(scene, result, 0.2, 0.7),
        "erle_db": erle_db(scene, result, 10, 20),
        "erle_after_change_db": erle_db(scene, result, 41, 42),
        "again_20_db_s": seconds_to(scene, result, 20.0, 40, 60),
        **talker(scene, result, 20, 40),
        "curve_db": np.round(erle_curve_db(scene, result), 1),
    }


def noise_measures(scene: Scene, result: Result) -> dict[str, Any]:
    """Five seconds of noise, then a talker in it."""
    lag = result.latency_samples
    pause = slice(2 * RATE, 5 * RATE)
    before = power_db(scene.mic[pause])
    return {
        **cost(result),
        "noise_down_db": before - power_db(result.out[pause.start + lag : pause.stop + lag]),
        **talker(scene, result, 5, 25),
    }


def measure(
    scenes: dict[str, dict[str, Any]],
    systems: dict[str, Callable[[np.ndarray, np.ndarray], Result]],
    measures: Callable[[Scene, Result], dict[str, Any]],
    seeds: tuple[int, ...],
    table: Table,
    save: Callable[[], None],
    **common: Any,
) -> None:
    """Fill the table, condition by condition; those it has already stay."""
    for condition, how in scenes.items():
        if condition in table:
            continue
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in systems}
        for seed in seeds:
            scene = make_scene(seed=seed, **common, **how)
            for name, system in systems.items():
                result = run(system, scene)
                rows[name].append({"absent": result} if isinstance(result, str) else measures(scene, result))
            if scene.echo.any():
                perfect = Result(scene.near + scene.noise, 0, np.full(1, np.nan))
                rows.setdefault(PERFECT, []).append(measures(scene, perfect))
        table[condition] = {name: mean(each) for name, each in rows.items()}
        save()
        print(condition, flush=True)


def silent_far_end(seeds: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    """How far the talker comes through untouched when nothing plays, SI-SDR to the microphone."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ECHO_CANCELLERS}
    for seed in seeds:
        scene = make_scene(
            seed=seed, far_kind="silence", seconds=25, near_from_s=5, near_to_s=25, change_s=None
        )
        for name, system in ECHO_CANCELLERS.items():
            result = run(system, scene)
            if isinstance(result, str):
                rows[name].append({"absent": result})
                continue
            lag = result.latency_samples
            out = result.out[5 * RATE + lag : 25 * RATE]
            near = scene.mic[5 * RATE : 5 * RATE + len(out)]
            level = power_db(out) - power_db(near)
            rows[name].append({"si_sdr_db": min(si_sdr_db(near, out), 150.0), "near_db": level})
    return {name: mean(each) for name, each in rows.items()}


def real_recordings() -> dict[str, dict[str, float | None]]:
    """Change of level (dB) in the shared real recordings, second half: echo alone, talker alone, both."""
    out: dict[str, dict[str, float | None]] = {name: {} for name in ECHO_CANCELLERS}
    for path in sorted((SHARED / "audio" / "dtln-aec").glob("*_mic.wav")):
        mic, far = read_wav(path), read_wav(str(path).replace("_mic", "_lpb"))
        count = min(len(mic), len(far)) // 160 * 160
        nothing = np.zeros(count, np.float32)
        scene = Scene(path.stem, far[:count], mic[:count], nothing, nothing, nothing)
        kind = "_".join(path.stem.split("_")[-3:-1]) if "singletalk" in path.stem else "doubletalk"
        for name, system in ECHO_CANCELLERS.items():
            result = run(system, scene)
            half = count // 2
            out[name][kind] = (
                None
                if isinstance(result, str)
                else power_db(result.out[half + result.latency_samples :]) - power_db(scene.mic[half:count])
            )
    return out


def lane_of(scenes: dict[str, dict[str, Any]], lane: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Every so-manieth of the scenes."""
    return {name: scenes[name] for name in list(scenes)[lane[0] :: lane[1]]}


def merged() -> dict[str, Any]:
    """What all lanes measured, in the order of the scenes."""
    parts = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("audio_quality.lane*.json"))]
    whole: dict[str, Any] = {"seeds": parts[0]["seeds"], "load": [x for part in parts for x in part["load"]]}
    for kind, scenes in (("echo", ECHO_SCENES), ("noise", NOISE_SCENES)):
        rows = {name: row for part in parts for name, row in part[kind].items()}
        whole[kind] = {name: rows[name] for name in scenes}
    for kind in ("silent far end", "real"):
        whole[kind] = next(part[kind] for part in parts if kind in part)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--resume", action="store_true", help="measure only what the kept figures lack")
    parser.add_argument(
        "--draw", action="store_true", help="only write the report anew from the kept figures"
    )
    parser.add_argument("--lane", metavar="I/N", help="every Nth condition only, from the Ith on")
    parser.add_argument("--merge", action="store_true", help="join the lanes and write the report")
    arguments = parser.parse_args()
    seeds = tuple(arguments.seeds)
    kept = RESULTS / "audio_quality.json"
    if arguments.merge:
        kept.write_text(json.dumps(merged(), separators=(",", ":")))
        for path in RESULTS.glob("audio_quality.lane*.json"):
            path.unlink()
    if arguments.draw or arguments.merge:
        write_report(json.loads(kept.read_text()), RESULTS)
        return
    RESULTS.mkdir(exist_ok=True)
    first, count = map(int, (arguments.lane or "0/1").split("/"))
    if arguments.lane:
        kept = RESULTS / f"audio_quality.lane{first}.json"
    results: dict[str, Any] = (
        json.loads(kept.read_text()) if arguments.resume else {"seeds": seeds, "load": []}
    )

    def save() -> None:
        results["load"].append(round(os.getloadavg()[0], 1))
        kept.write_text(json.dumps(results, separators=(",", ":")))

    echo_scenes, noise_scenes = (lane_of(scenes, (first, count)) for scenes in (ECHO_SCENES, NOISE_SCENES))
    measure(echo_scenes, ECHO_CANCELLERS, echo_measures, seeds, results.setdefault("echo", {}), save)
    measure(
        noise_scenes,
        NOISE_SUPPRESSORS,
        noise_measures,
        seeds[:1],
        results.setdefault("noise", {}),
        save,
        far_kind="silence",
        seconds=25,
        near_from_s=5,
        near_to_s=25,
        change_s=None,
    )
    if first == 0:
        results["silent far end"] = results.get("silent far end") or silent_far_end(seeds)
        results["real"] = results.get("real") or real_recordings()
    save()
    if not arguments.lane:
        write_report(results, RESULTS)


if __name__ == "__main__":
    main()
