"""What voices cost: writes bench/results/tts_voices.md.

Processor time of all threads, so that other work on the machine does not count: to the first sound of a short
reply, for a second of sound, and to render the fixed replies at the start.

Run: ``python bench/tts_voices.py [FOLDER ...]``, each the folder of a sherpa-onnx voice; espeak-ng is always
measured.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from carvoice.dialogue import Replies
from carvoice.resources import data_path
from carvoice.tts import CachedVoice, EspeakVoice, SherpaVoice, Voice

RESULTS = Path(__file__).parent / "results"
REPLIES = 20


def spent(voice: Voice, text: str) -> tuple[float, float, float]:
    """Processor seconds to the first sound and to the last, and seconds of sound."""
    start_s = time.process_time()
    first_s, samples = 0.0, 0
    for sound in voice.synthesize(text):
        first_s = first_s or time.process_time() - start_s
        samples += len(sound)
    return first_s, time.process_time() - start_s, samples / 16_000


def row(name: str, voice: Voice, fixed: tuple[str, ...]) -> str:
    texts = [f"The temperature is set to {16 + index / 4:g} degrees." for index in range(REPLIES)]
    spent(voice, "warm")
    costs = np.array([spent(voice, text) for text in texts])
    first_ms = np.percentile(costs[:, 0], (50, 95)) * 1e3
    cached = CachedVoice(voice)
    start_s = time.process_time()
    cached.warm(fixed)
    warm_s = time.process_time() - start_s
    a_second_ms = costs[:, 1].sum() / costs[:, 2].sum() * 1e3
    return f"| {name} | {first_ms[0]:.1f} | {first_ms[1]:.1f} | {a_second_ms:.1f} | {warm_s:.1f} |"


def main() -> None:
    fixed = Replies.load(data_path("grammars", "en", "replies.yaml")).fixed()
    voices: dict[str, Voice] = {"espeak-ng": EspeakVoice()}
    voices |= {Path(folder).name: SherpaVoice(Path(folder)) for folder in sys.argv[1:]}
    lines = [
        "# What voices cost",
        "",
        f"Processor milliseconds of all threads; {REPLIES} replies of six words that were not said before.",
        "Made by `python bench/tts_voices.py FOLDER ...`.",
        "",
        f"| voice | first sound p50 | p95 | a second of sound | {len(fixed)} fixed replies at the start, s |",
        "|---|---|---|---|---|",
        *(row(name, voice, fixed) for name, voice in voices.items()),
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tts_voices.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
