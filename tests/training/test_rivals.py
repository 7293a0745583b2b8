"""What an utterance could be taken for, and the loss against it."""

import itertools
import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra: pip install -e .[train]")

import torch

from carvoice.grammar import build_acceptor, compile_grammar, parse_grammar
from carvoice.grammar.lexicon import Lexicon
from training.batches import Batch, Segment
from training.phones import labels_of
from training.rivals import Rivals, same_place
from training.train import rival_loss

GRAMMAR = """
language: en
intents:
  Light: {data: [{sentences: ["switch the light {state}"]}]}
lists:
  state: {values: ["on", "off", "in"]}
"""
LEXICON = {
    "switch": "s w ih ch",
    "the": "dh ah",
    "light": "l ay t",
    "on": "aa n",
    "off": "ao f",
    "in": "ih n",
    "night": "n ay t",
}


def phones(line):
    return tuple(labels_of(line.split()))


@pytest.fixture
def rivals(tmp_path):
    (tmp_path / "light.yaml").write_text(GRAMMAR)
    return Rivals(tmp_path, Lexicon(LEXICON), seed=1)


def test_words_of_one_place():
    found = same_place(build_acceptor(compile_grammar(parse_grammar(GRAMMAR))))
    assert found["on"] == {"off": 1.0, "in": 1.0}
    assert found["light"] == {}


def test_one_word_is_exchanged(rivals):
    # the talker's own "the", which is not the lexicon's
    said = phones("s w ih ch dh iy l ay t aa n")
    found = {labels for _ in range(50) for labels in rivals.draw("Switch the light on.", said)}
    assert phones("s w ih ch dh iy l ay t ao f") in found
    assert phones("s w ih ch dh iy n ay t aa n") in found
    assert said not in found


def test_unknown_words_have_no_rivals(rivals):
    assert rivals.draw("switch xanthippe on", (1, 2, 3)) == []


def chance(probabilities, labels):
    """CTC by trying every path."""
    total = 0.0
    for path in itertools.product(range(probabilities.shape[1]), repeat=len(probabilities)):
        said = tuple(label for label, _ in itertools.groupby(path) if label)
        if said == tuple(labels):
            total += math.prod(row[label] for row, label in zip(probabilities, path, strict=True))
    return total


def test_loss_is_the_chance_of_a_rival():
    logits = torch.tensor(np.random.default_rng(3).normal(size=(1, 5, 4)), requires_grad=True)
    segments = (
        Segment(0, 0, 3, (1, 2), ((1, 3), (2,))),
        Segment(0, 3, 5, (3,)),  # without rivals: no part of it
    )
    loss = rival_loss(logits, Batch(np.zeros((1, 20, 80), np.float32), segments))
    probabilities = torch.softmax(logits, -1)[0, :3].detach().numpy()
    said, *others = (chance(probabilities, labels) for labels in ((1, 2), (1, 3), (2,)))
    assert loss.item() == pytest.approx(1 - said / (said + sum(others)), rel=1e-4)
    loss.backward()
    assert torch.isfinite(logits.grad).all()


def test_a_rival_that_does_not_fit_counts_for_nothing():
    logits = torch.zeros(1, 3, 4, requires_grad=True)
    too_long = (1, 1, 2)  # four frames with the blank between
    batch = Batch(np.zeros((1, 12, 80), np.float32), (Segment(0, 0, 3, (1,), ((2,), too_long)),))
    loss = rival_loss(logits, batch)
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    assert torch.isfinite(logits.grad).all()
