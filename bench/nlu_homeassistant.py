"""Home Assistant's English sentences, matched by hassil and by us.

The sentences are not ours and not in this repository. Get them once (they are CC BY 4.0):

    pip download --no-deps home-assistant-intents && unzip home_assistant_intents-*.whl
    python bench/nlu_homeassistant.py home_assistant_intents/data/en.json [tests/en]

The optional second folder holds their published tests (``tests/en`` of github.com/home-assistant/intents);
without it sentences are drawn from the templates. Areas, floors and devices are an invented home. Writes
bench/results/nlu_homeassistant.md.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hassil.intents import Intents
from hassil.recognize import recognize_best
from nlu_compare import latency

from carvoice.grammar import compile_grammar, parse_grammar
from carvoice.grammar.sample import sample
from carvoice.nlu.exact import ExactParser

RESULT = Path(__file__).parent / "results" / "nlu_homeassistant.md"
SENTENCES = 1000
AREAS = (
    "kitchen", "living room", "bedroom", "bathroom", "garage", "hallway", "office", "guest room", "attic",
    "dining room", "basement", "nursery",
)  # fmt: skip
FLOORS = ("first floor", "ground floor", "upstairs", "cellar")
DEVICES = {
    "light": ("desk lamp", "ceiling light", "porch light", "reading lamp", "night light", "chandelier"),
    "switch": ("coffee maker", "space heater", "christmas tree"),
    "fan": ("ceiling fan", "tower fan"),
    "cover": ("left curtain", "garage door", "kitchen blinds", "awning"),
    "lock": ("front door", "back gate"),
    "media_player": ("tv", "radio", "bedroom speaker"),
    "vacuum": ("rover", "dusty"),
    "climate": ("thermostat", "heat pump"),
    "scene": ("party time", "movie night"),
    "script": ("bedtime routine",),
    "todo": ("groceries", "errands"),
    "person": ("maria", "jonas"),
    "valve": ("garden valve",),
    "sensor": ("outdoor humidity", "power meter"),
    "weather": ("forecast home",),
    "timer": (),
}


def home() -> dict[str, dict]:
    """The lists that a home fills."""
    names = [
        {"in": name, "out": name, "context": {"domain": domain}}
        for domain, devices in DEVICES.items()
        for name in devices
    ]
    return {
        "name": {"values": names},
        "area": {"values": [{"in": name, "out": name} for name in AREAS]},
        "floor": {"values": [{"in": name, "out": name} for name in FLOORS]},
    }


def published(folder: Path) -> list[str]:
    """The sentences of Home Assistant's test files."""
    found: list[str] = []
    for path in sorted(folder.rglob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for test in document.get("tests") or []:
            found.extend(test.get("sentences") or [])
    return found


def lacks_multiplier(theirs: tuple[str, dict], ours: tuple[str, dict]) -> bool:
    """Is the only difference that hassil left a list's multiplier of -1 out?"""
    if theirs[0] != ours[0] or theirs[1].keys() != ours[1].keys():
        return False
    pairs = [(value, ours[1][name]) for name, value in theirs[1].items() if value != ours[1][name]]
    return all(isinstance(one, (int, float)) and one == -other for one, other in pairs)


def timed(parse: Callable[[str], Any], texts: list[str]) -> tuple[list[Any], list[float]]:
    """What a parser says to each text, and the milliseconds of CPU time it took."""
    found: list[Any] = []
    spent: list[float] = []
    gc.collect()
    gc.freeze()  # what else lies in memory is not to be walked through meanwhile
    for text in texts:
        start = time.thread_time()
        found.append(parse(text))
        spent.append((time.thread_time() - start) * 1e3)
    return found, spent


def main() -> None:
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        print(f"Home Assistant's sentences are absent.\n{__doc__}")
        return
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    document = {
        key: document[key] for key in ("language", "intents", "lists", "expansion_rules", "skip_words")
    }
    document["lists"] = {**document["lists"], **home()}
    grammar = parse_grammar(yaml.safe_dump(document, sort_keys=False))
    start = time.process_time()
    ours = ExactParser(compile_grammar(grammar))
    compiled_s = time.process_time() - start
    theirs = Intents.from_dict(document)
    if len(sys.argv) > 2:
        texts, origin = published(Path(sys.argv[2])), "of their published tests"
    else:
        texts = [item.sentence for item in sample(grammar, SENTENCES, seed=3)]
        origin = "drawn from the templates"
    context = {"area": "kitchen"}
    theirs_of, theirs_ms = timed(lambda text: recognize_best(text, theirs, intent_context=context), texts)
    ours_of, ours_ms = timed(lambda text: ours.parse(text, context), texts)
    matched = same = same_intent = only_ours = neither = multiplied = 0
    differing: list[str] = []
    for text, result, readings in zip(texts, theirs_of, ours_of, strict=True):
        if result is None:
            only_ours += bool(readings)
            neither += not readings
            continue
        matched += 1
        expected = result.intent.name, {name: entity.value for name, entity in result.entities.items()}
        found = [(r.intent, {name: slot.value for name, slot in r.slots.items()}) for r in readings]
        same_intent += bool(found) and found[0][0] == expected[0]
        same += expected in found[:1]
        if expected not in found[:1]:
            multiplied += bool(found) and lacks_multiplier(expected, found[0])
            differing.append(f"- `{text}`: hassil {expected}, ours {found[0] if found else None}")
    templates = sum(len(block.sentences) for block in grammar.blocks)
    percent = 100 / max(1, matched)
    lines = [
        "# Home Assistant's English sentences\n",
        f"{templates} templates of {len(grammar.intents)} intents; {len(texts)} sentences {origin}, with an "
        f"invented home. Compiled in {compiled_s:.2f} s of CPU time, {ours.automaton.nbytes / 1e6:.1f} MB.\n",
        f"- matched by hassil: {matched}; same intent {same_intent * percent:.2f} %, same intent and slots "
        f"{same * percent:.2f} %, {(same + multiplied) * percent:.2f} % but for a multiplier that hassil "
        "leaves out",
        f"- matched by us only: {only_ours}; by neither: {neither}\n",
        "| parser | p50 ms | p95 | p99 | max | mean |",
        "|---|---|---|---|---|---|",
    ]
    for name, times in (("carvoice, exact part", ours_ms), ("hassil", theirs_ms)):
        cells = " | ".join(f"{value:.3f}" for value in (*latency(times), sum(times) / len(times)))
        lines.append(f"| {name} | {cells} |")
    ratio = sum(theirs_ms) / sum(ours_ms)
    lines.append(
        f"\nCPU time of one thread at load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores; on average "
        f"hassil takes {ratio:.0f} times as long.\n"
    )
    if differing:
        lines.append(
            "Where we differ (hassil keeps the number words of all ranges with the same limits under one "
            'key, multiplier or not, so that turning down by ninety turns up; "a hundred" is no number '
            "to it):\n"
        )
        lines += differing[:20]
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
