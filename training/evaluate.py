"""Measure an exported model the way it runs: streaming in sherpa-onnx, decoded by a grammar.

Commands: `python -m training.evaluate MODEL_DIR coffee SHARED/speech/coffee-dev`,
`... digits SHARED/speech/digits-dev`, `... shards FOLDER --grammar grammars/en`, `... phones FOLDER`;
`--snr 24,18,12,6,0` adds simulated cabin noise. Prints one line a condition; `--json FILE` keeps the numbers.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hassil
import kaldifst
import numpy as np
import sherpa_onnx
import soundfile
import yaml
from rapidfuzz.distance import Levenshtein

from carvoice.grammar import build_acceptor, compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from training import noise
from training.noise import SAMPLE_RATE_HZ, FloatArray
from training.numerals import ONES
from training.phones import LABELS
from training.shards import Shard, tables

_CHUNK_SAMPLES = 1600
_TAIL_SAMPLES = 1600
_Fst = Any


@dataclass(frozen=True, slots=True)
class Recording:
    """One test utterance."""

    name: str
    samples: FloatArray
    text: str
    slots: dict[str, str]


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one condition.

    accepted: every labelled slot right; exact: accepted and no slot too many; nothing: no sentence at all.
    """

    condition: str
    count: int
    accepted: int
    exact: int
    nothing: int
    real_time_factor: float

    def line(self) -> str:
        """Return the numbers in words."""
        return (
            f"{self.condition:>8}: {self.count} utterances, "
            f"all slots right {100 * self.accepted / self.count:.1f} %, "
            f"exact {100 * self.exact / self.count:.1f} %, nothing {100 * self.nothing / self.count:.1f} %, "
            f"RTF {self.real_time_factor:.4f}"
        )


def _ctc_topology() -> _Fst:
    topology = kaldifst.StdVectorFst()
    for _ in LABELS:
        topology.add_state()
    topology.start = 0
    for label in range(len(LABELS)):
        topology.set_final(label, 0.0)
        topology.add_arc(label, kaldifst.StdArc(1, 0, 0.0, 0))
        if label:
            topology.add_arc(label, kaldifst.StdArc(label + 1, 0, 0.0, label))
        for other in range(1, len(LABELS)):
            if other != label:
                topology.add_arc(label, kaldifst.StdArc(other + 1, other + 1, 0.0, other))
    kaldifst.arcsort(topology, sort_type="olabel")
    return topology


def build_graph(grammar: Path, out: Path) -> dict[int, str]:
    """Write the decoding graph of a HassIL grammar, nothing around it; returns the words of its output
    labels.
    """
    loaded = load_grammar(grammar)
    acceptor = build_acceptor(compile_grammar(loaded))
    lexicon = Lexicon.load()
    words: dict[str, int] = {}
    fst = kaldifst.StdVectorFst()
    for _ in range(acceptor.n_states):
        fst.add_state()
    fst.start = acceptor.start
    for state in acceptor.finals:
        fst.set_final(state, 0.0)
    arcs = list(acceptor.arcs)
    for phrase in loaded.skip_words:
        source, parts = acceptor.start, phrase.split()
        for index, word in enumerate(parts):
            target = acceptor.start if index + 1 == len(parts) else int(fst.add_state())
            arcs.append((source, word, target))
            source = target
    for source, word, target in arcs:
        if word is None:
            fst.add_arc(source, kaldifst.StdArc(0, 0, 0.0, target))
            continue
        if word.startswith("<"):
            continue
        number = words.setdefault(word, len(words) + 1)
        for phones in lexicon.pronunciations(word):
            state = source
            for index, phone in enumerate(phones):
                following = target if index + 1 == len(phones) else fst.add_state()
                arc = kaldifst.StdArc(LABELS.index(phone) + 1, 0 if index else number, 0.0, following)
                fst.add_arc(state, arc)
                state = following
    kaldifst.arcsort(fst, sort_type="ilabel")
    graph = kaldifst.compose(_ctc_topology(), fst)
    kaldifst.connect(graph)
    kaldifst.arcsort(graph, sort_type="ilabel")
    graph.write(str(out))
    return {number: word for word, number in words.items()}


