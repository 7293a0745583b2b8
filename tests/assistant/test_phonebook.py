"""Names from files, taken while the assistant runs."""

import pytest

from carvoice.assistant import Assistant
from carvoice.assistant.phonebook import names_of, read_names
from carvoice.config import AudioConfig, Config, LanguageConfig, TtsConfig, VehicleConfig
from carvoice.errors import ConfigError, GrammarError

CARDS = """BEGIN:VCARD
VERSION:3.0
N:Kowalski;Anna;;;
FN:Anna Kowalski
TEL;TYPE=CELL:+48 123
END:VCARD
BEGIN:VCARD
VERSION:4.0
N:Stone;Peter;;;
FN:Peter
  Stone
NICKNAME:Pit
END:VCARD
BEGIN:VCARD
VERSION:2.1
N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;Peter;;;
FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Peter M=
=C3=BCller
END:VCARD
"""


def test_a_phone_s_cards_give_full_names_nicknames_and_first_names_of_one_person_only(tmp_path):
    book = tmp_path / "pb.vcf"
    book.write_text(CARDS.replace("\n", "\r\n"), encoding="utf-8")
    names = read_names(book)
    assert names.said == {
        "Anna Kowalski": "Anna Kowalski",
        "Anna": "Anna Kowalski",
        "Peter Stone": "Peter Stone",
        "Pit": "Peter Stone",
        "Peter Müller": "Peter Müller",
    }
    assert names.stands_for == {"Anna Kowalski": 1, "Peter Stone": 2, "Peter Müller": 3}


@pytest.mark.parametrize(
    ("name", "text", "stands_for"),
    [
        ("a.txt", "Zoë\n\nJo\n", {"Zoë": 1, "Jo": 2}),
        ("a.csv", 'Zoë,7\n"Jo, Jr",x\n', {"Zoë": 7, "Jo, Jr": "x"}),
        ("a.csv", "Zoë\nJo\n", {"Zoë": 1, "Jo": 2}),
        ("a.json", '["Zoë", "Jo"]', {"Zoë": 1, "Jo": 2}),
        ("a.json", '{"Zoë": 7}', {"Zoë": 7}),
    ],
)
def test_other_files_have_a_name_a_line_or_what_it_stands_for(tmp_path, name, text, stands_for):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_names(tmp_path / name).stands_for == stands_for


@pytest.mark.parametrize("text", ["{", '"Zoë"', "[1]", '{"Zoë": [1]}', '{"": 1}'])
def test_what_is_no_list_of_names_is_refused_with_its_file(tmp_path, text):
    (tmp_path / "names.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"names\.json"):
        read_names(tmp_path / "names.json")


def test_more_names_than_fit_are_refused():
    with pytest.raises(ValueError, match="20,000"):
        names_of([f"name {number}" for number in range(20_001)])


def test_a_contact_of_the_phone_book_is_called_and_so_is_one_that_comes_later(tmp_path):
    book = tmp_path / "pb.vcf"
    book.write_text(CARDS, encoding="utf-8")
    config = Config(
        audio=AudioConfig(input="none", output="none"),
        tts=TtsConfig(voice="none"),
        vehicle=VehicleConfig(channel="phonebook"),
        language=LanguageConfig(lists={"contact": book}),
    )
    with Assistant(config) as assistant:
        turn = assistant.say("call anna kowalski", timeout_s=20)
        assert turn.reply.text == "I'm about to call Anna Kowalski."
        assert turn.interpretations[0].values == {"contact": "Anna Kowalski"}
        assert assistant.vehicle.actions.tables["contact"]["Anna Kowalski"] == 1
        assert assistant.say("call mom", timeout_s=20).reply.text == "I'm about to call your mother."
        assert assistant.say("call ben", timeout_s=20).verdicts == ()
        book.write_text(CARDS.replace("Kowalski", "Miller"), encoding="utf-8")
        assistant.reload_lists()
        assert assistant.say("call anna miller", timeout_s=20).verdicts
        assistant.replace_list("radio_station", names_of({"Radio Nova": 9}), wait=True)
        turn = assistant.say("play radio nova", timeout_s=20)
        assert (turn.reply.text, turn.actuations[-1].action.value) == ("Station Radio Nova.", 9)
        assert assistant.say("play station two", timeout_s=20).actuations[-1].action.value == 2
        with pytest.raises(GrammarError, match="contact"):
            assistant.replace_list("friend", names_of(["Jo"]))
