"""Mean and covariance of all vectors of a corpus: how its similarities to any query lie.

The cosine of a row x with a query q is q . x. So over the corpus the cosines with q have the mean
q . mu and the variance q^T Sigma q, for any q and without reading a row again. Covariances of
blocks are added exactly (Chan, Golub and LeVeque 1983, "Algorithms for Computing the Sample
Variance").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MIN_STD = 1e-6
"""Cosines of vectors of 32 bits that differ by less than this do not differ at all."""


@dataclass(frozen=True, slots=True)
class CorpusMoments:
    """What the vectors of a corpus have in common.

    Attributes:
        count: N, how many.
        mean: (D,) float64.
        covariance: (D, D) float64, with N - 1 as divisor; zeros for fewer than two vectors.
    """

    count: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def spread(self, query: NDArray[np.floating]) -> tuple[float, float]:
        """Return mean and standard deviation of all cosines with a query.

        Args:
            query: (D,), unit length like the rows.

        Returns:
            The standard deviation is 0 where all cosines are the same, and in a corpus of one.
        """
        q = np.asarray(query, dtype=np.float64)
        variance = float(q @ self.covariance @ q)  # rounding may leave it just below zero
        std = math.sqrt(max(variance, 0.0))
        return float(q @ self.mean), 0.0 if std < MIN_STD else std


def moments_of(blocks: Iterable[NDArray[np.floating]], dim: int) -> CorpusMoments:
    """Return the moments of all rows of some blocks; memory holds one block and a (D, D) matrix.

    Args:
        blocks: (B, D) each.
        dim: D, for a corpus without rows.
    """
    count = 0
    mean = np.zeros(dim)
    scatter = np.zeros((dim, dim))
    for block in blocks:
        rows = np.asarray(block, dtype=np.float64)
        if not len(rows):
            continue
        centre = rows.mean(axis=0)
        rows = rows - centre
        step = centre - mean
        total = count + len(rows)
        scatter += rows.T @ rows + np.outer(step, step) * (count * len(rows) / total)
        mean += step * (len(rows) / total)
        count = total
    return CorpusMoments(count, mean, scatter / max(count - 1, 1))
