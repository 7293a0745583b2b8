"""The checker reports everything at once, with places."""

from carvoice.grammar import build_acceptor, check_grammar, compile_grammar, load_grammar, parse_grammar
from carvoice.grammar.sample import count_sentences, grammar_stats, sample


def messages(text):
    return [problem.message for problem in check_grammar(parse_grammar(text))]


def test_all_errors_at_once(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "intents:\n  A:\n    data:\n      - sentences:\n"
        "          - 'go to {place}'\n          - 'go <there>'\n          - 'go {empty}'\n"
        "lists:\n  empty: {values: []}\n"
    )
    problems = check_grammar(load_grammar(path))
    assert [problem.line for problem in problems] == [5, 6, 7]
    assert all(problem.severity == "error" for problem in problems)
    text = str(problems[0])
    assert text.startswith(f"{path}:5:20: error: there is no list {{place}}")
    assert text.splitlines()[2].index("^") == text.splitlines()[1].index("{place}")


def test_a_sound_grammar_has_no_problems():
    assert messages("intents: {A: {data: [{sentences: ['open [the] window']}]}}") == []


def test_overlap_is_shown_with_a_sentence():
    (message,) = messages(
        "intents:\n  A: {data: [{sentences: ['open [the] (door|window)']}]}\n"
        "  B: {data: [{sentences: ['(open|lower) the window']}]}"
    )
    assert "'open the window' is both A here and B" in message


def test_overlap_through_lists_and_wildcards():
    text = (
        "lists: {what: {values: [door, window]}, any: {wildcard: true}}\n"
        "intents:\n  A: {data: [{sentences: ['open {what}', 'x {any} {any}']}]}\n"
        "  B: {data: [{sentences: ['open window']}]}"
    )
    found = messages(text)
    assert any("'open window' is both" in message for message in found)
    assert any("side by side" in message for message in found)


def test_unused_and_impossible():
    text = (
        "lists: {what: {values: [door]}}\nexpansion_rules: {never: 'x'}\n"
        "intents:\n  A:\n    data:\n      - {sentences: ['go now'], required_keywords: [stop]}\n"
        "      - {sentences: ['go'], requires_context: {a: 1}, excludes_context: {a: 1}}\n"
        "      - {sentences: ['[maybe]']}"
    )
    found = " | ".join(messages(text))
    for part in ("the rule <never>", "the list {what}", "required_keywords", "never match"):
        assert part in found


def test_what_only_a_list_value_uses_is_used():
    assert (
        messages(
            "lists: {what: {values: ['<a_door>', '{side} door']}, side: {values: [left, right]}}\n"
            "expansion_rules: {a_door: '[the] door'}\n"
            "intents: {A: {data: [{sentences: ['open {what}']}]}}"
        )
        == []
    )


def test_samples_and_counts():
    grammar = parse_grammar(
        "lists: {n: {range: {from: 1, to: 3}}}\n"
        "intents:\n  A: {data: [{sentences: ['open [the] (door|window)']}]}\n"
        "  B: {data: [{sentences: ['{n} up']}]}"
    )
    drawn = {item.sentence for item in sample(grammar, 200, seed=3)}
    expected = {f"open {the}{what}" for the in ("", "the ") for what in ("door", "window")}
    assert drawn == expected | {"one up", "two up", "three up"}
    assert {item.intent for item in sample(grammar, 20, intent="B")} == {"B"}
    stats = grammar_stats(grammar, compile_grammar(grammar))
    assert stats.sentences == count_sentences(build_acceptor(compile_grammar(grammar))) == 7
