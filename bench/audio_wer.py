"""Word errors with and without the front end: python bench/audio_wer.py [sentences].

Sentences of the shared LJ Speech set, heard in the simulated cabin, recognized by the shared streaming
zipformer. Writes bench/results/audio_wer.md. The interval is that of the difference in word errors between
our default output and the microphone (paired bootstrap over the sentences).
"""

from __future__ import annotations

import csv
import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from audio_room import DRIVER_M, LOUDSPEAKER_M, MICROPHONE_M, RATE, impulse_response
from audio_scenes import SHARED, cabin_noise, music
from scipy.signal import fftconvolve

from carvoice.audio import FrontEnd, FrontEndSettings

MODEL = SHARED / "models" / "kws-zipformer-gigaspeech-3.3M"
Signal = np.ndarray


def sentences(count: int) -> list[tuple[Signal, list[str]]]:
    with (SHARED / "speech" / "manifest.tsv").open(newline="") as file:
        rows = [
            r
            for r in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if r["corpus"] == "ljspeech"
        ]
    rows = [r for r in rows if 3 < float(r["seconds"]) < 9][:: max(1, len(rows) // (2 * count))][:count]
    out = []
    for row in rows:
        x, _ = soundfile.read(SHARED / "speech" / row["file"], dtype="float64")
        words = re.sub(r"[^a-z' ]", " ", row["text"].lower().replace("-", " ")).split()
        out.append((x, words))
    return out


def edits(a: list[str], b: list[str]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def recognizer() -> Callable[[Signal], list[str]]:
    import sherpa_onnx

    engine = sherpa_onnx.OnlineRecognizer.from_transducer(
        tokens=str(MODEL / "tokens.txt"),
        encoder=str(MODEL / "encoder.int8.onnx"),
        decoder=str(MODEL / "decoder.onnx"),
        joiner=str(MODEL / "joiner.int8.onnx"),
        num_threads=1,
        decoding_method="modified_beam_search",
    )

    heard: dict[bytes, list[str]] = {}  # most ways hand on the same samples where nothing plays

    def recognize(x: Signal) -> list[str]:
        x = np.asarray(x, np.float32)
        key = hashlib.sha256(x.tobytes()).digest()
        if key not in heard:
            heard[key] = decode(x)
        return heard[key]

    def decode(x: Signal) -> list[str]:
        stream = engine.create_stream()
        stream.accept_waveform(RATE, np.concatenate([x, np.zeros(RATE // 2)]).astype(np.float32))
        stream.input_finished()
        while engine.is_ready(stream):
            engine.decode_stream(stream)
        return engine.get_result(stream).lower().split()

    return recognize


def conditions(spoken: Signal, far: Signal, index: int) -> dict[str, tuple[Signal, Signal]]:
    """Name to (mic, far); the sentence starts after ``lead`` seconds of echo and noise."""
    near = fftconvolve(spoken, impulse_response(DRIVER_M, MICROPHONE_M, 0.05))[: len(spoken)]
    level = np.sqrt(np.mean(near**2))
    near = np.concatenate([np.zeros(LEAD), near, np.zeros(RATE // 2)])
    n = len(near)
    far = far[:n]
    echo = fftconvolve(far, impulse_response(LOUDSPEAKER_M, MICROPHONE_M))[:n]
    echo = np.concatenate([np.zeros(int(0.06 * RATE)), echo])[:n]
    echo *= level / np.sqrt(np.mean(echo**2))
    quiet = level * 10 ** (-35 / 20) * cabin_noise(n / RATE + 0.1, index, "white")[:n]
    silent = np.zeros(n)
    out = {"quiet": (near + quiet, silent)}
    for kind, levels in NOISES.items():
        for snr in levels:
            noise = level * 10 ** (-snr / 20) * cabin_noise(n / RATE + 0.1, index, kind)[:n]
            out[f"{kind} {snr} dB"] = (near + noise, silent)
    for ser in (0, -10):
        out[f"echo, SER {ser} dB"] = (near + 10 ** (-ser / 20) * echo + quiet, far)
    noise = level * 10 ** (-15 / 20) * cabin_noise(n / RATE + 0.1, index, "drive")[:n]
    out["echo, SER 0 dB, drive 15 dB"] = (near + echo + noise, far)
    return out


LEAD = 3 * RATE
NOISES = {"drive": (15, 5), "wind": (10,), "rain": (10,), "fan": (5,)}
SYSTEMS: dict[str, tuple[dict[str, object], str] | None] = {
    "microphone": None,
    "asr (default)": ({}, "asr"),
    "asr, echo share 0": ({"asr_echo_share": 0.0}, "asr"),
    "asr, echo share 1": ({"asr_echo_share": 1.0}, "asr"),
    "vad": ({}, "vad"),
}


def interval(difference: np.ndarray, words: np.ndarray) -> tuple[float, float]:
    """95 % interval of the sum of differences over that of words, percent."""
    rows = np.random.default_rng(1).integers(len(words), size=(4000, len(words)))
    low, high = np.percentile(100 * difference[rows].sum(axis=1) / words[rows].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)


def main(count: int) -> None:
    recognize = recognizer()
    wrong: dict[tuple[str, str], list[int]] = {}
    words_each: list[int] = []
    names: list[str] = []
    for index, (spoken, words) in enumerate(sentences(count)):
        far = music(LEAD / RATE + len(spoken) / RATE + 1, index)
        words_each.append(len(words))
        print(f"sentence {index + 1}", flush=True)
        for condition, (heard_all, played_all) in conditions(spoken, far, index).items():
            whole = len(heard_all) // 160 * 160  # the front end keeps an unfinished frame
            mic, played = heard_all[:whole], played_all[:whole]
            if condition not in names:
                names.append(condition)
            for system, how in SYSTEMS.items():
                front_end = FrontEnd(FrontEndSettings(**(how[0] if how else {})))  # type: ignore[arg-type]
                heard = mic[: len(mic) - front_end.latency_samples]  # as long for all
                if how is not None:
                    out = front_end.process(mic.astype(np.float32), played.astype(np.float32))
                    heard = getattr(out, how[1])[front_end.latency_samples :]
                key = (system, condition)
                wrong.setdefault(key, []).append(edits(words, recognize(heard[LEAD - RATE // 2 :])))
        write(wrong, words_each, names)


def write(wrong: dict[tuple[str, str], list[int]], words_each: list[int], names: list[str]) -> None:
    """The table so far."""
    total = sum(words_each)
    lines = [
        f"Word errors, %, over {total} words of {len(words_each)} sentences; shared zipformer 3.3M, modified"
        " beam search.",
        "Difference: asr (default) less microphone, points, and its 95 % interval (paired bootstrap).",
        "",
        "| condition | " + " | ".join(SYSTEMS) + " | difference |",
        "|---|" + "---|" * (len(SYSTEMS) + 1),
    ]
    for condition in names:
        cells = [f"{100 * sum(wrong[s, condition]) / total:.1f}" for s in SYSTEMS]
        change = np.subtract(wrong["asr (default)", condition], wrong["microphone", condition])
        low, high = interval(change, np.array(words_each))
        cells.append(f"{100 * change.sum() / total:+.1f} ({low:+.1f} to {high:+.1f})")
        lines.append(f"| {condition} | " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "audio_wer.md").write_text(text)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
