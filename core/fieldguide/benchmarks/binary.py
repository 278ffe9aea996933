"""Figures of one yes-or-no question for several weightings of the rows at once.

AUROC is the chance that a positive scores higher than a negative, ties counting half (Hanley and
McNeil 1982, doi:10.1148/radiology.143.1.7063747).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weights = NDArray[np.floating] | NDArray[np.integer]


def auroc(
    scores: NDArray[np.floating], positives: NDArray[np.bool_], weights: Weights
) -> NDArray[np.float64]:
    """Return the area under the ROC curve (B,); NaN where one of the two kinds does not count.

    Args:
        scores: (N,) higher is likelier.
        positives: (N,).
        weights: (B, N) how often each row counts.
    """
    order = np.argsort(scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of equal scores
    sorted_ = weights[:, order].astype(np.float64)
    right = np.diff(np.cumsum(sorted_ * positives[order], axis=1)[:, ends], axis=1, prepend=0)
    wrong = np.cumsum(sorted_ * ~positives[order], axis=1)[:, ends]
    below = wrong - np.diff(wrong, axis=1, prepend=0) / 2  # half of the equal ones
    pairs = right.sum(axis=1) * wrong[:, -1]
    won = (right * below).sum(axis=1)
    return np.asarray(np.divide(won, pairs, out=np.full_like(won, np.nan), where=pairs > 0))


def precision(
    hits: NDArray[np.float64], false_alarms: NDArray[np.float64], missed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of calls that are right: 0 without any call, NaN without positives."""
    share = _share(hits, hits + false_alarms, otherwise=0.0)
    return np.where(hits + missed > 0, share, np.nan)


def recall(hits: NDArray[np.float64], missed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of positives that are called; NaN without positives."""
    return _share(hits, hits + missed, otherwise=np.nan)


def f1(
    hits: NDArray[np.float64], false_alarms: NDArray[np.float64], missed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the harmonic mean of precision and recall; NaN without positives."""
    share = _share(2 * hits, 2 * hits + false_alarms + missed, otherwise=0.0)
    return np.where(hits + missed > 0, share, np.nan)


def _share(
    part: NDArray[np.float64], whole: NDArray[np.float64], *, otherwise: float
) -> NDArray[np.float64]:
    return np.asarray(np.divide(part, whole, out=np.full_like(part, otherwise), where=whole > 0))
