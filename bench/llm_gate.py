"""How well the gate tells open questions from cabin chatter, by words alone.

Run ``python bench/llm_gate.py``; it writes bench/results/llm_gate.md. The sentences are in
``llm_data/questions.tsv`` (q: for the assistant, c: chatter). The weights were written with the odd lines in
view; the even lines are the test.
"""

from __future__ import annotations

from pathlib import Path

from carvoice.llm.gate import question_score

HERE = Path(__file__).parent


def main() -> None:
    lines = [line.split("\t") for line in (HERE / "llm_data" / "questions.tsv").read_text().splitlines()]
    scored = [(kind, text, question_score(text)) for kind, text in lines]
    table = ["| half | threshold | questions let through | chatter let through |", "|---|---|---|---|"]
    for name, half in (("in view", scored[0::2]), ("test", scored[1::2])):
        questions = [score for kind, _, score in half if kind == "q"]
        chatter = [score for kind, _, score in half if kind == "c"]
        for threshold in (0.3, 0.5, 0.7, 0.8):
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
    for kind, sentence, score in scored[0::2]:
        if (score >= 0.5) != (kind == "q"):
            print(f"in view, wrong: {kind} {score:.2f} {sentence}")


if __name__ == "__main__":
    main()
