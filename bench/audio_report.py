"""Tables and pictures of what bench/audio_quality.py measured."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from audio_peers import ECHO_CANCELLERS, NOISE_SUPPRESSORS
from audio_scenes import RATE, make_scene
from PIL import Image

Table = dict[str, dict[str, dict[str, Any]]]
OURS = ("carvoice linear", "carvoice asr", "carvoice vad")
PERFECT = "echo taken away perfectly"
COLUMNS = {
    "scenes": ("scenes", "{:.0f}"),
    "delay ms": ("delay_ms", "{:.0f}"),
    "us p50": ("us_p50", "{:.0f}"),
    "us p99": ("us_p99", "{:.0f}"),
    "20 dB after s": ("to_20_db_s", "{:.2f}"),
    "ERLE 0.2-0.7 s": ("erle_early_db", "{:.1f}"),
    "ERLE 10-20 s": ("erle_db", "{:.1f}"),
    "1-2 s after change": ("erle_after_change_db", "{:.1f}"),
    "20 dB again after s": ("again_20_db_s", "{:.2f}"),
    "STOI": ("stoi", "{:.3f}"),
    "PESQ": ("pesq", "{:.2f}"),
    "SI-SDR dB": ("si_sdr_db", "{:.1f}"),
    "near end dB": ("near_db", "{:+.1f}"),
}
NOISE_COLUMNS = {
    "scenes": COLUMNS["scenes"],
    "us p50": ("us_p50", "{:.0f}"),
    "noise down dB": ("noise_down_db", "{:.1f}"),
    **{name: COLUMNS[name] for name in ("STOI", "PESQ", "SI-SDR dB", "near end dB")},
}
PICTURE_FROM_S, PICTURE_TO_S = 16.0, 26.0  # echo, and from 20 s on a talker over it


def write_report(results: dict[str, Any], folder: Path) -> None:
    """Write audio_quality.md and its two pictures into the folder."""
    lines = [
        "# Front end and peers, by bench/audio_quality.py",
        "",
        f"Seeds {list(results['seeds'])}, used for no tuning, as many of them as 'scenes' says. Processor",
        f"time, at a load of {min(results['load']):.0f} to {max(results['load']):.0f} on two cores. ERLE:",
        "power of microphone over output; noise 35 dB below the echo bounds it for who does not suppress",
        "noise. 20 dB after: from the first echo to the half second that is 20 dB down. STOI, PESQ",
        "(wide band), SI-SDR, near end (level): of the talker in double talk.",
        f'"{PERFECT}" is talker and noise alone: no canceller exceeds it without noise suppression.',
        *results.get("notes", []),
        "",
        "## Against the targets",
        "",
        *targets(results["echo"], results["silent far end"]),
        "",
        "## Echo",
        "",
        "![ERLE over time](audio_quality_erle.png)",
        "",
        "![Spectrograms](audio_quality_spectrograms.png)",
        "",
        *table(results["echo"], COLUMNS),
        "",
        "## Nothing plays: the talker against the microphone",
        "",
        "A peer whose delay is not quite the one it tells, or that turns phases, loses SI-SDR by that alone.",
        "",
        "| system | SI-SDR dB | level dB |",
        "|---|---|---|",
    ]
    for name, row in results["silent far end"].items():
        if "absent" not in row:
            lines.append(f"| {name} | {row['si_sdr_db']:.1f} | {row['near_db']:+.1f} |")
    lines += ["", "## Cabin noise, nothing plays", "", *table(results["noise"], NOISE_COLUMNS)]
    lines += [
        "",
        "## Real recordings (DTLN-aec samples), level of the output less the microphone's, dB, second half",
        "",
        "| system | echo alone | talker alone | both |",
        "|---|---|---|---|",
    ]
    for name, row in results["real"].items():
        kinds = ("farend_singletalk", "nearend_singletalk", "doubletalk")
        cells = [f"{row[kind]:+.1f}" if row.get(kind) is not None else "" for kind in kinds]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    absent = {
        f"{name}: {row['absent']}"
        for part in ("echo", "noise")
        for systems in results[part].values()
        for name, row in systems.items()
        if "absent" in row
    }
    lines += ["", "Absent: " + ("; ".join(sorted(absent)) or "none.")]
    (folder / "audio_quality.md").write_text("\n".join(lines) + "\n")
    draw_erle(results["echo"], folder / "audio_quality_erle.png")
    draw_spectrograms(folder / "audio_quality_spectrograms.png", results["seeds"][0])


def table(conditions: Table, columns: dict[str, tuple[str, str]]) -> list[str]:
    """One table, a row for each condition and system."""
    lines = ["| condition | system | " + " | ".join(columns) + " |", "|---|---|" + "---|" * len(columns)]
    for condition, systems in conditions.items():
        for name, row in systems.items():
            if "absent" in row:
                continue
            cells = [cell(row.get(key), shape) for key, shape in columns.values()]
            lines.append(f"| {condition} | {name} | {' | '.join(cells)} |")
    return lines


def cell(value: float | None, shape: str) -> str:
    if value is None:
        return "never"
    return "" if np.isnan(value) else shape.format(value)


def targets(echo: Table, silent: dict[str, dict[str, Any]]) -> list[str]:
    """Every target of the plan: ours, met or not, and the best peer's."""
    plain, louder = echo["SER 0 dB, 40 ms"], echo["SER -10 dB, 40 ms"]
    quieter = echo["SER -10 dB, noise 35 dB below the talker"]
    late, drift = echo["300 ms"], echo["drift 100 ppm"]
    clipped, soft = echo["loudspeaker clips at 1.5 RMS"], echo["loudspeaker saturates softly"]
    leaning, window = echo["talker leans back and forth"], echo["window goes down and up"]

    def not_behind(systems: dict[str, dict[str, Any]], key: str) -> Callable[[float], bool]:
        peers = (row.get(key, 0.0) for name, row in systems.items() if name not in (*OURS, PERFECT))
        rival = max(peers, default=0.0)
        return lambda x: x >= rival

    rows: list[tuple[str, Table | dict[str, dict[str, Any]], str, str, Callable[[float], bool], bool]] = [
        ("linear canceller, us p50 <= 60", plain, "carvoice linear", "us_p50", lambda x: x <= 60, False),
        ("whole chain, us p50 <= 150", plain, "carvoice vad", "us_p50", lambda x: x <= 150, False),
        ("delay of the linear way, ms = 0", plain, "carvoice linear", "delay_ms", lambda x: x == 0, False),
        ("delay of the chain, ms <= 10", plain, "carvoice vad", "delay_ms", lambda x: x <= 10, False),
        ("ERLE 10-20 s, dB >= 46", plain, "carvoice vad", "erle_db", lambda x: x >= 46, True),
        ("1-2 s after change, dB >= 25", plain, "carvoice vad", "erle_after_change_db",
         lambda x: x >= 25, True),
        ("20 dB within s <= 0.5", plain, "carvoice vad", "to_20_db_s", lambda x: x <= 0.5, False),
        ("the same at 300 ms", late, "carvoice vad", "to_20_db_s", lambda x: x <= 0.5, False),
        ("300 ms, ERLE 10-20 s, dB >= 46", late, "carvoice vad", "erle_db", lambda x: x >= 46, True),
        ("100 ppm, ERLE 10-20 s, dB >= 46", drift, "carvoice vad", "erle_db", lambda x: x >= 46, True),
        ("clipped loudspeaker, dB >= 20", clipped, "carvoice vad", "erle_db", lambda x: x >= 20, True),
        ("saturating loudspeaker, dB >= best peer", soft, "carvoice vad", "erle_db",
         not_behind(soft, "erle_db"), True),
        ("talker leans, ERLE 10-20 s >= best peer", leaning, "carvoice vad", "erle_db",
         not_behind(leaning, "erle_db"), True),
        ("the same, double talk STOI", leaning, "carvoice asr", "stoi", not_behind(leaning, "stoi"), True),
        ("and PESQ", leaning, "carvoice asr", "pesq", not_behind(leaning, "pesq"), True),
        ("window moves, ERLE 10-20 s >= best peer", window, "carvoice vad", "erle_db",
         not_behind(window, "erle_db"), True),
        ("the same, double talk STOI", window, "carvoice asr", "stoi", not_behind(window, "stoi"), True),
        ("and PESQ", window, "carvoice asr", "pesq", not_behind(window, "pesq"), True),
        ("double talk STOI >= .99", plain, "carvoice asr", "stoi", lambda x: x >= 0.99, True),
        ("double talk PESQ >= 3.0", plain, "carvoice asr", "pesq", lambda x: x >= 3.0, True),
        ("near end within 1 dB", plain, "carvoice asr", "near_db", lambda x: abs(x) <= 1, True),
        ("SER -10 dB, STOI >= .992", louder, "carvoice asr", "stoi", lambda x: x >= 0.992, True),
        ("SER -10 dB, PESQ >= 2.7", louder, "carvoice asr", "pesq", lambda x: x >= 2.7, True),
        ("the same, noise 35 dB below the talker: STOI", quieter, "carvoice asr", "stoi",
         lambda x: x >= 0.992, True),
        ("and PESQ", quieter, "carvoice asr", "pesq", lambda x: x >= 2.7, True),
        ("nothing plays: SI-SDR >= 40 dB", silent, "carvoice asr", "si_sdr_db", lambda x: x >= 40, True),
    ]  # fmt: skip
    lines = ["| target | ours | met | best peer | perfect cancellation |", "|---|---|---|---|---|"]
    for title, systems, system, key, holds, more in rows:
        ours = systems[system].get(key)
        peers = {
            name: row[key]
            for name, row in systems.items()
            if name not in (*OURS, PERFECT) and row.get(key) is not None
        }
        best = max(peers, key=lambda name: peers[name] if more else -peers[name]) if peers else ""
        shape = next((s for k, s in COLUMNS.values() if k == key), "{:.1f}")
        perfect = systems.get(PERFECT, {}).get(key)
        shown = shape.format(perfect) if perfect is not None and key in ("stoi", "pesq") else ""
        met = "yes" if ours is not None and holds(ours) else "no"
        if met == "no" and shown and not holds(perfect):
            met = "no, nor could perfect cancellation"
        lines.append(
            f"| {title} | {cell(ours, shape)} | {met}"
            f" | {shape.format(peers[best]) + ' ' + best if best else 'none'} | {shown} |"
        )
    return lines


