"""Fit the embedded recognizer's confidence, and show on other draws what it is worth.

    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/asr_calibrate.py FOLDER [--write]

FOLDER keeps the material, which is synthesized when it is not there (two minutes): orders drawn from the
grammar and from three others (a house, a hotel, a pizza counter: users bring their own), and other talk
(``asr_talk.py``), all by voices held out of training, in two independent draws, ``fit`` and ``test``. Each
order is decoded by its own grammar, every fifth sentence of talk by each of the others as well. Orders are
heard clean and in a simulated cabin, talk as well, and there are cabin
noise, music, babble and coughs without any speech of the talker, and an hour of one to eight people who do
not stop talking (36 minutes in ``test``), which is heard as the car hears it: front end, speech gate and
endpoint decide what comes to a final. Synthetic voices say every word just as the lexicon has it; people do
not, so orders and talk are also heard by a recognizer that takes every fifth phone for another, as if the
talker were a stranger to its lexicon (:class:`StrangeLexicon`), through other vocal tracts, rooms and
microphones.

Weights are fitted on ``fit``; every figure of ``bench/results/asr-confidence.md`` is of ``test``, and those
of another grammar's orders are of weights that were fitted without this grammar.
``--write`` puts the weights into the model's ``tuning.toml``. Nothing is fitted on real orders.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np
from asr_listening import FinalsStream, listen, usage_but_for
from asr_logistic import fit_logistic, probabilities
from asr_other_sounds import cabin, noises, scenes
from asr_talk import talk

from carvoice.asr.confidence import LEAST_OF, Fit
from carvoice.asr.evaluate import Condition
from carvoice.asr.grammar_recognizer import GrammarRecognizer, settings_of
from carvoice.asr.models import load_model
from carvoice.config import Config
from carvoice.grammar import build_acceptor, compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu.confusion import Confusions
from carvoice.nlu.understander import Understander, UnderstanderSettings
from carvoice.records import SAMPLE_RATE_HZ, Hypothesis
from carvoice.resources import data_path
from training.augment import change_rate, distort, room
from training.held_out import VOICES
from training.shards import Shard, tables
from training.synthesize import synthesize
from training.templates import TemplateSampler

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "models" / "asr-en"
RESULT = ROOT / "bench" / "results" / "asr-confidence.md"
NAMES = [field.name for field in fields(Fit)]
SIGNS = np.array([1 if name == "odds" else -1 for name in NAMES])  # more of it speaks for or against
CAR = ROOT / "grammars" / "en"
OTHERS = {name: ROOT / "bench" / "grammars" / f"{name}.yaml" for name in ("home", "hotel", "pizza")}
SEEDS = {"fit": 301, "test": 99}
PER_VOICE = 40
OTHERS_PER_VOICE = 4
TALK_PER_VOICE = 160
OVERHEARD = "voices overheard"
OVERHEARD_MINUTES = {"fit": 60, "test": 36}
# That an order was said, and said clearly, is no reason to believe that it was this one.
BETWEEN_ORDERS = ("outside", "unfinished", "odds", "contested", "unheard", "poorest", "surplus")
THRESHOLDS = (0.5, 0.75, 0.85, 0.9)
CONDITIONS = [Condition("clean")] + [Condition(f"{snr} dB", cabin, snr) for snr in (15, 5, 0)]
STRANGE = 0.2  # of the phones; real people are farther from the lexicon than every tenth
STRANGERS_IN = (0, 2)  # the conditions in which strangers give orders
TALK_TO_OTHERS = 5  # every fifth sentence is heard by another grammar, too


class StrangeLexicon(Lexicon):
    """The shipped lexicon with every fifth phone exchanged for one it is often taken for.

    To a recognizer with this lexicon, a synthetic voice sounds as a foreign accent does to ours.
    """

    def __init__(self) -> None:
        shipped = Lexicon.load()
        super().__init__(shipped._entries)
        self._shipped = shipped
        table = Confusions.load(data_path("confusions-en.tsv"))
        self._phones = table.symbols
        count = len(self._phones)
        self._weights = np.exp(-2 * table.substitute[:count, :count]) * (1 - np.eye(count))

    def pronunciations(self, word: str) -> tuple[tuple[str, ...], ...]:
        rng = random.Random(word)
        return tuple(
            tuple(self._strange(phone, rng) if rng.random() < STRANGE else phone for phone in said)
            for said in self._shipped.pronunciations(word)
        )

    def _strange(self, phone: str, rng: random.Random) -> str:
        return rng.choices(self._phones, self._weights[self._phones.index(phone)])[0]


def elsewhere(sound: np.ndarray, seed: int) -> np.ndarray:
    """Another vocal tract (x 0.82-1.2), room and microphone."""
    rng = np.random.default_rng(seed)
    return distort(room(change_rate(sound, rng.uniform(0.82, 1.2)), rng), rng)


def spoken(folder: Path, limit: int) -> Iterator[tuple[str, np.ndarray]]:
    """(text, sound) of the utterances in a folder of shards, the voices in turn."""
    shards = [list(Shard.load(table).items()) for table in tables(folder)]
    pad = np.zeros(8_000, np.float32)
    flat = [item for turn in zip(*shards, strict=False) for item in turn]
    for entry, data in flat[:limit]:
        sound = np.asarray(data, np.float32) / 32768
        yield entry.text, np.concatenate([pad, sound, pad])


def synthesize_missing(folder: Path, grammar: Path) -> None:
    """Speak the draws that are not there yet."""
    parser = Understander(
        compile_grammar(load_grammar(grammar)), None, UnderstanderSettings(near_misses=False)
    )

    def is_command(text: str) -> bool:
        return any(not item.rejected for item in parser.parse(text))

    for number, (part, seed) in enumerate(SEEDS.items()):
        draws = [("orders", grammar, PER_VOICE)]
        draws += [(f"orders-{name}", path, OTHERS_PER_VOICE) for name, path in OTHERS.items()]
        for draw, drawn_from, count in draws:
            if not (folder / part / draw).is_dir():
                sampler = TemplateSampler(drawn_from, random.Random(seed))
                for kind, name, _ in VOICES:
                    texts = [sampler.draw() for _ in range(count)]
                    synthesize(kind, texts, folder / part / draw, name, seed)
        others = folder / part / "talk"
        if not others.is_dir():
            lines = talk(TALK_PER_VOICE * len(VOICES), grammar, is_command, seed, number, len(SEEDS))
            for index, (kind, name, _) in enumerate(VOICES):
                synthesize(kind, lines[index :: len(VOICES)], others, name, seed)


class NotingStream(FinalsStream):
    """Notes every final: its text and how it fits."""

    def __init__(self, recognizer: GrammarRecognizer) -> None:
        self.finals: list[tuple[str, Fit | None]] = []
        super().__init__(recognizer)

    def _completed(self, ended: Hypothesis) -> Hypothesis:
        final = super()._completed(ended)
        self.finals.append((final.text, self.fit))
        return final


class Ear:
    """Recognizer and parser of one process; `said` are the orders it will hear."""

    def __init__(self, grammar: Path, model: Path, settings: dict, said: frozenset[str]) -> None:
        automaton = compile_grammar(load_grammar(grammar))
        words = sorted(automaton.vocabulary, key=automaton.vocabulary.__getitem__)
        manners = [" ".join(words[word] for word in phrase) for phrase in automaton.skip_phrases]
        loaded = replace(load_model(model), confidence={})  # what is to be fitted
        usage = usage_but_for(grammar, said)
        self.recognizers = [
            GrammarRecognizer(
                build_acceptor(automaton),
                loaded,
                lexicon,
                settings=replace(settings_of(loaded.decoding), **settings),
                skip_phrases=manners,
                meaning=self.key,
                usage=usage,
            )
            for lexicon in (Lexicon.load(), StrangeLexicon())
        ]
        self.parser = Understander(automaton, None, UnderstanderSettings(near_misses=False))

    def key(self, text: str) -> str:
        return repr(self.meaning(text) or text)

    def meaning(self, text: str) -> list:
        parsed = self.parser.parse(text) if text else ()
        return [(item.intent, sorted(item.values.items(), key=str)) for item in parsed if not item.rejected]

    def hear(
        self, part: str, kind: str, text: str, sound: np.ndarray, condition: int, seed: int, strange: bool
    ) -> list[dict]:
        """The row of an utterance."""
        if strange:
            sound = elsewhere(sound, seed)
        noisy = CONDITIONS[condition].apply(sound, (seed, condition))
        stream = NotingStream(self.recognizers[strange])
        for start in range(0, len(noisy), 1600):
            stream.accept(noisy[start : start + 1600])
        stream.finish()
        name = CONDITIONS[condition].name + (", strangers" if strange else "")
        return self.rows(stream, {"part": part, "kind": kind, "condition": name, "said": text}, noisy)

    def overhear(self, part: str, sound: np.ndarray) -> list[dict]:
        """The rows of all that was taken for an utterance."""
        stream = NotingStream(self.recognizers[0])
        listen(Config(), stream, self.parser, sound)
        about = {"part": part, "kind": OVERHEARD, "condition": "", "said": ""}
        return self.rows(stream, about, sound)

    def rows(self, stream: NotingStream, about: dict, sound: np.ndarray) -> list[dict]:
        finals = stream.finals or [("", None)]
        wanted = self.meaning(about["said"])
        rows = []
        for text, fit in finals:
            heard = self.meaning(text)
            rows.append(
                {
                    **about,
                    "heard": text,
                    "command": bool(heard),
                    "right": about["kind"] == "order" and bool(wanted) and heard == wanted,
                    "fit": astuple(fit) if fit else None,
                    "sound_s": len(sound) / SAMPLE_RATE_HZ / len(finals),
                }
            )
        return rows


_ear: Ear | None = None


def start(grammar: Path, model: Path, settings: dict, said: frozenset[str]) -> None:
    global _ear
    _ear = Ear(grammar, model, settings, said)


def job(item: tuple) -> list[dict]:
    assert _ear is not None
    return _ear.overhear(*item) if len(item) == 2 else _ear.hear(*item)


def report(rows: list[dict], p: np.ndarray, order: np.ndarray) -> str:
    """The tables, for rows, their confidences (0 where there was nothing to be sure of) and the
    probabilities that each was an order at all.
    """
    right = np.array([row["right"] for row in rows])
    wrong = np.array([row["command"] and not row["right"] for row in rows])
    conditions = np.array([row["condition"] for row in rows])
    grammars = np.array([row["grammar"] for row in rows])
    kinds = np.array(
        [
            f"talk, {row['grammar']}" if row["kind"] != "order" and row["grammar"] else row["kind"]
            for row in rows
        ]
    )
    hours = np.array([row["sound_s"] for row in rows]) / 3600
    lines = ["# Confidence of the embedded recognizer\n"]
    lines.append(
        "Made by `bench/asr_calibrate.py`: exact parse of what was heard, no repair by sound, no voice "
        f"gate but for {OVERHEARD}. Voices held out of training; the weights were fitted on other draws of "
        "orders, talk and noise, and those of another grammar (home, hotel, pizza) without its orders.\n"
    )
    lines.append("## Orders\n\nRight % / wrong % of all orders, by the least confidence acted upon.\n")
    lines.append("| condition | orders | any | " + " | ".join(f"≥ {t}" for t in THRESHOLDS) + " |")
    lines.append("|---|---|---|" + "---|" * len(THRESHOLDS))
    for grammar, condition in dict.fromkeys(
        zip(grammars[kinds == "order"], conditions[kinds == "order"], strict=True)
    ):
        some = (kinds == "order") & (conditions == condition) & (grammars == grammar)
        cells = [
            f"{100 * (some & right & (p >= t)).sum() / some.sum():.1f} / "
            f"{100 * (some & wrong & (p >= t)).sum() / some.sum():.1f}"
            for t in (0.0, *THRESHOLDS)
        ]
        name = f"{grammar}: {condition}" if grammar else condition
        lines.append(f"| {name} | {some.sum()} | " + " | ".join(cells) + " |")
    lines.append("\n## What is no order\n\nCommands accepted (per hour of such sound, without a pause).\n")
    lines.append("| sound | minutes | any | " + " | ".join(f"≥ {t}" for t in THRESHOLDS) + " |")
    lines.append("|---|---|---|" + "---|" * len(THRESHOLDS))
    for kind in dict.fromkeys(kinds[kinds != "order"]):
        some = kinds == kind
        counts = [int((some & wrong & (p >= t)).sum()) for t in (0.0, *THRESHOLDS)]
        cells = [f"{count} ({count / hours[some].sum():.0f})" for count in counts]
        lines.append(f"| {kind} | {60 * hours[some].sum():.1f} | " + " | ".join(cells) + " |")
    lines.append(
        "\n## An order at all\n\nShare of the finals, %, by the least probability that an order was said, "
        "whichever; what is understood by its sound only is weighed with it.\n"
    )
    lines.append("| sound | finals | " + " | ".join(f"≥ {t}" for t in THRESHOLDS) + " |")
    lines.append("|---|---|" + "---|" * len(THRESHOLDS))
    for kind in dict.fromkeys(kinds):
        some = kinds == kind
        cells = [f"{100 * (order[some] >= t).mean():.1f}" for t in THRESHOLDS]
        lines.append(f"| {kind} | {some.sum()} | " + " | ".join(cells) + " |")
    lines.append("\n## Reliability\n\n| confidence | commands | share right |\n|---|---|---|")
    heard = right | wrong
    for low in np.arange(0, 1, 0.1):
        inside = heard & (p >= low) & (p < low + 0.1 if low < 0.89 else p <= 1)
        if inside.any():
            lines.append(f"| {p[inside].mean():.2f} | {inside.sum()} | {right[inside].mean():.2f} |")
    y = right[heard].astype(float)
    brier = float(np.mean((p[heard] - y) ** 2))
    lines.append(f"\nBrier score {brier:.3f} (always the mean: {float(np.var(y)):.3f}).\n")
    return "\n".join(lines)


def jobs_of(name: str, args: argparse.Namespace) -> list[tuple]:
    """All that is heard by a grammar: the car's, named "", or one of the others."""
    jobs: list[tuple] = []
    for part, seed in SEEDS.items():
        orders = args.folder / part / (f"orders-{name}" if name else "orders")
        for n, (text, sound) in enumerate(spoken(orders, args.orders)):
            jobs += [(part, "order", text, sound, c, seed + n, False) for c in range(len(CONDITIONS))]
            jobs += [(part, "order", text, sound, c, seed + n, True) for c in STRANGERS_IN]
        others = list(spoken(args.folder / part / "talk", args.talk))
        begin, step = (list(OTHERS).index(name), TALK_TO_OTHERS) if name else (0, 1)
        for n, (text, sound) in enumerate(others[begin::step]):
            condition, strange = n % len(CONDITIONS), bool(n // len(CONDITIONS) % 2)
            jobs.append((part, "talk", text, sound, condition, 10 * seed + n, strange))
        if not name:
            sounds = [sound for _, sound in others]
            for kind, sound in noises(args.noise_minutes, sounds, seed):
                jobs.append((part, kind, "", sound, 0, 0, False))
            jobs += [(part, sound) for sound in scenes(OVERHEARD_MINUTES[part], sounds, seed)]
    return jobs


def hear_all(args: argparse.Namespace, settings: dict) -> list[dict]:
    """What becomes of every order, sentence and noise of both draws."""
    synthesize_missing(args.folder, args.grammar)
    rows: list[dict] = []
    for name, grammar in {"": args.grammar, **OTHERS}.items():
        jobs = jobs_of(name, args)
        said = frozenset(item[2].lower() for item in jobs if len(item) > 2 and item[1] == "order")
        with ProcessPoolExecutor(args.processes, None, start, (grammar, args.model, settings, said)) as pool:
            heard = pool.map(job, jobs, chunksize=4)
            rows += [{"grammar": name, **row} for some in heard for row in some]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--grammar", type=Path, default=CAR)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--orders", type=int, default=100, help="per draw and condition")
    parser.add_argument("--talk", type=int, default=TALK_PER_VOICE * len(VOICES), help="sentences per draw")
    parser.add_argument("--noise-minutes", type=float, default=8.0, help="per draw")
    parser.add_argument("--settings", default="{}", help="decoding settings to try, JSON")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--rows", type=Path, help="keep what was heard there, as JSON, or take it from there if kept"
    )
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()

    settings = {**load_model(args.model).decoding, **json.loads(args.settings)}
    if args.rows and args.rows.exists():
        rows = json.loads(args.rows.read_text())
    else:
        rows = hear_all(args, settings)
    if args.rows:
        args.rows.write_text(json.dumps(rows))
    weights = fitted_tables(rows)
    tested = [row for row in rows if row["part"] == "test"]
    # those of another grammar's orders know nothing of this grammar
    without = {name: fitted_tables([row for row in rows if row["grammar"] != name]) for name in OTHERS}
    used = [without[row["grammar"]] if row["grammar"] else weights for row in tested]
    found = [
        {
            name: float(probabilities(w, np.array([row["fit"]]))[0]) if row["fit"] else 0.0
            for name, w in tables.items()
        }
        for row, tables in zip(tested, used, strict=True)
    ]
    sure = np.array([min(p[name] for name in LEAST_OF) for p in found])
    text = report(tested, sure, np.array([p["order"] for p in found]))
    print(text)
    if args.write:
        lines = ["# Measured by bench/asr_calibrate.py.", "[decoding]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        for name, w in weights.items():
            named = ", ".join(f"{measure} = {value:.4f}" for measure, value in zip(NAMES, w, strict=False))
            lines += ["", f"[confidence.{name}]", f"bias = {w[-1]:.4f}", f"weights = {{ {named} }}"]
        (args.model / "tuning.toml").write_text("\n".join(lines) + "\n")
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(text)


def fitted_tables(rows: list[dict]) -> dict[str, np.ndarray]:
    """The weights of every table of ``[confidence]``, from the rows of the draw for fitting."""
    rows = [
        {**row, "is_order": row["kind"] == "order"} for row in rows if row["part"] == "fit" and row["fit"]
    ]
    # What is rejected anyway says nothing about the commands that are not.
    commands = [row for row in rows if row["command"]]
    # the other grammars have more orders than talk, and would make it believe too much
    of_car = [row for row in commands if not row["grammar"]]
    return {
        "command": fitted(of_car, "right", NAMES),
        "words": fitted([row for row in commands if row["is_order"]], "right", BETWEEN_ORDERS),
        "order": fitted([row for row in rows if not row["grammar"]], "is_order", NAMES),
    }


def fitted(rows: list[dict], target: str, measures: Sequence[str]) -> np.ndarray:
    """Weights of all measures that tell the target by some of them, then the bias."""
    used = np.array([name in measures for name in NAMES])
    x, y = np.array([row["fit"] for row in rows]), np.array([row[target] for row in rows], float)
    found = fit_logistic(x[:, used], y, SIGNS[used])
    weights = np.zeros(len(NAMES) + 1)
    weights[:-1][used], weights[-1] = found[:-1], found[-1]
    return weights


if __name__ == "__main__":
    main()
