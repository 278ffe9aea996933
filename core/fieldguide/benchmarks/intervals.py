"""Bootstrap intervals that resample whole groups, so that near-copies do not count as evidence.

Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapters 8 and 13 (percentile
intervals; clustered data).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

RESAMPLES = 1000
_RESAMPLES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % percentile interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the figure and interval in percent.

        >>> str(Interval(0.5, 0.25, 0.75))
        '50.0 % [25.0, 75.0]'
        """
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True, slots=True)
class Counts:
    """A figure before it is summed up, so that it can be resampled alone or beside another.

    Attributes:
        counts: (N, K) what each row adds to K sums.
        groups: the group of each row.
        figure: maps sums (B, K) to figures (B,); NaN where undefined.
    """

    counts: NDArray[np.float64]
    groups: Sequence[str]
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    @property
    def value(self) -> float:
        """The figure of all rows."""
        return float(self.figure(self.counts.sum(axis=0, keepdims=True))[0])

    def interval(self) -> Interval:
        """Return the figure with its interval."""
        return grouped_bootstrap(self.counts, self.groups, self.figure)


def paired_difference(before: Counts, after: Counts) -> Interval:
    """Return what a figure gained, with the interval of the difference on the same rows.

    Both are resampled by the same draws of groups, so what makes a sample easy or hard cancels
    (Efron and Tibshirani 1993, chapter 8; Koehn 2004, "Statistical Significance Tests for Machine
    Translation Evaluation", for paired samples).

    Args:
        before: of the first model.
        after: of the second, on the same rows in the same order.

    Raises:
        ValueError: the rows are not the same.
    """
    if before.counts.shape != after.counts.shape or list(before.groups) != list(after.groups):
        raise ValueError("a paired difference needs the same rows on both sides")

    def difference(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        first, second = np.split(sums, 2, axis=1)
        return after.figure(second) - before.figure(first)

    return grouped_bootstrap(np.hstack([before.counts, after.counts]), before.groups, difference)


def resampled_groups(groups: int, *, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield how often each group is drawn, (B, G), until there are ``RESAMPLES`` draws.

    Args:
        groups: G, how many there are; as many are drawn each time, with replacement.
        seed: of the resampling.
    """
    generator = np.random.default_rng(seed)
    share = np.full(groups, 1 / groups)
    for start in range(0, RESAMPLES, _RESAMPLES_AT_ONCE):
        yield generator.multinomial(groups, share, min(_RESAMPLES_AT_ONCE, RESAMPLES - start))


def grouped_bootstrap(
    counts: NDArray[np.float64],
    groups: Sequence[str],
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    seed: int = 0,
) -> Interval:
    """Return a figure of summed counts with its interval.

    Args:
        counts: (N, K) what each row adds to K sums, such as right answers and answers by class.
        groups: the group of each row; groups are drawn with replacement, whole.
        figure: maps sums (B, K) to figures (B,); NaN where undefined.
        seed: of the resampling.
    """
    names, places = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    by_group = np.zeros((len(names), counts.shape[1]))
    np.add.at(by_group, places, counts)
    drawn = [figure(weights @ by_group) for weights in resampled_groups(len(names), seed=seed)]
    low, high = np.nanpercentile(np.concatenate(drawn), (2.5, 97.5))
    value = figure(by_group.sum(axis=0, keepdims=True))[0]
    return Interval(float(value), float(low), float(high))
