"""Three hundred car commands by voices held out of training, from a silent cabin to -5 dB, with music, and
right after talk.

    python -m training.held_out ORDERS --grammar grammars/en --times 2 --seed 123
    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/asr_car.py ORDERS WORK [--talk TALK] [--processes 2]
        [--model DIR]

TALK holds talk by the same voices, ``test/talk`` in the folder of ``asr_calibrate.py``; without it no command
comes after talk.

Every command is heard twice: by the recognizer alone, whatever its confidence (the target's figure), and by
the assistant's ears as they ship, front end, speech gate, endpoint, rejection and repair by sound included.
What was heard is kept in WORK/car-*.jsonl, a file for each weights; a run that was stopped goes on. Writes
``bench/results/asr-car.md``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from asr_listening import ANSWERS, CarEars, usage_but_for
from asr_rows import kept_rows, rows_of
from audio_room import DRIVER_M, LOUDSPEAKER_M, MICROPHONE_M, impulse_response
from scipy.signal import fftconvolve

from carvoice.asr.evaluate import active_power
from carvoice.audio import FrontEnd
from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from training import noise
from training.shards import Shard, tables

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "asr-car.md"
LEAD_S, TAIL_S = 4.0, 1.6  # noise and music have been there before the command, and go on after it
ECHO_DELAY_S = 0.06
GAP_S = (0.3, 1.0)  # from talk to the command
A_THIRD = 1 / 3
TARGETS = {"clean": 99.0, "cabin, 5 dB": 95.0, "cabin, 0 dB": 85.0}


@dataclass(frozen=True)
class Condition:
    """`speeds_kmh` and `window_share` say which cabin, `music_db` the level of speech above the music's echo,
    `share` how many of the commands are heard in it, `after` whose talk ends 0.3 to 1 s before it.
    """

    name: str
    snr_db: float | None = None
    share: float = 1.0
    speeds_kmh: tuple[float, ...] = (60, 100, 130)
    window_share: float = 0.2
    music_db: float | None = None
    cancel_echo: bool = True
    after: str = ""


SAME, ANOTHER = "the same voice", "another voice"
CONDITIONS = (
    Condition("clean"),
    *(Condition(f"cabin, {snr:g} dB", snr, 0.5) for snr in (15.0, 10.0)),
    *(Condition(f"cabin, {snr:g} dB", snr) for snr in (5.0, 0.0, -5.0)),
    *(Condition(f"standing, engine on, {snr:g} dB", snr, A_THIRD, (0,), 0.0) for snr in (5.0, 0.0)),
    *(Condition(f"60 km/h, {snr:g} dB", snr, A_THIRD, (60,), 0.0) for snr in (5.0, 0.0)),
    *(Condition(f"130 km/h, {snr:g} dB", snr, A_THIRD, (130,), 0.0) for snr in (5.0, 0.0)),
    *(Condition(f"60 km/h, window open, {snr:g} dB", snr, A_THIRD, (60,), 1.0) for snr in (5.0, 0.0)),
    *(
        Condition(
            f"music {what} speech, canceller {'on' if on else 'off'}",
            20.0,
            A_THIRD,
            music_db=db,
            cancel_echo=on,
        )
        for what, db in (("as loud as", 0.0), ("10 dB above", -10.0))
        for on in (False, True)
    ),
    *(
        Condition(f"right after talk by {voice}, {snr:g} dB", snr, A_THIRD, after=voice)
        for voice in (SAME, ANOTHER)
        for snr in (20.0, 5.0)
    ),
)


def scene(
    speech: FloatArray, condition: Condition, seed: list[int], talk: FloatArray | None = None
) -> tuple[FloatArray, FloatArray | None, int]:
    """What the microphone hears, what the loudspeaker plays, and where the command's own second begins."""
    rng = np.random.default_rng(seed)
    power = active_power(speech)
    before, own_s = np.zeros(0, np.float32), 0.5
    if talk is not None:
        gap_s = rng.uniform(*GAP_S)
        own_s = gap_s / 2
        talk = talk * np.sqrt(power / active_power(talk))
        before = np.concatenate([talk, np.zeros(int(gap_s * SAMPLE_RATE_HZ), np.float32)])
    lead = int(LEAD_S * SAMPLE_RATE_HZ) + len(before)
    near = np.pad(np.concatenate([before, speech]), (lead - len(before), int(TAIL_S * SAMPLE_RATE_HZ)))
    mic = near + 1e-4 * rng.standard_normal(len(near))
    far = None
    if condition.snr_db is not None:
        speed = float(rng.choice(condition.speeds_kmh))
        sound = noise.cabin(len(near), speed, rng, rng.random() < condition.window_share)
        mic = mic + sound * np.sqrt(power) * 10 ** (-condition.snr_db / 20)
    if condition.music_db is not None:
        voice = fftconvolve(near, impulse_response(DRIVER_M, MICROPHONE_M, 0.05))[: len(near)]
        mic = mic - near + voice * np.sqrt(power / active_power(voice))
        far = 0.1 * noise.music(len(near), rng)
        echo = fftconvolve(far, impulse_response(LOUDSPEAKER_M, MICROPHONE_M))[: len(near)]
        echo = np.pad(echo, (int(ECHO_DELAY_S * SAMPLE_RATE_HZ), 0))[: len(near)]
        mic = mic + echo * np.sqrt(power / np.mean(np.square(echo))) * 10 ** (-condition.music_db / 20)
    return np.asarray(mic, np.float32), far, lead - int(own_s * SAMPLE_RATE_HZ)


