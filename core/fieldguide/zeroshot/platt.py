"""Platt scaling: two numbers that turn the scores of one finding into probabilities.

Platt 1999, "Probabilistic Outputs for Support Vector Machines": p = sigmoid(slope * score + bias),
fitted by the log loss against softened targets, so that a few labels never claim certainty. The
slope is kept from falling below zero: where scores do not follow the labels, every probability
becomes the share of positives, and no order is ever turned around.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Line(NamedTuple):
    """What scores become before the sigmoid: ``slope * score + bias``."""

    slope: float
    bias: float

    def probabilities(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probability of each score."""
        return np.asarray(expit(self.slope * scores.astype(np.float64) + self.bias))


def fit_platt(scores: NDArray[np.floating], positives: NDArray[np.bool_]) -> Line:
    """Return the line that minimises the log loss.

    Args:
        scores: (N,) of one finding, higher is likelier.
        positives: (N,) whether it is there; both kinds occur.

    Raises:
        ValueError: one kind does not occur.
    """
    count = int(positives.sum())
    others = len(positives) - count
    if not count or not others:
        raise ValueError("Platt scaling needs positives and negatives")
    targets = np.where(positives, (count + 1) / (count + 2), 1 / (others + 2))
    spread = float(scores.std()) or 1.0  # the search goes well on scores of spread one
    centre = float(scores.mean())
    scaled = (scores.astype(np.float64) - centre) / spread

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = line[0] * scaled + line[1]
        error = expit(logits) - targets
        value = float(np.logaddexp(0, logits).mean() - (targets * logits).mean())
        return value, np.array([(error * scaled).mean(), error.mean()])

    start = np.array([1.0, np.log((count + 1) / (others + 1))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=((0, None), (None, None)),
                     options={"ftol": 1e-12, "gtol": 1e-9})  # fmt: skip
    slope = float(found.x[0]) / spread
    return Line(slope, float(found.x[1]) - slope * centre)


def best_threshold(probabilities: NDArray[np.floating], positives: NDArray[np.bool_]) -> float:
    """Return the probability from which on F1 is highest; between two that occur, their middle.

    Args:
        probabilities: (N,).
        positives: (N,) whether it is there; one or more are.
    """
    order = np.argsort(-probabilities, kind="stable")
    sorted_ = probabilities[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(sorted_)), len(sorted_) - 1)
    found = np.cumsum(positives[order])[ends]
    f1 = 2 * found / (ends + 1 + positives.sum())
    best = int(np.argmax(f1))
    below = sorted_[ends[best] + 1] if best + 1 < len(ends) else 0.0
    return float((sorted_[ends[best]] + below) / 2)
