"""The template reader against HassIL's own."""

import pytest
from hassil.expression import Alternative, Group, ListReference, Permutation, RuleReference, TextChunk
from hassil.parse_expression import parse_sentence
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.grammar import expression as ours
from carvoice.grammar.template import MAX_NESTING, TemplateError, parse_template


def simplify(node):
    """A tree of plain tuples, with groups of one item opened and empty texts dropped."""
    if isinstance(node, (ours.Text, TextChunk)):
        return ("text", node.text)
    if isinstance(node, ours.ListReference):
        return ("list", node.name, node.slot)
    if isinstance(node, ListReference):
        return ("list", node.list_name, "" if node.is_capture else node.slot_name)
    if isinstance(node, (ours.RuleReference, RuleReference)):
        return ("rule", node.name if isinstance(node, ours.RuleReference) else node.rule_name)
    items = [simplify(item) for item in node.items]
    if isinstance(node, (ours.Alternative, Alternative)):
        return ("alt", *items)
    if isinstance(node, (ours.Permutation, Permutation)):
        stripped = []
        for item in items:  # HassIL writes the spaces around the items into the tree
            stripped.append([part for part in flat(item) if part != ("text", " ")])
        return ("perm", *stripped)
    assert isinstance(node, (ours.Sequence, Group))
    parts = [part for item in items for part in flat(item)]
    return parts[0] if len(parts) == 1 else ("seq", *parts)


def flat(item):
    """The parts of a sequence, or the item alone: nesting of sequences means nothing."""
    return [part for inner in item[1:] for part in flat(inner)] if item[0] == "seq" else [item]


word = st.sampled_from(["turn", "on ", " the ", "light", "s", " ", "l'", "%", r"\(", r"a\|b"])


def templates(inner):
    joined = st.lists(inner, min_size=1, max_size=4).map("".join)
    return st.one_of(
        joined,
        joined.map("({})".format),
        joined.map("[{}]".format),
        st.lists(joined, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.lists(joined, min_size=2, max_size=3).map(lambda parts: f"({';'.join(parts)})"),
        st.lists(joined, min_size=2, max_size=3).map(lambda parts: f"[{'|'.join(parts)}]"),
    )


reference = st.sampled_from(["{name}", "{name:slot}", "{@x}", "{x:@y}", "{0..100,10:n}", "<rule>"])
template = st.recursive(st.one_of(word, reference), templates, max_leaves=12)


@given(template)
@settings(max_examples=150, deadline=None)
def test_reads_what_hassil_reads(text):
    text = text.strip()
    if not text:
        return
    expected = parse_sentence(text).expression
    assert simplify(parse_template(text)) == simplify(expected)


@pytest.mark.parametrize(
    ("text", "offset", "fragment"),
    [
        ("turn (on", 5, "never closed"),
        ("turn on)", 7, "closes nothing"),
        ("turn (on]", 8, "')' is wanted"),
        ("set {temp", 4, "never closed"),
        ("set <rule", 4, "never closed"),
        ("set {}", 4, "name is wanted"),
        ("set < >", 4, "name is wanted"),
        ("a {b\\", 2, "never closed"),
    ],
)
def test_errors_point_at_the_place(text, offset, fragment):
    with pytest.raises(TemplateError) as caught:
        parse_template(text)
    assert caught.value.offset == offset
    assert fragment in caught.value.message


def test_deep_nesting_is_refused_without_recursion():
    with pytest.raises(TemplateError, match="nested"):
        parse_template("(" * 5000 + "a" + ")" * 5000)
    parse_template("(" * (MAX_NESTING - 1) + "a" + ")" * (MAX_NESTING - 1))


@given(st.text(alphabet="ab ()[]{}<>|;:\\@.,0", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text):
    offset = 0
    try:
        parse_template(text)
    except TemplateError as error:
        offset = error.offset
    assert 0 <= offset < max(1, len(text))