class Hearing:
    """Both ways of hearing, built once in a process; `measured` are the orders that will be heard."""

    def __init__(self, model: Path, measured: frozenset[str]) -> None:
        self.ears = CarEars(model)
        self.ears.recognizer.usage = usage_but_for(ROOT / "grammars" / "en", measured)

    def hear(
        self,
        speech: FloatArray,
        said: str,
        condition: Condition,
        seed: list[int],
        talk: FloatArray | None,
    ) -> dict[str, object]:
        mic, far, begin = scene(speech, condition, seed, talk)
        asr = mic
        if far is not None and condition.cancel_echo:
            front_end = FrontEnd()
            asr = front_end.process(mic, far).asr[front_end.latency_samples :]
        text = self.ears.recognize(asr[max(0, begin) :])
        wanted = self.ears.meaning(said)
        taken = self.ears.hear(mic, far if condition.cancel_echo else None, condition.cancel_echo)
        taken = [item for item in taken if item.meaning in wanted or item.intent not in ANSWERS]
        sure = [command.meaning for command in taken if command.sure]
        every = [command.meaning for command in taken]
        return {
            "said": said,
            "alone": self.ears.meaning(text) == wanted,
            "alone_text": text,
            "right_sure": sure == wanted,
            "right": wanted in (sure, every),
            "wrong_sure": bool(set(sure) - set(wanted)),
            "wrong": bool(set(every) - set(wanted)),
            "car_text": " / ".join(command.text for command in taken),
        }


_hearing: Hearing | None = None


def start(model: Path, measured: frozenset[str]) -> None:
    global _hearing
    _hearing = Hearing(model, measured)


def job(item: tuple[int, Spoken, int, FloatArray | None]) -> dict[str, object]:
    assert _hearing is not None
    number, order, index, talk = item
    row = _hearing.hear(order.sound, order.text, CONDITIONS[index], [number, index], talk)
    return {"condition": CONDITIONS[index].name, **row}


@dataclass(frozen=True)
class Spoken:
    """What one of the voices says."""

    voice: str
    text: str
    sound: FloatArray