def draw_erle(echo: Table, path: Path) -> None:
    """Small panels, one for each condition: ERLE every half second, without the double talk."""
    from matplotlib import pyplot

    names = [name for name in next(iter(echo.values())) if name != PERFECT]
    columns, rows = 4, -(-len(echo) // 4)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(15, 3 * rows), sharex=True, sharey=True, layout="constrained"
    )
    for axis, (condition, systems) in zip(axes.flat, echo.items(), strict=False):
        for index, name in enumerate(names):
            if "curve_db" not in systems[name]:
                continue
            curve = np.array(systems[name]["curve_db"], float)
            seconds = (np.arange(len(curve)) + 0.5) / 2
            curve[(seconds > 20) & (seconds < 40)] = np.nan
            axis.plot(
                seconds,
                curve,
                color=f"C{index}",
                linewidth=1.8 if name in OURS else 0.8,
                linestyle="-" if name in OURS else "--",
                label=name,
            )
        axis.axvspan(20, 40, color="0.93")
        axis.set_title(condition, fontsize=9)
        axis.set_ylim(-5, 70)
    for axis in list(axes.flat)[len(echo) :]:
        axis.axis("off")
    for axis in axes[:, 0]:
        axis.set_ylabel("ERLE, dB")
    for axis in axes[-1]:
        axis.set_xlabel("s (grey: double talk; path changes at 40 s)")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(names), fontsize=8)
    save(figure, path)


