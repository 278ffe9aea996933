"""Whether probabilities of findings can be believed: Brier score and calibration error.

Brier score: the mean square of claimed probability less truth (Brier 1950). Expected calibration
error: mean distance of claimed probability and share of positives, weighted by rows (Naeini et al.
2015; 15 bins of equal width). The error of few rows is too high on average, even of honest claims.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.benchmarks.classification import (
    RELIABILITY_BINS,
    ReliabilityBin,
    reliability_bins,
)
from fieldguide.benchmarks.intervals import Interval, grouped_bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far claims about all findings together can be believed.

    Attributes:
        brier: 0 is best; 0.25 is what 0.5 everywhere gets.
        calibration_error: 0 is best.
        bins: claims beside what was true.
        answers: how many claims there are: rows times findings, less what is not known.
    """

    brier: Interval
    calibration_error: Interval
    bins: tuple[ReliabilityBin, ...]
    answers: int

    def summary(self) -> dict[str, Any]:
        """Return the figures as plain numbers."""
        return {
            name: {"value": figure.value, "low": figure.low, "high": figure.high}
            for name, figure in (
                ("brier", self.brier),
                ("calibration_error", self.calibration_error),
            )
        } | {"answers": self.answers}


def measure_reliability(
    probabilities: NDArray[np.floating], truth: NDArray[np.float64], groups: Sequence[str]
) -> Reliability:
    """Return how far the probabilities of all findings can be believed.

    Args:
        probabilities: (N, F); NaN where nothing is claimed.
        truth: (N, F) 1, 0, or NaN where it is not known.
        groups: of each row; resampled whole.
    """
    known = ~np.isnan(truth) & ~np.isnan(probabilities)
    row = np.nonzero(known)[0]
    claimed, true = probabilities[known].astype(np.float64), truth[known]
    own = [groups[int(place)] for place in row]
    places = np.clip(np.ceil(claimed * RELIABILITY_BINS).astype(int) - 1, 0, RELIABILITY_BINS - 1)
    member = np.eye(RELIABILITY_BINS)[places]
    errors = np.hstack([member * (claimed - true)[:, None], member])
    squares = np.stack([(claimed - true) ** 2, np.ones_like(claimed)], axis=1)
    return Reliability(
        brier=grouped_bootstrap(squares, own, lambda sums: sums[:, 0] / sums[:, 1]),
        calibration_error=grouped_bootstrap(errors, own, _calibration_error),
        bins=reliability_bins(claimed, true),
        answers=len(claimed),
    )


def _calibration_error(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the error (B,) of sums (B, 2 * bins): claims less truth, then rows."""
    differences, rows = np.split(sums, 2, axis=1)
    return np.asarray(np.abs(differences).sum(axis=1) / rows.sum(axis=1))
