"""Hits and wrong hits of the semantic cache over its threshold, on paraphrases and near misses.

Run ``python bench/llm_cache.py``; it writes bench/results/llm_cache.md. A line of
``llm_data/paraphrases.tsv`` is one question in four wordings; neighbouring lines differ in a word or two.
The first wording of every line is in the cache. Asked are the other three (a hit is right if it gives that
line's answer, wrong if another's) and, with their own line left out of the cache, all four (any hit is
wrong). The threshold is chosen on the odd lines.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from carvoice.llm.cache import SemanticCache, is_timeless, likeness, meaning

HERE = Path(__file__).parent


def main() -> None:
    groups = [line.split("\t") for line in (HERE / "llm_data" / "paraphrases.tsv").read_text().splitlines()]
    stored = [meaning(group[0]) for group in groups]
    table = [
        f"{len(groups)} questions in 4 wordings.",
        "",
        "| half | threshold | hits | wrong hits | wrong hits, answer unknown |",
        "|---|---|---|---|---|",
    ]
    for name, offset in (("choose", 0), ("test", 1)):
        for threshold in (0.6, 0.67, 0.75, 0.8, 0.86, 0.95, 1.0):
            right = wrong = unknown = asked = asked_unknown = 0
            for index in range(offset, len(groups), 2):
                for number, wording in enumerate(groups[index]):
                    alike = [likeness(meaning(wording), other) for other in stored]
                    if number:
                        asked += 1
                        best = max(range(len(groups)), key=alike.__getitem__)
                        if alike[best] >= threshold:
                            right += best == index
                            wrong += best != index
                    asked_unknown += 1
                    unknown += max(a for i, a in enumerate(alike) if i != index) >= threshold
            table.append(
                f"| {name} | {threshold} | {right}/{asked} ({right / asked:.0%}) "
                f"| {wrong} ({wrong / asked:.1%}) "
                f"| {unknown}/{asked_unknown} ({unknown / asked_unknown:.1%}) |"
            )
    kept = sum(is_timeless(wording) for group in groups for wording in group)
    table += [
        "",
        f"Held to be timeless (may be cached): {kept} of {4 * len(groups)} wordings.",
        "",
        look_up_time(groups),
    ]
    text = "\n".join(table) + "\n"
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "llm_cache.md").write_text("# Semantic cache, lexical likeness\n\n" + text)
    print(text)


def look_up_time(groups: list[list[str]]) -> str:
    cache = SemanticCache()
    for n in range(2000):
        cache.put(f"{groups[n % len(groups)][0]} number {n}", "An answer.", "m")
    started_s = perf_counter()
    for _ in range(3):
        for group in groups:
            cache.look_up(group[1])
    return f"Look-up among 2,000 answers: {(perf_counter() - started_s) / (3 * len(groups)) * 1e3:.1f} ms."


if __name__ == "__main__":
    main()
