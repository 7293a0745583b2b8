"""Which word follows which, from our sentences."""

from carvoice.grammar.lexicon import Lexicon
from training.word_pairs import OUT, SENTENCES, variants, word_pairs


def test_variants_of_a_template():
    assert list(variants("what {is|was} {Rome|it}?")) == [
        "what is rome ", "what is it ", "what was rome ", "what was it ",
    ]  # fmt: skip


def test_pairs_of_known_words_only():
    known = Lexicon({"what": "w ah t", "is": "ih z", "rome": "r ow m"})
    assert word_pairs(["what is  rome", "is xylo rome"], known) == {
        ("<s>", "what"), ("what", "is"), ("is", "rome"), ("<s>", "is"),
    }  # fmt: skip


def test_the_shipped_pairs_are_those_of_the_sentences():
    rows = [line.split("\t") for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
    texts = [text for _, language, template in rows if language == "en" for text in variants(template)]
    shipped = {tuple(line.split(" ")) for line in OUT.read_text(encoding="utf-8").splitlines()}
    assert shipped == word_pairs(texts, Lexicon.load())