def spoken(folder: Path, limit: int | None = None) -> list[Spoken]:
    """What a folder of shards holds, the voices mixed so that a part of it is a fair sample."""
    flat = [(table.stem, *item) for table in tables(folder) for item in Shard.load(table).items()]
    picks = np.random.default_rng(0).permutation(len(flat))[:limit]
    return [
        Spoken(voice, entry.text, np.asarray(data, np.float32) / 32768 * 0.4)
        for voice, entry, data in (flat[i] for i in picks)
    ]


def before(order: Spoken, number: int, condition: Condition, talk: list[Spoken]) -> FloatArray | None:
    """The talk that comes before an order in a condition."""
    if not condition.after:
        return None
    fitting = [item for item in talk if (item.voice == order.voice) == (condition.after == SAME)]
    return fitting[number % len(fitting)].sound


def table(rows: list[dict[str, object]]) -> str:
    lines = ["# Car commands by held-out voices\n"]
    lines.append(
        "Made by `bench/asr_car.py`. Commands drawn from the whole car grammar, spoken by five synthetic "
        "voices that training never heard (flite rms, festival ked, three espeak-ng variants); the texts "
        "differ from those on which alpha and confidence were fitted, and are left out of the wordings that "
        "the recognizer prefers. Cabin noise comes from the "
        "generators training used, with other random draws; the level is of active speech above it. "
        "*Alone*: the recognizer's final by itself, exact, whatever its confidence. The rest is the "
        "assistant as it ships, always listening: *right* with a confidence that acts, *asked* would be "
        "asked back, *wrong* acts wrongly (a stray yes or no counts for nothing, since nothing was "
        "asked). Music plays from the loudspeaker at 20 dB SNR of a driving cabin. Talk before the command "
        "ends 0.3 to 1 s before it, is as loud and no command; what is taken from it counts as wrong.\n"
    )
    lines.append(
        "| condition | commands | alone, exact % | target | right % | right or asked % | wrong % "
        "| wrong or asked % |"
    )
    lines.append("|---|---|---|---|---|---|---|---|")

    def share(some: list[dict[str, object]], key: str) -> str:
        return f"{100 * sum(bool(row[key]) for row in some) / len(some):.1f}"

    total = 0
    for condition in CONDITIONS:
        some = [row for row in rows if row["condition"] == condition.name]
        if not some:
            continue
        total += len(some)
        target = TARGETS.get(condition.name)
        keys = ("right_sure", "right", "wrong_sure", "wrong")
        cells = " | ".join(share(some, key) for key in keys)
        aim = f"≥ {target:g}" if target else ""
        lines.append(f"| {condition.name} | {len(some)} | {share(some, 'alone')} | {aim} | {cells} |")
    wrong = 100 * sum(bool(row["wrong_sure"]) for row in rows) / max(1, total)
    lines.append(f"\nOver all of them {wrong:.2f} wrong actions per 100 commands (target: at most 0.5).")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("orders", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "asr-en")
    parser.add_argument("--talk", type=Path)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--no-write", action="store_true", help="print the table only")
    args = parser.parse_args()
    kept = kept_rows(args.work, "car", args.model)
    commands, talk = spoken(args.orders, args.limit), spoken(args.talk) if args.talk else []
    picks = [
        (number, index)
        for index, condition in enumerate(CONDITIONS)
        if talk or not condition.after
        for number in range(min(len(commands), int(condition.share * args.limit)))
    ]
    picks.sort(key=lambda pick: pick[0] / CONDITIONS[pick[1]].share)  # a part of them holds every condition
    jobs = {
        f"{number} {CONDITIONS[index].name}": (
            number,
            commands[number],
            index,
            before(commands[number], number, CONDITIONS[index], talk),
        )
        for number, index in picks
    }
    measured = frozenset(order.text.lower() for order in commands)
    rows = rows_of(kept, jobs, job, start, (args.model, measured), args.processes)
    text = table(rows)
    print(text)
    if not args.no_write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
