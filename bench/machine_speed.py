"""Times told at the speed of a known machine, so that a slow moment of a shared one fails no budget.

A virtual machine's neighbours can slow everything on it by half for minutes. What a tight budget allows is
therefore compared with the time of a fixed piece of work of the same kind (short float32 transforms and
complex products, all of it in the first-level cache or near it), measured in turn with the call.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

REFERENCE_S = 32e-6
"""The reference work on one quiet core of the two-core x86 server (Zen 4) the budgets were written on."""

_ROWS = np.random.default_rng(0).standard_normal((24, 512)).astype(np.float32)
_SPECTRUM = np.fft.rfft(_ROWS[:16], n=1022).reshape(-1).astype(np.complex64)
_PRODUCT = np.empty_like(_SPECTRUM)


def reference_work() -> None:
    """24 real transforms of 512 samples and 8,192 complex products."""
    np.fft.rfft(_ROWS)
    np.multiply(_SPECTRUM, _SPECTRUM, out=_PRODUCT)


def _mean_s(call: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def at_reference_speed_s(call: Callable[[], object], rounds: int = 300, each: int = 10) -> float:
    """Seconds that `call` takes where the reference work takes `REFERENCE_S`: the median over rounds of the
    ratio of both, times that.
    """
    ratios = [_mean_s(call, each) / _mean_s(reference_work, 10) for _ in range(rounds)]
    return float(np.median(ratios)) * REFERENCE_S


def slowness(rounds: int = 300) -> float:
    """How many times longer than `REFERENCE_S` the reference work takes now; at least 1."""
    times_s = [_mean_s(reference_work, 3) for _ in range(rounds)]
    return max(1.0, float(np.median(times_s)) / REFERENCE_S)
