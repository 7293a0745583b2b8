"""The first reply sounds in a room that the canceller does not know yet: who talks over it is noticed."""

import numpy as np
from test_double_talk import voice

from carvoice.audio import FrontEnd

RATE, SEEDS, TALKER_FROM = 16_000, 8, 12_000


def highest_run(speech):
    """What three of some four frames reach: the listener asks for 0.5 over a reply."""
    padded = np.concatenate([np.zeros(3), speech])
    return float(np.sort(np.lib.stride_tricks.sliding_window_view(padded, 4), axis=1)[:, 1].max())


def first_reply(seed, talks):
    """Voice probabilities of a reply's first two seconds."""
    rng = np.random.default_rng(seed)
    far = 0.14 * voice(100 + 10 * seed, rng)[: 2 * RATE]
    path = rng.standard_normal(800) * np.exp(-np.arange(800) / 150)
    path *= 0.5 / np.sqrt(np.sum(path**2))
    echo = np.convolve(far, np.concatenate([np.zeros(80), path]))[: len(far)]
    near = voice(150 + 10 * (seed % 6), rng)[: 2 * RATE] * np.std(echo) * talks
    near[:TALKER_FROM] = 0
    mic = echo + near + 4e-4 * rng.standard_normal(len(far))
    return FrontEnd().process(mic.astype(np.float32), far.astype(np.float32)).speech


def test_its_own_echo_is_not_taken_for_a_talker():
    assert sum(highest_run(first_reply(seed, talks=False)) >= 0.5 for seed in range(SEEDS)) == 0


def test_a_talker_over_it_is_noticed():
    """Of eight, the network alone noticed none."""
    runs = [highest_run(first_reply(seed, talks=True)[TALKER_FROM // 160 :]) for seed in range(SEEDS)]
    assert sum(run >= 0.5 for run in runs) >= 7
