"""A recognizer over the tone model and a small hand-made grammar."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from carvoice.asr.grammar_recognizer import GrammarRecognizer
from carvoice.asr.models import load_model
from carvoice.grammar.lexicon import Lexicon

sys.path.insert(0, str(Path(__file__).parent))

import tone_model

SENTENCES = (
    "turn on the radio",
    "turn off the radio",
    "open the window",
    "open the window halfway",
    "set the temperature to twenty one",
    "call john",
)


@dataclass(frozen=True)
class Words:
    """A word acceptor: a tree of sentences."""

    n_states: int
    start: int
    finals: frozenset[int]
    arcs: tuple[tuple[int, str | None, int], ...]


def tree_of(sentences):
    nodes, arcs, finals = {(): 0}, [], set()
    for sentence in sentences:
        so_far = ()
        for word in sentence.split():
            following = (*so_far, word)
            if following not in nodes:
                nodes[following] = len(nodes)
                arcs.append((nodes[so_far], word, nodes[following]))
            so_far = following
        finals.add(nodes[so_far])
    return Words(len(nodes), 0, frozenset(finals), tuple(arcs))


@pytest.fixture(scope="session")
def lexicon():
    return Lexicon.load()


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return load_model(tone_model.write(tmp_path_factory.mktemp("tones")))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="session")
def recognizer(model, lexicon, cache):
    return GrammarRecognizer(tree_of(SENTENCES), model, lexicon, cache=cache)


@pytest.fixture(scope="session")
def say(lexicon):
    """Text to sound that the tone model hears as the first pronunciation of each word."""

    def speak(text, tail_s=0.3, **how):
        phones = [phone for word in text.split() for phone in lexicon.pronunciations(word)[0]]
        return np.concatenate([tone_model.say(phones, **how), np.zeros(int(tail_s * 16_000), np.float32)])

    return speak


@pytest.fixture(scope="session")
def shared():
    """Recordings and models for measuring; they are not part of the project."""
    folder = Path(os.environ.get("CARVOICE_SHARED", Path(__file__).parents[3] / "shared"))
    if not folder.is_dir():
        pytest.skip("no shared material: set CARVOICE_SHARED to its folder")
    return folder
