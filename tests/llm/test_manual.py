from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from carvoice.errors import ConfigError
from carvoice.llm import TieredAnswerer
from carvoice.llm.answer import AnswerContext, Draft
from carvoice.llm.manual import Manual, ManualTier, read_passages
from carvoice.resources import data_path

CAR = """# Wheels and tyres

## Tyre pressure

The pressure is **2.4 bar** in front. See [the label](label.md) in the door.

## Spare wheel

The spare wheel lies under the floor of the trunk.

# Screens

## Windscreen

Clean the windscreen with washer fluid.

| Part | Litres |
|---|---|
| Tank | 4 |
"""


@pytest.fixture
def manual(tmp_path: Path) -> Manual:
    (tmp_path / "car.md").write_text(CAR)
    return Manual(tmp_path)


@pytest.fixture(scope="module")
def demo() -> Manual:
    return Manual(data_path("cars", "demo", "manual"))


def test_passages_know_their_headings_and_lines(tmp_path: Path) -> None:
    (tmp_path / "car.md").write_text(CAR)
    passages = read_passages(tmp_path / "car.md")
    assert [(p.heading, p.line) for p in passages] == [
        ("Wheels and tyres > Tyre pressure", 5),
        ("Wheels and tyres > Spare wheel", 9),
        ("Screens > Windscreen", 15),
    ]
    assert passages[0].text == "The pressure is 2.4 bar in front. See the label in the door."
    assert passages[2].text.endswith("Part. Litres. Tank. 4.")


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("what is the right tyre pressure", "Tyre pressure"),
        ("what is the right tire pressure", "Tyre pressure"),  # spelling
        ("where is the spair wheel", "Spare wheel"),  # sound
        ("how do i clean the wind screen", "Windscreen"),  # compound
        ("where is the spear weal", "Spare wheel"),
    ],
)
def test_words_are_found_as_they_are_spoken(manual: Manual, question: str, heading: str) -> None:
    assert manual.search(question)[0].passage.heading.endswith(heading)


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("what pressure should my front tyres have", "Tyre pressure"),
        ("what does the red oil can mean", "Oil pressure light"),
        ("how do i jump start the car", "Jump starting"),
        ("where is the fuse box", "Fuses"),
        ("how do i pair my phone with bluetooth", "Connecting a phone"),
        ("what octane does the car take", "Fuel"),
        ("how do i open the hood", "Opening the hood"),
        ("how fast may i drive with snow chains", "Winter driving"),
    ],
)
def test_the_demo_manual_answers(demo: Manual, question: str, heading: str) -> None:
    draft = Draft()
    text = "".join(ManualTier(demo).answer(question, AnswerContext(), Event(), draft))
    assert text.startswith(f"The manual says, under {heading}: ")
    assert heading in draft.source
    assert len(text.split()) < 80


@pytest.mark.parametrize(
    "question",
    [
        "why is the sky blue",  # has a word with washer fluid
        "how hot is the sun",
        "what is love",  # spelt like glove
        "what is a cloud",  # sounds like cold
        "what is a tree",
        "who wrote hamlet",
        "tell me a joke",
        "is",
        "",
    ],
)
def test_what_the_manual_does_not_know_is_left_to_others(demo: Manual, question: str) -> None:
    draft = Draft()
    assert list(ManualTier(demo).answer(question, AnswerContext(), Event(), draft)) == []
    assert draft.passages == []


def test_half_fitting_passages_become_material_for_the_model(demo: Manual) -> None:
    tier = ManualTier(demo, min_coverage=1.1, hint_coverage=0.5)
    draft = Draft()
    assert (
        list(tier.answer("how much pressure do the front tyres need", AnswerContext(), Event(), draft)) == []
    )
    assert any("2.4 bar" in passage for passage in draft.passages)


def test_the_answer_names_its_source(demo: Manual) -> None:
    stream = TieredAnswerer([ManualTier(demo)]).answer("what is the tyre pressure")
    sentences = list(stream)
    assert "2.4 bar" in " ".join(sentences)
    assert (stream.record.tier, stream.record.outcome) == ("manual", "answered")
    assert stream.record.source == "Wheels and tyres > Tyre pressure (wheels.md:5)"


def test_folders_that_are_no_manual(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        Manual(tmp_path / "none")
    with pytest.raises(ConfigError, match="holds no Markdown"):
        Manual(tmp_path)
    (tmp_path / "bad.md").write_bytes(b"caf\xe9")
    with pytest.raises(ConfigError, match=r"bad\.md: not UTF-8"):
        Manual(tmp_path)
