"""Logistic regression on few rows, with weights that make sense."""

from __future__ import annotations

import numpy as np

RIDGE = 1e-2


def fit_logistic(x: np.ndarray, y: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Logistic regression with a ridge on standardized measures; the last weight is the bias.

    A measure whose weight comes out with the sign that makes no sense is left out: better fit must
    not lower confidence just because the sample is small.
    """
    used = np.ones(x.shape[1], bool)
    while True:
        w = np.zeros(x.shape[1] + 1)
        mean, scale = x[:, used].mean(0), x[:, used].std(0) + 1e-6
        standard = newton((x[:, used] - mean) / scale, y)
        w[:-1][used] = standard[:-1] / scale
        w[-1] = standard[-1] - float((standard[:-1] * mean / scale).sum())
        senseless = used & (w[:-1] * signs < 0)
        if not senseless.any():
            return w
        used &= ~senseless


def newton(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Ridge-regularized logistic regression by Newton's method; the last weight is the bias."""
    x = np.column_stack([x, np.ones(len(x))])
    w = np.zeros(x.shape[1])
    ridge = RIDGE * len(x) * np.eye(x.shape[1]) / 10
    ridge[-1, -1] = 0
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        gradient = x.T @ (p - y) + ridge @ w
        hessian = (x * (p * (1 - p))[:, None]).T @ x + ridge + 1e-9 * np.eye(len(w))
        step = np.linalg.solve(hessian, gradient)
        w -= step
        if np.abs(step).max() < 1e-6:
            break
    return w


def probabilities(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.column_stack([x, np.ones(len(x))]) @ w)))
