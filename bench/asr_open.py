"""A downloaded free-text model: what it hears with the grammar's phrases as hotwords, and what it costs.

    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/asr_open.py SPEECH/coffee-dev MODEL_FOLDER

Real spoken orders, whose list values are the hotwords; understood exactly as written, and with repair by
sound. Processor time over audio time on one thread, alone and beside the grammar's recognizer. The bonus
per token is not tuned on these recordings. Writes ``bench/results/asr-open.md``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from carvoice.asr.evaluate import judge, load_recordings, read_sound
from carvoice.asr.grammar_recognizer import GrammarRecognizer
from carvoice.asr.open_models import load_open_model
from carvoice.asr.open_recognizer import OpenRecognizer
from carvoice.asr.recognizer import Recognizer
from carvoice.asr.side_by_side import SideBySide
from carvoice.grammar import build_acceptor, compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu.understander import Understander, UnderstanderSettings
from carvoice.records import SAMPLE_RATE_HZ

RESULT = Path(__file__).parent / "results" / "asr-open.md"
CHUNK = SAMPLE_RATE_HZ // 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--limit", type=int, default=10_000, help="recordings")
    args = parser.parse_args()
    automaton = compile_grammar(load_grammar(next(args.folder.glob("*.yaml"))))
    lexicon = Lexicon.load()
    exactly = Understander(automaton, None, UnderstanderSettings(near_misses=False))
    by_sound = Understander(automaton, lexicon)
    model = load_open_model(args.model)
    phrases = sorted(automaton.list_texts())
    free = OpenRecognizer(model)
    grammar = GrammarRecognizer(build_acceptor(automaton), lexicon=lexicon)
    ways: dict[str, Recognizer] = {
        "free text, greedy": free,
        "free text, beam, no phrase of the grammar": OpenRecognizer(model, ["carvoice"]),
        "free text, hotwords, 1.5 per token": OpenRecognizer(model, phrases, 1.5),
        "free text, hotwords, 3.0 per token": OpenRecognizer(model, phrases, 3.0),
        "grammar alone": grammar,
        "grammar and free text side by side": SideBySide(grammar, free),
    }
    recordings = [(item, read_sound(item.path)) for item in load_recordings(args.folder)[: args.limit]]
    sound_s = sum(len(sound) for _, sound in recordings) / SAMPLE_RATE_HZ
    lines = [
        "# A free-text model beside the grammar's recognizer\n",
        f"Made by `bench/asr_open.py`: {len(recordings)} real spoken orders, clean; {model.name}, a "
        f"{model.kind} model; {len(phrases)} phrases of the grammar's lists as hotwords. RTF is processor "
        "time over audio time on one thread, final result included.\n",
        "| recognizer | right %, as written | right %, repaired by sound | RTF |",
        "|---|---|---|---|",
    ]
    for name, recognizer in ways.items():
        verdicts, cpu_s = [], 0.0
        for recording, sound in recordings:
            stream = recognizer.create_stream()
            began_s = time.process_time()
            for start in range(0, len(sound), CHUNK):
                stream.accept(sound[start : start + CHUNK])
                stream.partial()
            heard = stream.finish()
            cpu_s += time.process_time() - began_s
            for understander in (exactly, by_sound):
                meant = understander.parse(heard.text)[0]
                slots = {slot: value.text or value.value for slot, value in meant.slots.items()}
                verdicts.append(judge(recording, "" if meant.rejected else meant.intent, slots)[0] == "right")
        written, repaired = (100 * sum(verdicts[at::2]) / len(recordings) for at in (0, 1))
        lines.append(f"| {name} | {written:.1f} | {repaired:.1f} | {cpu_s / sound_s:.3f} |")
        print(lines[-1], flush=True)
    RESULT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
