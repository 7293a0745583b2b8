"""Hits and wrong hits of the semantic cache over its thresholds, on paraphrases and near misses.

Run ``python bench/llm_cache.py [--gguf FILE]`` with an embedding model (``carvoice models install
all-minilm-l6-v2``); it writes bench/results/llm_cache.md. A line of ``llm_data/paraphrases.tsv`` is one
question in four wordings; neighbouring lines differ in a word or two. The first wording of every line is in
the cache. Asked are the other three (a hit is right if it gives that line's answer, wrong if another's) and,
with their own line left out of the cache, all four (any hit is wrong). Thresholds are chosen on odd lines.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from carvoice.llm.cache import SemanticCache, cosine, is_timeless, likeness, meaning
from carvoice.llm.embedding import GgufEmbedder
from carvoice.llm.engine import EmbeddingEngine, EngineSettings

HERE = Path(__file__).parent
CHOSEN = 0.95
Score = Callable[[str, str], float]


def table(groups: list[list[str]], score: Score, thresholds: tuple[float, ...]) -> list[str]:
    """Hits and wrong hits of either half over the thresholds."""
    rows = ["| half | threshold | hits | wrong hits | wrong hits, answer unknown |", "|---|---|---|---|---|"]
    for name, offset in (("choose", 0), ("test", 1)):
        for threshold in thresholds:
            right = wrong = unknown = asked = asked_unknown = 0
            for index in range(offset, len(groups), 2):
                for number, wording in enumerate(groups[index]):
                    alike = [score(wording, group[0]) for group in groups]
                    if number:
                        asked += 1
                        best = max(range(len(groups)), key=alike.__getitem__)
                        if alike[best] >= threshold:
                            right += best == index
                            wrong += best != index
                    asked_unknown += 1
                    unknown += max(a for i, a in enumerate(alike) if i != index) >= threshold
            rows.append(
                f"| {name} | {threshold} | {right}/{asked} ({right / asked:.0%}) "
                f"| {wrong} ({wrong / asked:.1%}) "
                f"| {unknown}/{asked_unknown} ({unknown / asked_unknown:.1%}) |"
            )
    return rows


def with_embeddings(groups: list[list[str]], path: Path) -> list[str]:
    """The same with a cosine where the words are not alike enough."""
    engine = EmbeddingEngine(EngineSettings(path, n_ctx=256, n_threads=1))
    wordings = [wording for group in groups for wording in group]
    engine.embed("once to warm up")
    started_s = process_time()
    vectors = {wording: np.asarray(engine.embed(wording), np.float32) for wording in wordings}
    cpu_ms = (process_time() - started_s) / len(wordings) * 1e3
    meanings = {wording: meaning(wording) for wording in wordings}

    def score(one: str, other: str) -> float:
        words = likeness(meanings[one], meanings[other])
        if words >= CHOSEN:
            return 1.0
        return cosine(meanings[one], meanings[other], vectors[one], vectors[other])

    embedder = GgufEmbedder(path)
    embedder.wait_ready(60.0)
    times_ms = []
    for wording in wordings:
        started_s = perf_counter()
        embedder.embed(wording)
        times_ms.append((perf_counter() - started_s) * 1e3)
    embedder.close()
    p50, p99 = np.percentile(times_ms, (50, 99))
    return [
        "## With embeddings",
        "",
        f"{engine.report.model} ({path.stat().st_size / 1e6:.0f} MB, {engine.report.width} values), asked "
        f"only where the words are alike to less than {CHOSEN}. A question takes {cpu_ms:.1f} ms of a core, "
        f"{p50:.1f} ms p50 and {p99:.1f} ms p99 from the other process (load {os.getloadavg()[0]:.1f} on "
        f"{os.cpu_count()} cores); it holds {engine.report.rss_mb:.0f} MB.",
        "",
        *table(groups, score, (0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98)),
    ]


def look_up_time(groups: list[list[str]]) -> str:
    """CPU time of a look-up by words in a full cache."""
    cache = SemanticCache()
    for n in range(2000):
        cache.put(f"{groups[n % len(groups)][0]} number {n}", "An answer.", "m")
    started_s = process_time()
    for group in groups:
        cache.look_up(group[1])
    cpu_ms = (process_time() - started_s) / len(groups) * 1e3
    return f"Look-up by words among 2,000 answers: {cpu_ms:.1f} ms of a core."


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf", type=Path, help="embedding model to measure too")
    arguments = parser.parse_args()
    groups = [line.split("\t") for line in (HERE / "llm_data" / "paraphrases.tsv").read_text().splitlines()]
    kept = sum(is_timeless(wording) for group in groups for wording in group)
    meanings = {wording: meaning(wording) for group in groups for wording in group}
    lines = [
        "# Semantic cache",
        "",
        f"{len(groups)} questions in 4 wordings; the cache uses {CHOSEN} by words and 0.96 by cosine.",
        "",
        "## By words alone",
        "",
        *table(
            groups,
            lambda one, other: likeness(meanings[one], meanings[other]),
            (0.6, 0.67, 0.75, 0.8, 0.86, 0.95, 1.0),
        ),
        "",
        f"Held to be timeless (may be cached): {kept} of {4 * len(groups)} wordings.",
        "",
        look_up_time(groups),
    ]
    if arguments.gguf:
        lines += ["", *with_embeddings(groups, arguments.gguf)]
    text = "\n".join(lines) + "\n"
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "llm_cache.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
