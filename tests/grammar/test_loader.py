"""Grammar files: merging, and errors that show the place."""

import textwrap

import pytest

from carvoice.errors import GrammarError
from carvoice.grammar import compile_grammar, load_grammar, parse_grammar


def write(folder, name, text):
    path = folder / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def fails(path, match):
    with pytest.raises(GrammarError, match=match) as caught:
        compile_grammar(load_grammar(path))
    return caught.value


def test_files_are_merged(tmp_path):
    write(tmp_path, "a.yaml", 'intents: {A: {data: [{sentences: ["one"]}]}}\nlists: {x: {values: [p]}}')
    write(tmp_path, "b.yaml", 'intents: {A: {data: [{sentences: ["two"]}]}}\nskip_words: [please]')
    write(tmp_path, "replies.yaml", "anything: [1]")
    grammar = load_grammar(tmp_path)
    assert [str(block.sentences[0].text) for block in grammar.blocks] == ["one", "two"]
    assert grammar.skip_words == ("please",)
    assert set(grammar.lists) == {"x"}


def test_bracket_error_shows_line_column_and_caret(tmp_path):
    path = write(
        tmp_path,
        "bad.yaml",
        """\
        intents:
          A:
            data:
              - sentences:
                  - "turn on"
                  - "turn (on|off the light"
        """,
    )
    error = fails(path, "never closed")
    assert (error.line, error.column) == (6, 19)
    lines = str(error).splitlines()
    assert lines[0].startswith(f"{path}:6:19: ")
    assert lines[1][4:][lines[2][4:].index("^")] == "("


def test_unknown_list_and_rule_point_at_the_name(tmp_path):
    path = write(tmp_path, "a.yaml", "intents: {A: {data: [{sentences: ['go to {place}']}]}}")
    error = fails(path, "no list {place}")
    assert error.column == str(error).splitlines()[1][4:].index("{place}") + 1
    path = write(tmp_path, "b.yaml", "intents: {A: {data: [{sentences: ['go <where>']}]}}")
    fails(path, "no rule <where>")


def test_rule_inside_itself(tmp_path):
    path = write(
        tmp_path,
        "a.yaml",
        "expansion_rules: {a: 'x <b>', b: 'y <a>'}\nintents: {A: {data: [{sentences: ['<a>']}]}}",
    )
    fails(path, "<a> -> <b> -> <a>")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("intents: [", "not readable as YAML"),
        ("- a", "must hold a mapping"),
        ("intent: {}", "no section"),
        ("lists: {a: {}}", "needs 'values'"),
        ("lists: {a: {range: {from: 5, to: 1}}}", "swap"),
        ("lists: {a: {range: {from: x, to: 1}}}", "whole numbers"),
        ("lists: {a: {values: [on]}}", "quotes"),
        ("intents: {A: {data: [{sentences: [off]}]}}", "quotes"),
        ("intents: {A: {data: [{sentences: ['{a}']}]}}\nlists: {a: {values: []}}", "no values"),
        ("intents: {A: {data: [{sentences: ['(a;b;c;d;e;f;g;h;i;j)']}]}}", "permutation"),
        ("intents: {A: {data: [{sentences: ['[a][b][c][d][e][f][g][h][i][j][k][l][m][n][o][p][q][r]']}]}}",
         "glues"),
    ],
)  # fmt: skip
def test_messages(tmp_path, text, match):
    fails(write(tmp_path, "a.yaml", text), match)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(GrammarError, match="cannot be read"):
        load_grammar(tmp_path / "no.yaml")
    with pytest.raises(GrammarError, match="no grammar file"):
        load_grammar(tmp_path)


def test_aliases_cannot_explode(tmp_path):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        bomb += f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n"
    with pytest.raises(GrammarError, match="nodes"):
        load_grammar(write(tmp_path, "a.yaml", bomb))


def test_exponential_rules_are_refused():
    rules = "\n".join(f"  r{i}: '<r{i - 1}> <r{i - 1}>'" for i in range(1, 40))
    text = f"expansion_rules:\n  r0: a\n{rules}\nintents: {{A: {{data: [{{sentences: ['<r39>']}}]}}}}"
    with pytest.raises(GrammarError, match="places"):
        compile_grammar(parse_grammar(text))