def load_recognizer(model: Path, graph: str = "", max_active: int = 3000) -> Any:
    """Return sherpa-onnx's recognizer for `model`/model.int8.onnx (or an .onnx file), decoded by `graph`
    or freely.
    """
    path = model if model.suffix == ".onnx" else model / "model.int8.onnx"
    factory = sherpa_onnx.OnlineRecognizer.from_zipformer2_ctc(
        tokens=str(path.parent / "tokens.txt"),
        model=str(path),
        num_threads=1,
        ctc_graph=graph,
        ctc_max_active=max_active,
    )
    return factory.recognizer  # its own results carry the words, the factory's only the text


def recognize(recognizer: Any, samples: FloatArray) -> Any:
    """Stream the samples in 100 ms pieces with a mirrored tail of 0.4 s; returns sherpa-onnx's result."""
    stream = recognizer.create_stream()
    end = samples[-_TAIL_SAMPLES:]
    samples = np.concatenate([samples, end[::-1], end, end[::-1], end])
    for start in range(0, len(samples), _CHUNK_SAMPLES):
        stream.accept_waveform(SAMPLE_RATE_HZ, samples[start : start + _CHUNK_SAMPLES])
        while recognizer.is_ready(stream):
            recognizer.decode_stream(stream)
    stream.input_finished()
    while recognizer.is_ready(stream):
        recognizer.decode_stream(stream)
    return recognizer.get_result(stream)


def hearing(recognizer: Any) -> Callable[[FloatArray], Sequence[int]]:
    """What sherpa-onnx's recognizer makes of a recording, as output labels of its graph."""
    return lambda samples: list(recognize(recognizer, samples).words)


def in_cabin(samples: FloatArray, snr_db: float, seed: list[int]) -> FloatArray:
    """Add a driving cabin (60-130 km/h) at `snr_db` below the active speech (20 ms frames within 25 dB of
    the peak).
    """
    rng = np.random.default_rng(seed)
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    power = np.mean(np.square(frames), 1)
    active = float(np.mean(power[power > power.max() / 316]))
    sound = noise.cabin(len(samples), float(rng.choice([60, 100, 130])), rng, rng.random() < 0.2)
    return np.asarray(samples + sound * np.sqrt(active) * 10 ** (-snr_db / 20), dtype=np.float32)


class SlotReader:
    """Reads intent and slots out of a sentence with hassil, the reference implementation of the template
    language: the slots as spoken, or what they stand for, so that other words for the same count as right.
    """

    def __init__(self, grammar: Path, as_spoken: bool = True) -> None:
        self._as_spoken = as_spoken
        files = sorted(grammar.glob("*.yaml")) if grammar.is_dir() else [grammar]
        merged: dict[str, Any] = {
            "language": "en",
            "intents": {},
            "lists": {},
            "expansion_rules": {},
            "skip_words": [],
        }
        for file in files:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            if "intents" in content or "lists" in content:
                for key in ("lists", "expansion_rules"):
                    merged[key] |= content.get(key, {})
                intents = content.get("intents", {})
                merged["intents"] |= {name: intent for name, intent in intents.items() if "data" in intent}
                merged["skip_words"] += content.get("skip_words", [])
        for word_list in merged["lists"].values():
            if isinstance(word_list.get("values"), list):
                word_list["values"] = [
                    v if isinstance(v, dict) else {"in": v, "out": v} for v in word_list["values"]
                ]
        self._intents = hassil.Intents.from_dict(merged)

    def slots(self, text: str) -> dict[str, str] | None:
        """Return the slots (and the intent under `intent`), or None outside the grammar."""
        result = hassil.recognize(text, self._intents)
        if result is None:
            return None
        slots = {
            entity.name: " ".join(str((self._as_spoken and entity.text) or entity.value).split())
            for entity in result.entities_list
        }
        return slots | {"intent": result.intent.name}


def coffee_recordings(folder: Path) -> list[Recording]:
    """Read a folder of recordings with `labels.json`."""
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    return [
        Recording(
            name,
            soundfile.read(folder / name, dtype="float32")[0],
            "",
            {slot: value.strip() for slot, value in entry["slots"].items()},
        )
        for name, entry in sorted(labels.items())
    ]


def digit_grammar(folder: Path) -> Path:
    """Write a grammar of the ten digits into the folder and return its path."""
    sentences = "\n".join(f"          - {word}" for word in ONES[:10])
    head = "language: en\nintents:\n  Digit:\n    data:\n      - sentences:\n"
    path = folder / "digits.yaml"
    path.write_text(f"{head}{sentences}\n", encoding="utf-8")
    return path


