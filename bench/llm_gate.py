"""How well the gate tells open questions from cabin chatter, by words alone.

Run ``python bench/llm_gate.py``; it writes bench/results/llm_gate.md. The sentences are in
``llm_data/questions.tsv`` and ``questions-de.tsv`` (q: for the assistant, c: chatter). The weights were
fitted also on the odd English lines; the even ones and all German ones are the test. All were written by us:
recorded cabin talk would be the better judge.
"""

from __future__ import annotations

from pathlib import Path

from carvoice.llm.gate import question_score

HERE = Path(__file__).parent


def read(name: str) -> list[tuple[str, float]]:
    lines = (HERE / "llm_data" / name).read_text(encoding="utf-8").splitlines()
    return [(kind, question_score(text)) for kind, text in (line.split("\t") for line in lines)]


def main() -> None:
    english = read("questions.tsv")
    halves = (
        ("English, fitted on", english[0::2]),
        ("English, test", english[1::2]),
        ("German, test", read("questions-de.tsv")),
    )
    table = ["| sentences | threshold | questions let through | chatter let through |", "|---|---|---|---|"]
    for name, half in halves:
        questions = [score for kind, score in half if kind == "q"]
        chatter = [score for kind, score in half if kind == "c"]
        for threshold in (0.3, 0.5, 0.7, 0.8, 0.9):
            through = sum(score >= threshold for score in questions)
            wrong = sum(score >= threshold for score in chatter)
            table.append(
                f"| {name} | {threshold} | {through}/{len(questions)} ({through / len(questions):.0%}) "
                f"| {wrong}/{len(chatter)} ({wrong / len(chatter):.0%}) |"
            )
    text = "\n".join(table) + "\n"
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "llm_gate.md").write_text("# Open question or cabin chatter\n\n" + text)
    print(text)


if __name__ == "__main__":
    main()
