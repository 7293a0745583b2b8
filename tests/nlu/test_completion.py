"""How a sentence that was begun could end."""

from carvoice.grammar.acceptor import build_acceptor
from carvoice.nlu.completion import Completions


def of(tmp_path, words: str, longest: int = 5) -> list[str]:
    from carvoice.grammar import compile_grammar, load_grammar

    file = tmp_path / "g.yaml"
    file.write_text(
        "language: en\n"
        "lists: {level: {range: {from: 1, to: 9}}}\n"
        "intents:\n"
        "  Set: {data: [{sentences: ['set the (fan|volume) to {level} [now please]']}]}\n"
        "  Open: {data: [{sentences: ['open the window']}]}\n"
    )
    automaton = compile_grammar(load_grammar(file, language="en"))
    return list(Completions(build_acceptor(automaton)).of(words.split(), longest))


def test_the_shortest_ends_come_first_one_for_each_way_to_go_on(tmp_path):
    found = of(tmp_path, "set the fan")
    assert [len(sentence.split()) for sentence in found] == [5, 7]
    assert found[0].startswith("set the fan to ")


def test_no_end_is_longer_than_asked(tmp_path):
    assert len(of(tmp_path, "set the fan", 2)) == 1
    assert of(tmp_path, "set the fan", 1) == []


def test_a_whole_sentence_and_words_that_begin_none_have_no_end(tmp_path):
    assert of(tmp_path, "open the window") == []
    assert of(tmp_path, "close the") == []
    assert of(tmp_path, "unheard of") == []