def digit_recordings(folder: Path) -> list[Recording]:
    """Read a folder of spoken digits named DIGIT_SPEAKER_TAKE.flac."""
    recordings = []
    for path in sorted(folder.glob("*.flac")):
        word = ONES[int(path.name[0])]
        samples = np.pad(soundfile.read(path, dtype="float32")[0], (4800, 1600))
        recordings.append(Recording(path.name, samples, word, {"digit": word}))
    return recordings


def shard_recordings(folder: Path, reader: SlotReader) -> list[Recording]:
    """Read audio shards, giving each utterance the slots of its own text and half a second of silence
    around it.
    """
    recordings = []
    for table in tables(folder):
        for index, (entry, data) in enumerate(Shard.load(table).items()):
            samples = np.pad(data.astype(np.float32) / 32768 * 0.4, (8000, 3200))
            slots = reader.slots(entry.text)
            if slots is not None:
                recordings.append(Recording(f"{table.stem}/{index}", samples, entry.text, slots))
    return recordings


def measure(
    hear: Callable[[FloatArray], Sequence[int]],
    words: dict[int, str],
    recordings: list[Recording],
    slots_of: Callable[[str], dict[str, str] | None],
    snr_db: float | None,
    verbose: bool = False,
) -> Score:
    """Run every recording through ``hear``, which gives output labels, and count."""
    accepted = exact = nothing = 0
    spent = heard = 0.0
    for recording in recordings:
        samples = recording.samples
        samples = samples + np.random.default_rng(3).standard_normal(len(samples)).astype(np.float32) * 1e-4
        if snr_db is not None:
            samples = in_cabin(samples, snr_db, [7, *recording.name.encode()])
        started = time.process_time()
        labels = hear(samples.astype(np.float32))
        spent += time.process_time() - started
        heard += len(samples) / SAMPLE_RATE_HZ
        text = " ".join(words[number] for number in labels)
        found = slots_of(text) if text else None
        nothing += found is None
        right = found is not None and all(found.get(k) == v for k, v in recording.slots.items())
        accepted += right
        whole = found is not None and right and not set(found) - set(recording.slots) - {"intent"}
        exact += whole
        if verbose and not whole:
            print(f"    {recording.name} {recording.slots} <- {text!r}")
    condition = "clean" if snr_db is None else f"{snr_db:g} dB"
    return Score(condition, len(recordings), accepted, exact, nothing, spent / max(heard, 1e-9))


def phone_error_rate(recognizer: Any, folder: Path, limit: int = 200) -> float:
    """Return the phone error rate of free decoding, no grammar, over the first `limit` utterances."""
    errors = total = 0
    utterances = [item for table in tables(folder) for item in Shard.load(table).items()]
    for entry, data in utterances[:limit]:
        samples = np.pad(data.astype(np.float32) / 32768 * 0.4, (4800, 1600))
        heard = list(recognize(recognizer, samples).tokens)
        spoken = entry.phones.split()
        errors += Levenshtein.distance(spoken, heard)
        total += len(spoken)
    return errors / max(total, 1)


def main() -> None:
    """Measure the conditions asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("test", choices=("coffee", "digits", "shards", "phones"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--grammar", type=Path, help="grammar of the shards")
    parser.add_argument("--snr", default="", help="comma-separated dB; always after clean")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    if arguments.test == "phones":
        rate = phone_error_rate(load_recognizer(arguments.model), arguments.folder)
        print(f"phone error rate {100 * rate:.1f} %")
        return
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.fst"
        if arguments.test == "digits":
            grammar = digit_grammar(Path(folder))
            recordings = digit_recordings(arguments.folder)
            slots_of: Callable[[str], dict[str, str] | None] = lambda text: {"digit": text}  # noqa: E731
        else:
            grammar = arguments.grammar or arguments.folder / "coffee.yaml"
            reader = SlotReader(grammar)
            slots_of = reader.slots
            if arguments.test == "coffee":
                recordings = coffee_recordings(arguments.folder)
            else:
                recordings = shard_recordings(arguments.folder, reader)
        words = build_graph(grammar, graph)
        hear = hearing(load_recognizer(arguments.model, str(graph)))
    scores = []
    for snr_db in [None, *(float(part) for part in re.findall(r"-?[\d.]+", arguments.snr))]:
        score = measure(hear, words, recordings, slots_of, snr_db, arguments.verbose)
        print(score.line(), flush=True)
        scores.append({name: getattr(score, name) for name in Score.__slots__})
    if arguments.json:
        arguments.json.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
