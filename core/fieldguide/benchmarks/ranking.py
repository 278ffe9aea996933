"""Figures of one ranking in which several items are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def relevant_ranks(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the ranks of the relevant items, ascending; 1 is the first place.

    An item that is not relevant and exactly as good comes first, so that ties never look like
    success.

    Args:
        scores: (N,), higher is better.
        relevant: (N,).
    """
    right = -np.sort(-scores[relevant])
    wrong = np.sort(-scores[~relevant])
    before = np.searchsorted(wrong, -right, side="right")
    return np.asarray(before + np.arange(1, len(right) + 1), dtype=np.int64)


def average_precision(ranks: NDArray[np.int64]) -> float:
    """Return the mean precision at the place of every relevant item.

    All relevant items count, however late they come (Manning, Raghavan and Schuetze 2008,
    "Introduction to Information Retrieval", section 8.4).

    Args:
        ranks: (R,) of all relevant items, ascending from 1; one or more.

    >>> average_precision(np.array([1, 3]))
    0.8333333333333333
    """
    return float((np.arange(1, len(ranks) + 1) / ranks).mean())


def precision_at(ranks: NDArray[np.int64], k: int) -> float:
    """Return which share of the first k items is relevant."""
    return int((ranks <= k).sum()) / k


def recall_at(ranks: NDArray[np.int64], k: int) -> float:
    """Return which share of the relevant items is among the first k."""
    return float((ranks <= k).mean())
