"""What recognition costs on one thread, and how long after the last word the result is there.

    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/asr_cost.py --checkpoint last.pt --prior prior.npy

Processor time, not wall time, so that other work on the machine counts little; the load goes into the table.
With --checkpoint and --prior, those of the streaming network, it is exported once more for chunks of 320 ms
and measured beside the shipped one, with the same network for finals. Sounds are the
demonstration clips. Writes ``bench/results/asr-cost.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.grammar_recognizer import GrammarRecognizer, GrammarStream
from carvoice.asr.models import Model, load_model
from carvoice.asr.utterance_model import Utterance, UtteranceModel
from carvoice.audio.devices import read_wav
from carvoice.grammar import build_acceptor, compile_grammar, load_grammar
from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from carvoice.resources import data_path
from training.export import export, write_description
from training.finals import NAME as FINALS
from training.finals import enter

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "asr-cost.md"
STEP_SAMPLES = 160
ROUNDS = 3

LOADING = """
import json, sys, time
from pathlib import Path
def rss_mb():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
import carvoice.asr.grammar_recognizer as room
from carvoice.asr.models import load_model
from carvoice.grammar import build_acceptor, compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.resources import data_path
imported_mb = rss_mb()
automaton = compile_grammar(load_grammar(data_path("grammars", "en")))
acceptor, lexicon = build_acceptor(automaton), Lexicon.load()
before_mb, began = rss_mb(), time.process_time()
recognizer = room.GrammarRecognizer(acceptor, load_model(Path(sys.argv[1])), lexicon, cache=Path(sys.argv[2]))
stream = recognizer.create_stream()
loaded_s = time.process_time() - began
import numpy as np
stream.accept(np.zeros(16000 * 15, np.float32)); stream.finish()
print(json.dumps([loaded_s, imported_mb, before_mb, rss_mb()]))
"""


def loading(model: Path, cache: Path) -> list[float]:
    """Processor seconds to load, and resident MB: after imports, with grammar and lexicon, at the end."""
    command = [sys.executable, "-c", LOADING, str(model), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]


def speech_end(sound: FloatArray) -> int:
    """Sample after the last 10 ms within 35 dB of the loudest."""
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    power = np.mean(np.square(frames), axis=1)
    return int(np.flatnonzero(power > power.max() * 10**-3.5)[-1] + 1) * 160


def clips() -> list[FloatArray]:
    """The demonstration's clips, cut at the end of speech."""
    sounds = [read_wav(path) for path in sorted(data_path("demo").glob("*.wav"))]
    return [np.asarray(sound[: speech_end(sound)], np.float32) for sound in sounds]


def percentiles(values: list[float]) -> str:
    return f"{np.percentile(values, 50):.0f} | {np.percentile(values, 95):.0f}"


def measure(recognizer: GrammarRecognizer, sounds: list[FloatArray]) -> dict[str, float | str]:
    """Figures of one chunk length."""
    spent = heard = 0.0
    flush_ms, pause_ms, wait_ms = [], [], []
    rng = np.random.default_rng(0)
    for sound in sounds:
        tail = (1e-3 * rng.standard_normal(SAMPLE_RATE_HZ)).astype(np.float32)
        best = []
        for _ in range(ROUNDS):
            stream = recognizer.create_stream()
            began = time.process_time()
            for start in range(0, len(sound), STEP_SAMPLES * 10):
                stream.accept(sound[start : start + STEP_SAMPLES * 10])
                stream.partial()
            middle = time.process_time()
            final = stream.finish()
            best.append((time.process_time() - middle, middle - began, after_a_pause(stream, sound, tail)))
        flush_ms.append(1e3 * min(flush for flush, _, _ in best))
        pause_ms.append(1e3 * min(pause for _, _, pause in best))
        spent += min(flush + feed for flush, feed, _ in best)
        heard += len(sound) / SAMPLE_RATE_HZ
        wait_ms.append(1e3 * waited(recognizer, sound, tail, final.text))
    return {
        "rtf": spent / heard,
        "flush": percentiles(flush_ms),
        "pause": percentiles(pause_ms),
        "wait": percentiles(wait_ms),
    }


