"""How often the manual answers rightly, wrongly, or speaks up where it should not, over the threshold.

Run ``python bench/llm_manual.py``; it writes bench/results/llm_manual.md. Questions and the section that
answers each are in ``llm_data/manual.tsv`` ("-": none does). The threshold is chosen on the odd lines; the
figures that count are those of the even ones.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from carvoice.llm.manual import Manual, ManualTier
from carvoice.resources import data_path

HERE = Path(__file__).parent


def main() -> None:
    manual = Manual(data_path("cars", "demo", "manual"))
    lines = [line.split("\t") for line in (HERE / "llm_data" / "manual.tsv").read_text().splitlines()]
    started_s = perf_counter()
    results = []
    for question, wanted in lines:
        found = manual.search(question)
        best = found[0] if found else None
        heading = best.passage.heading.split(" > ")[-1] if best else ""
        results.append((question, wanted, heading, best))
    search_ms = (perf_counter() - started_s) / len(lines) * 1e3
    table = [
        f"{len(lines)} questions, {len(manual.passages)} passages, {search_ms:.2f} ms a search.",
        "",
        "| half | min_coverage | own_car_bonus | answered rightly | wrong passage | answered without need |",
        "|---|---|---|---|---|---|",
    ]
    for name, half in (("choose", results[0::2]), ("test", results[1::2])):
        inside = [r for r in half if r[1] != "-"]
        outside = [r for r in half if r[1] == "-"]
        for threshold in (0.55, 0.6, 0.65, 0.7, 0.8):
            for bonus in (0.0, 0.1, 0.2):
                is_quotable = ManualTier(manual, threshold, bonus).is_quotable
                spoken = [r for r in inside if r[3] is not None and is_quotable(r[3], r[0])]
                right = sum(r[2] == r[1] for r in spoken)
                needless = sum(r[3] is not None and is_quotable(r[3], r[0]) for r in outside)
                table.append(
                    f"| {name} | {threshold} | {bonus} | {right}/{len(inside)} ({right / len(inside):.0%}) "
                    f"| {len(spoken) - right} | {needless}/{len(outside)} |"
                )
    text = "\n".join(table) + "\n"
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "llm_manual.md").write_text("# Manual retrieval\n\n" + text)
    print(text)


if __name__ == "__main__":
    main()
