"""Speech from text with the synthesizers a Debian machine installs: espeak-ng, flite, festival.

Each utterance comes with the phones its synthesizer says it spoke. Formants and pitch are spread by
resampling, tempo and intonation by the synthesizer's own controls. The voices in `HELD_OUT` are never trained
on: they make the held-out tests and the demonstration clips.

Command: `python -m training.synthesize TEXT OUT --kind espeak --start 0 --end 16000 --prefix es`; resumes per
shard. Other corpora: `python -m training.synthesize --manifest DIR OUT --prefix ss`, a folder with
`manifest.tsv` (file, text, optionally start_s, seconds, voice or speaker, phones).
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.signal import resample

from training.accent import LANGUAGES, spell_indian
from training.noise import SAMPLE_RATE_HZ, FloatArray
from training.phones import from_festival, from_ipa
from training.shards import ShardWriter

ESPEAK_ACCENTS = (
    *("en-us",) * 5,
    *("en-us-nyc", "en-gb", "en-gb", "en-gb-x-rp", "en-gb-x-gbclan", "en-029"),
)
ESPEAK_VARIANTS = tuple(
    """Alex Alicia Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike
    Nguyen anika antonio aunty belinda benjamin boris caleb david ed edward edward2 f1 f2 f3 f4 f5
    grandma grandpa gustave iven iven2 iven3 iven4 john kaukovalta klatt klatt2 klatt3 klatt4 klatt5
    klatt6 linda m1 m2 m3 m4 m5 m7 m8 marcelo max michel miguel norbert pablo paul pedro quincy rob
    robert sandro shelby steph steph2 steph3 travis victor zac
    """
)
FLITE_VOICES = ("slt", "awb")
FESTIVAL_VOICES = ("voice_cmu_us_slt_arctic_hts", "voice_kal_diphone")
HELD_OUT = (
    *("espeak:Andrea", "espeak:adam", "espeak:m6", "flite:rms", "festival:voice_ked_diphone"),
    "ksp",
)

_FLITE_PITCH_HZ = {"slt": 175, "rms": 100, "awb": 125}
_FLITE_RATES = {"slt": (0.84, 1.15), "rms": (0.88, 1.28), "awb": (0.86, 1.25)}
_LINES_PER_SHARD = 500


@dataclass(frozen=True, slots=True)
class Utterance:
    """Synthesized speech, float32 at 16 kHz, and what it says."""

    samples: FloatArray
    phones: tuple[str, ...]
    voice: str
    text: str


def _play_faster(samples: NDArray[np.floating], rate_hz: int, ratio: float) -> FloatArray:
    """Resample to 16 kHz played `ratio` times faster."""
    padded = next_fast_len(len(samples))
    wanted = round(len(samples) * SAMPLE_RATE_HZ / rate_hz / ratio)
    size = round(padded * SAMPLE_RATE_HZ / rate_hz / ratio)
    return np.asarray(resample(np.pad(samples, (0, padded - len(samples))), size)[:wanted], dtype=np.float32)


def tidy(samples: FloatArray) -> NDArray[np.int16] | None:
    """Centre, scale to a peak of 0.7, trim to 50 ms around the sound; None for silence or under 0.2 s."""
    samples = samples - samples.mean()
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < 1e-4:
        return None
    samples = samples / peak * 0.7
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    samples = samples[max(0, loud[0] - 800) : loud[-1] + 800]
    return (samples * 32767).astype(np.int16) if len(samples) >= 3200 else None


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout


def espeak(
    text: str, rng: random.Random, variant: str | None = None, accent: str | None = None
) -> Utterance | None:
    """Speak with a random (or the given) accent, variant, rate and pitch; None where a phone is unknown."""
    accent = accent or rng.choice(ESPEAK_ACCENTS)
    if variant is None and rng.random() < 0.93:
        variant = rng.choice(ESPEAK_VARIANTS)
    voice = f"{accent}+{variant}" if variant else accent
    samples, ipa = _espeak(voice, text, rng)
    phones = from_ipa(ipa)
    return None if phones is None else Utterance(samples, tuple(phones), f"espeak:{voice}", text)


def espeak_indian(text: str, rng: random.Random) -> Utterance | None:
    """Speak English with a random voice of an Indian language; None where a phone is unknown."""
    ipa = _run(["espeak-ng", "-q", "-v", "en-us", "--ipa", "--sep=_", text])
    spelled = spell_indian(ipa, rng)
    if spelled is None:
        return None
    voice = f"{rng.choice(LANGUAGES)}+{rng.choice(ESPEAK_VARIANTS)}"
    samples, _ = _espeak(voice, spelled[0], rng)
    return Utterance(samples, tuple(spelled[1]), f"indian:{voice}", text)


def _espeak(voice: str, text: str, rng: random.Random) -> tuple[FloatArray, str]:
    """Speak at a random rate, pitch and formant shift; returns also the phones as espeak-ng gives them."""
    ratio = rng.uniform(0.86, 1.2)
    speed, gap = int(rng.randint(115, 215) / ratio), rng.choice([0, 0, 0, 1, 2, 4])
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        options = ["-v", voice, "-s", str(speed), "-p", str(rng.randint(10, 90)), "-g", str(gap)]
        ipa = _run(["espeak-ng", *options, "--ipa", "--sep=_", "-w", wav.name, text])
        samples, rate_hz = soundfile.read(wav.name)
    return _play_faster(samples, rate_hz, ratio), ipa


def flite(text: str, rng: random.Random, voice: str) -> Utterance | None:
    """Speak with a flite voice at a random rate, pitch and formant shift; None where a phone is unknown."""
    ratio = rng.uniform(*_FLITE_RATES[voice])
    stretch = ratio / rng.uniform(0.75, 1.35)
    pitch_hz = _FLITE_PITCH_HZ[voice] * rng.uniform(0.75, 1.35)
    options = [f"duration_stretch={stretch:.3f}", f"int_f0_target_mean={pitch_hz:.0f}"]
    options.append(f"int_f0_target_stddev={rng.uniform(5, 30):.0f}")
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        settings = [part for option in options for part in ("--setf", option)]
        phones = from_festival(
            _run(["flite", "-voice", voice, "-ps", *settings, "-t", f"{text}.", "-o", wav.name])
        )
        samples, rate_hz = soundfile.read(wav.name)
    if phones is None:
        return None
    return Utterance(_play_faster(samples, rate_hz, ratio), tuple(phones), f"flite:{voice}", text)


def festival(texts: list[str], rng: random.Random, voice: str) -> Iterator[Utterance]:
    """Speak many lines in one festival process; lines it fails on are left out."""
    with tempfile.TemporaryDirectory() as folder:
        script, ratios = [f"({voice})"], []
        for index, text in enumerate(texts):
            ratio = rng.uniform(0.86, 1.18)
            ratios.append(ratio)
            script.append(f"(Parameter.set 'Duration_Stretch {ratio / rng.uniform(0.78, 1.3):.3f})")
            line = re.sub(r'["\\]', "", text)
            segments = "(mapcar (lambda (x) (item.name x)) (utt.relation.items u 'Segment))"
            script.append(f'(set! u (utt.synth (Utterance Text "{line}.")))')
            script.append(f'(utt.save.wave u "{folder}/{index}.wav" \'riff)')
            script.append(f'(format t "PHONES {index} %l\\n" {segments})')
        scheme = Path(folder) / "lines.scm"
        scheme.write_text("\n".join(script), encoding="utf-8")
        spoken = subprocess.run(
            ["festival", "--batch", str(scheme)], capture_output=True, text=True, check=False, timeout=1200
        ).stdout
        for match in re.finditer(r"PHONES (\d+) \((.*)\)", spoken):
            index = int(match[1])
            wav = Path(folder) / f"{index}.wav"
            phones = from_festival(match[2].replace('"', ""))
            if phones and wav.exists():
                samples, rate_hz = soundfile.read(wav)
                faster = _play_faster(samples, rate_hz, ratios[index])
                yield Utterance(faster, tuple(phones), f"festival:{voice}", texts[index])


def speak(kind: str, texts: list[str], rng: random.Random) -> Iterator[Utterance]:
    """Speak lines with a kind of voice: `espeak`, `espeak:VARIANT`, `indian`, `flite:VOICE[,VOICE]`,
    `festival:VOICE`.
    """
    engine, _, voice = kind.partition(":")
    if engine == "festival":
        yield from festival(texts, rng, voice)
        return
    for text in texts:
        if engine == "espeak":
            utterance = espeak(text, rng, voice or None)
        elif engine == "indian":
            utterance = espeak_indian(text, rng)
        elif engine == "flite":
            utterance = flite(text, rng, rng.choice((voice or ",".join(FLITE_VOICES)).split(",")))
        else:
            raise ValueError(
                f"unknown kind of voice {kind!r}: use espeak, indian, flite:VOICE or festival:VOICE"
            )
        if utterance is not None:
            yield utterance


def synthesize(kind: str, texts: list[str], out: Path, name: str, seed: int) -> int:
    """Write one audio shard; returns how many utterances it holds."""
    writer = ShardWriter(out / name)
    for utterance in speak(kind, texts, random.Random(seed)):
        samples = tidy(utterance.samples)
        if samples is not None and utterance.phones:
            writer.add(samples, utterance.voice, utterance.text, " ".join(utterance.phones))
    return writer.write()


def pronounce(text: str) -> str | None:
    """Return the phones of running text as espeak-ng (American English) reads it, or None if one is
    unknown.
    """
    phones = from_ipa(_run(["espeak-ng", "-q", "-v", "en-us", "--ipa", "--sep=_", text]).replace("\n", " "))
    return " ".join(phones) if phones else None


def import_manifest(folder: Path, out: Path, prefix: str, skip: tuple[str, ...] = ()) -> int:
    """Turn a folder of recordings with a `manifest.tsv` into audio shards, one per voice and source file
    group.
    """
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    writers: dict[str, ShardWriter] = {}
    opened, samples = "", np.zeros(0, np.int16)
    for row in rows:
        voice = row.get("voice") or row.get("speaker") or "unknown"
        group = row.get("corpus") or voice
        if voice in skip or any(row["file"].startswith(f"{name}/") for name in skip):
            continue
        if row["file"] != opened:
            samples, rate_hz = soundfile.read(folder / row["file"], dtype="int16")
            opened = row["file"]
            if rate_hz != SAMPLE_RATE_HZ:
                raise ValueError(f"{folder / opened}: {rate_hz} Hz, 16000 Hz needed")
        start = int(float(row.get("start_s") or 0) * SAMPLE_RATE_HZ)
        end = start + int(float(row["seconds"]) * SAMPLE_RATE_HZ)
        phones = row.get("phones") or pronounce(row["text"])
        if phones:
            writer = writers.setdefault(group, ShardWriter(out / f"{prefix}-{group}"))
            writer.add(samples[start:end], voice, row["text"], phones)
    return sum(writer.write() for writer in writers.values())


def main() -> None:
    """Synthesize the missing shards, or import a corpus."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "text", type=Path, help="one utterance a line; or, with --manifest, the corpus folder"
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", default="espeak")
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--end", type=int, default=None)
    parser.add_argument("--manifest", action="store_true")
    parser.add_argument(
        "--skip", default="coffee-dev,digits-dev,ksp", help="voices and folders left out of a corpus"
    )
    arguments = parser.parse_args()
    if arguments.manifest:
        skip = tuple(arguments.skip.split(","))
        print(import_manifest(arguments.text, arguments.out, arguments.prefix, skip))
        return
    engine = arguments.kind.partition(":")[0]
    program = {"espeak": "espeak-ng", "indian": "espeak-ng"}.get(engine, engine)
    if shutil.which(program) is None:
        parser.error(f"{program} is not installed (apt install {program})")
    lines = arguments.text.read_text(encoding="utf-8").splitlines()[: arguments.end]
    for start in range(arguments.start, len(lines), _LINES_PER_SHARD):
        name = f"{arguments.prefix}_{start:06d}"
        if not (arguments.out / f"{name}.json").exists():
            block = lines[start : start + _LINES_PER_SHARD]
            print(name, synthesize(arguments.kind, block, arguments.out, name, start), flush=True)


if __name__ == "__main__":
    main()