def after_a_pause(stream: GrammarStream, sound: FloatArray, tail: FloatArray) -> float:
    """Processor seconds to the final when the endpoint had a preview made earlier in the pause."""
    stream.accept(sound)
    stream.accept(tail[: SAMPLE_RATE_HZ // 5])
    stream.preview()
    stream.accept(tail[: SAMPLE_RATE_HZ // 10])
    began = time.process_time()
    stream.finish(as_previewed=True)
    return time.process_time() - began


def waited(recognizer: GrammarRecognizer, sound: FloatArray, tail: FloatArray, text: str) -> float:
    """Seconds of further sound until the partial, without flushing, says the final text; 1 s at most."""
    stream = recognizer.create_stream()
    stream.accept(sound)
    for start in range(0, len(tail), STEP_SAMPLES):
        if stream.partial().text == text:
            return start / SAMPLE_RATE_HZ
        stream.accept(tail[start : start + STEP_SAMPLES])
    return len(tail) / SAMPLE_RATE_HZ


def prior_weight(model: Path) -> float:
    """The alpha that the model was exported with."""
    found = re.search(r"^prior_alpha = ([\d.]+)", (model / "model.toml").read_text(encoding="utf-8"), re.M)
    return float(found[1]) if found else 0.0


def network_rtf(model: Model, sounds: list[FloatArray]) -> float:
    """Of one run of the streaming network, features included."""
    sound, network = np.concatenate(sounds), AcousticModel(model)
    return least_s(lambda: network.create_stream().accept(sound)) / (len(sound) / SAMPLE_RATE_HZ)


def finals_rtf(model: Model, sounds: list[FloatArray]) -> float:
    """Of the network for finals, which reads each clip once, features included."""
    network = UtteranceModel(model)

    def read() -> None:
        for sound in sounds:
            utterance = Utterance(network)
            utterance.accept(sound)
            utterance.at_end(np.zeros(0, np.float32))

    return least_s(read) / (sum(map(len, sounds)) / SAMPLE_RATE_HZ)


def least_s(work: Callable[[], object]) -> float:
    """Processor seconds, of the best round."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "asr-en")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--no-write", action="store_true", help="print the table only")
    args = parser.parse_args()
    sounds = clips()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = {160: args.model}
        if args.checkpoint and args.prior:
            longer = folder / "longer"
            log_prior = np.log(np.load(args.prior))
            alpha = prior_weight(args.model)
            exported = export(args.checkpoint, log_prior, alpha, longer, chunk_frames=32)
            write_description(longer, exported.int8, 32, alpha, load_model(args.model).look_ahead_ms)
            shutil.copy(args.model / "tuning.toml", longer)
            shutil.copy(args.model / FINALS, longer)
            enter(longer)
            models[320] = longer
        first, again = loading(args.model, folder / "cache"), loading(args.model, folder / "cache")
        acceptor = build_acceptor(compile_grammar(load_grammar(data_path("grammars", "en"))))
        rows = []
        for chunk_ms, path in models.items():
            model = load_model(path)
            recognizer = GrammarRecognizer(acceptor, model, cache=folder / "cache")
            found = measure(recognizer, sounds)
            rows.append(
                f"| {chunk_ms} ms | {network_rtf(model, sounds):.4f} | {finals_rtf(model, sounds):.4f} "
                f"| {found['rtf']:.3f} | {found['flush']} | {found['pause']} | {found['wait']} |"
            )
    load, _, _ = os.getloadavg()
    seconds = sum(map(len, sounds)) / SAMPLE_RATE_HZ
    text = "\n".join(
        [
            "# What recognition costs\n",
            f"Made by `bench/asr_cost.py` on {platform.machine()}, one thread, processor time, best of "
            f"{ROUNDS}; the full car grammar, {len(sounds)} clips of {seconds / len(sounds):.1f} s; "
            f"load {load:.1f} on {os.cpu_count()} processors (more than that inflates processor time, too). "
            "Recognizer RTF is of all of it: two runs of the streaming network (one in sherpa-onnx, one for "
            "scores), one of the network for finals, searches, partials, final scoring.\n",
            "| chunk | streaming network RTF | finals network RTF | recognizer RTF | flush p50, ms | p95 "
            "| endpoint p50, ms | p95 | unflushed p50, ms | p95 |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "\n*Flush* is the processor time from the last sample of speech to the final result when the "
            "end is padded and flushed, as the assistant does it (target: at most 40 ms); the endpoint's "
            "wait of 200 ms after a complete command comes before it. *Endpoint*: from the endpoint's "
            "decision, when it had the words so far read in the same pause and nobody spoke since, which "
            "is so for all that is spoken to its end. *Unflushed* is how much more sound "
            "it would take until the text is "
            "whole if one waited for the network's look-ahead and the next chunk instead.\n",
            "| loading | |",
            "|---|---|",
            f"| recognizer, first start (graph is built) | {first[0]:.2f} s |",
            f"| recognizer, graph in the cache | {again[0]:.2f} s |",
            f"| resident memory after imports | {again[1]:.0f} MB |",
            f"| with grammar and lexicon | {again[2]:.0f} MB |",
            f"| with the recognizer, after 15 s of sound | {again[3]:.0f} MB |",
            "",
        ]
    )
    print(text)
    if not args.no_write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
