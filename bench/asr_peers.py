"""Real spoken orders, side by side: the embedded model, a small zipformer, and PocketSphinx.

    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/asr_peers.py [--work DIR]

Needs the measuring material (CARVOICE_SHARED or ../shared): 123 orders and a 3.3 M parameter streaming
zipformer. PocketSphinx (pip install pocketsphinx) brings its own English model and decodes with the same
grammar, given to it as a finite-state grammar with pronunciations of our lexicon, over the better of two
floors of hiss. Whoever is not installed is named as absent. Nothing else is tuned on these recordings. Writes
``bench/results/asr-peers.md``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sherpa_onnx
from asr_model import finals_of

from carvoice.grammar import Automaton, build_acceptor, compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu import Understander, UnderstanderSettings
from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from training.evaluate import Recording, coffee_recordings, in_cabin

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "asr-peers.md"
GRAMMAR = ROOT / "bench" / "grammars" / "coffee.yaml"
SHARED = Path(os.environ.get("CARVOICE_SHARED", ROOT.parent / "shared"))
ORDERS = SHARED / "speech" / "coffee-dev"
ZIPFORMER = SHARED / "models" / "kws-zipformer-gigaspeech-3.3M"
SNR_DB = (None, 12.0, 6.0)
OURS = "carvoice asr-en"

Engine = Callable[[FloatArray], str]


def embedded() -> Engine:
    """Networks and grammar graph, nothing around them."""
    hear, words = finals_of(ROOT / "models" / "asr-en", GRAMMAR)
    return lambda sound: " ".join(words[number] for number in hear(sound))


def zipformer() -> Engine:
    """Open vocabulary, modified beam search, 1-best text."""
    recognizer = sherpa_onnx.OnlineRecognizer.from_transducer(
        tokens=str(ZIPFORMER / "tokens.txt"),
        encoder=str(ZIPFORMER / "encoder.int8.onnx"),
        decoder=str(ZIPFORMER / "decoder.onnx"),
        joiner=str(ZIPFORMER / "joiner.int8.onnx"),
        num_threads=1,
        decoding_method="modified_beam_search",
    )

    def hear(sound: FloatArray) -> str:
        stream = recognizer.create_stream()
        padded = np.pad(sound, (3_200, 10_000)).astype(np.float32)
        stream.accept_waveform(SAMPLE_RATE_HZ, padded)
        stream.input_finished()
        while recognizer.is_ready(stream):
            recognizer.decode_stream(stream)
        return str(recognizer.get_result(stream)).lower()

    return hear


def pocketsphinx(automaton: Automaton, lexicon: Lexicon) -> Engine:
    """PocketSphinx 5 with its own acoustic model, decoding the grammar."""
    from pocketsphinx import Decoder

    acceptor = build_acceptor(automaton)
    final = acceptor.n_states
    lines = ["FSG_BEGIN <coffee>", f"NUM_STATES {final + 1}", f"START_STATE {acceptor.start}"]
    lines.append(f"FINAL_STATE {final}")
    lines += [f"TRANSITION {source} {target} 1.0 {word or ''}" for source, word, target in acceptor.arcs]
    lines += [f"TRANSITION {state} {final} 1.0" for state in acceptor.finals]
    skipped = [phrase.split() for phrase in automaton.skip_texts()]
    lines += [f"TRANSITION {acceptor.start} {acceptor.start} 1.0 {p[0]}" for p in skipped if len(p) == 1]
    words = {word for _, word, _ in acceptor.arcs if word} | {p[0] for p in skipped if len(p) == 1}
    with tempfile.TemporaryDirectory() as folder:
        said = [
            f"{word if not index else f'{word}({index + 1})'} {' '.join(phones).upper()}"
            for word in sorted(words)
            for index, phones in enumerate(lexicon.pronunciations(word))
        ]
        (Path(folder) / "words.dict").write_text("\n".join(said) + "\n", encoding="utf-8")
        (Path(folder) / "coffee.fsg").write_text("\n".join([*lines, "FSG_END"]) + "\n", encoding="utf-8")
        decoder = Decoder(
            lm=None,
            fsg=f"{folder}/coffee.fsg",
            dict=f"{folder}/words.dict",
            loglevel="FATAL",
            samprate=16000.0,
            cmn="batch",
        )
    hiss = 1e-3 * np.random.default_rng(5).standard_normal(SAMPLE_RATE_HZ * 60)

    def hear(sound: FloatArray) -> str:
        sound = sound + hiss[: len(sound)]  # its features want a floor: 9 points better on clean orders
        loud = np.clip(sound / (np.abs(sound).max() + 1e-9) * 0.7, -1, 1)
        decoder.start_utt()
        decoder.process_raw((loud * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return str(found.hypstr) if found else ""

    return hear


def plain(slots: Mapping[str, Any]) -> dict[str, str]:
    return {name: " ".join(str(value).split()) for name, value in slots.items()}


def exact_share(
    understander: Understander, recordings: list[Recording], texts: list[str], by_sound: bool
) -> float:
    """Per cent of orders with every slot right and none too many."""
    right = 0
    for recording, text in zip(recordings, texts, strict=True):
        if by_sound:
            got = plain(understander.parse(text)[0].values)
        else:
            readings = understander.exact.parse(text)
            got = plain({name: slot.value for name, slot in readings[0].slots.items()}) if readings else {}
        right += got == plain(recording.slots)
    return 100 * right / len(recordings)


def listen(hear: Engine, recordings: list[Recording]) -> dict[str, Any]:
    """The texts of every condition, and processor time over sound."""
    texts, cpu_s, sound_s = [], 0.0, 0.0
    for snr_db in SNR_DB:
        some = []
        for recording in recordings:
            hiss = np.random.default_rng(3).standard_normal(len(recording.samples))
            sound = recording.samples + 1e-4 * hiss.astype(np.float32)
            if snr_db is not None:
                sound = in_cabin(sound, snr_db, [7, *recording.name.encode()])
            began = time.process_time()
            some.append(hear(sound.astype(np.float32)))
            cpu_s += time.process_time() - began
            sound_s += len(sound) / SAMPLE_RATE_HZ
        texts.append(some)
    return {"texts": texts, "rtf": cpu_s / sound_s}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, help="keep here what the others heard, for the next time")
    parser.add_argument("--limit", type=int, help="recordings, by default all")
    parser.add_argument("--no-write", action="store_true", help="print the table only")
    args = parser.parse_args()
    if not ORDERS.is_dir() or not ZIPFORMER.is_dir():
        print(f"no measuring material in {SHARED}; set CARVOICE_SHARED")
        return
    automaton, lexicon = compile_grammar(load_grammar(GRAMMAR)), Lexicon.load()
    understander = Understander(automaton, lexicon, UnderstanderSettings(reject_below=0.0))
    recordings = coffee_recordings(ORDERS)[: args.limit]
    engines: dict[str, Engine] = {OURS: embedded(), "zipformer 3.3M": zipformer()}
    absent = []
    if importlib.util.find_spec("pocketsphinx"):
        engines["PocketSphinx 5, grammar"] = pocketsphinx(automaton, lexicon)
    else:
        absent.append("PocketSphinx (not installed)")
    absent.append("Vosk (no package index holds an English model for it)")
    heads = [name for snr in SNR_DB for name in ("clean" if snr is None else f"{snr:g} dB",)]
    kept = args.work / "peers.json" if args.work else None
    heard = json.loads(kept.read_text()) if kept and kept.exists() else {}
    rows = []
    for name, hear in engines.items():
        if name == OURS or name not in heard:
            heard[name] = listen(hear, recordings)
            if kept:
                kept.write_text(json.dumps(heard))
        texts, rtf = heard[name]["texts"], heard[name]["rtf"]
        literal, repaired = (
            " | ".join(f"{exact_share(understander, recordings, some, by_sound):.1f} %" for some in texts)
            for by_sound in (False, True)
        )
        rows.append(f"| {name} | {literal} | {rtf:.4f} |")
        if "grammar" not in name and name != OURS:
            rows.append(f"| {name}, repaired by sound | {repaired} | {rtf:.4f} |")
        print(rows[-1], flush=True)
    lines = [
        "# Beside other recognizers\n",
        f"Made by `bench/asr_peers.py`: {len(recordings)} spoken coffee orders by real people (coffee-dev), "
        "exact (every slot right, none too many), clean and in a simulated cabin. asr-en and PocketSphinx "
        "decode the grammar; the zipformer writes open text, parsed word for word and with carvoice's "
        "repair by sound (whose scale was chosen with a look at this set, see nlu_coffee.md). No "
        "recognizer may refuse here. RTF is processor "
        "time over sound, one thread, without the repair.\n",
        "| recognizer | " + " | ".join(heads) + " | RTF |",
        "|---|" + "---|" * (len(heads) + 1),
        *rows,
        f"\nAbsent: {'; '.join(absent)}.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if not args.no_write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