def draw_spectrograms(path: Path, seed: int) -> None:
    """Microphone, talker, and every system's output, around the beginning of double talk; noise suppressors
    below."""
    from matplotlib import pyplot

    speaking = {"seconds": 26, "near_from_s": 20, "near_to_s": 26, "change_s": None}
    scene = make_scene(seed=seed, ser_db=-10.0, **speaking)
    noisy = make_scene(seed=seed, far_kind="silence", noise_kind="drive", noise_db=-5, **speaking)
    panels = [("microphone, SER -10 dB", scene.mic), ("the talker", scene.near)]
    panels += outputs(ECHO_CANCELLERS, scene.mic, scene.far)
    panels += [("microphone, drive noise, SNR 5 dB", noisy.mic), ("the talker", noisy.near)]
    panels += outputs(NOISE_SUPPRESSORS, noisy.mic, noisy.far)
    rows = -(-len(panels) // 4)
    figure, axes = pyplot.subplots(
        rows, 4, figsize=(15, 2.2 * rows), sharex=True, sharey=True, layout="constrained"
    )
    for axis, (title, signal) in zip(axes.flat, panels, strict=False):
        part = signal[int(PICTURE_FROM_S * RATE) : int(PICTURE_TO_S * RATE)]
        axis.specgram(part + 1e-9, NFFT=320, noverlap=80, Fs=RATE, vmin=-120, vmax=-45, cmap="magma")
        axis.set_title(title, fontsize=9)
    for axis in list(axes.flat)[len(panels) :]:
        axis.axis("off")
    save(figure, path)


def outputs(systems: dict[str, Any], mic: np.ndarray, far: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Output of each system that is there, without its delay."""
    out = []
    for name, system in systems.items():
        try:
            result = system(mic, far)
        except (ImportError, OSError, AttributeError):
            continue
        out.append((name, result.out[result.latency_samples :]))
    return out


def save(figure: Any, path: Path) -> None:
    """Write the figure with few colours, so that it stays small."""
    from matplotlib import pyplot

    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=80)
    pyplot.close(figure)
    picture = Image.open(memory).convert("RGB").quantize(48, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
