"""How well findings are judged: AUROC, F1, precision and recall of each, and their means.

Intervals resample whole groups, such as patients. A figure that is not defined, such as the AUROC
of a finding that every row has, is None and takes no part in a mean; the mean says of how many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks import binary
from fieldguide.benchmarks.intervals import Interval, resampled_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FIGURES = ("auroc", "f1", "precision", "recall")


@dataclass(frozen=True, slots=True)
class FindingFigures:
    """One finding.

    Attributes:
        positives: rows that have it.
        negatives: rows that do not.
        uncertain: labels that were -1, whatever they counted as.
        unknown: rows of which it is not known.
        threshold: the probability from which on it counts as present.
        auroc: None where one of the two kinds does not occur.
        f1: None where no row has it; likewise precision and recall.
    """

    label: str
    positives: int
    negatives: int
    uncertain: int
    unknown: int
    threshold: float
    auroc: Interval | None
    f1: Interval | None
    precision: Interval | None
    recall: Interval | None


@dataclass(frozen=True, slots=True)
class MacroMean:
    """The mean of a figure over the findings of which it is defined.

    Attributes:
        interval: None where it is defined of none.
        of: of how many findings it is the mean.
    """

    interval: Interval | None
    of: int


@dataclass(frozen=True)
class Judged:
    """What was claimed of N rows, and what is true.

    Attributes:
        labels: F findings.
        scores: (N, F) higher is likelier.
        called: (N, F) whether the finding counts as present.
        truth: (N, F) 1, 0, or NaN where it is not known.
        groups: of each row.
    """

    labels: tuple[str, ...]
    scores: NDArray[np.float64]
    called: NDArray[np.bool_]
    truth: NDArray[np.float64]
    groups: Sequence[str]


def measure_findings(
    judged: Judged,
) -> tuple[dict[str, dict[str, Interval | None]], dict[str, MacroMean]]:
    """Return every figure of each finding by its label, and the means by the figure's name."""
    names, places = np.unique(np.asarray(judged.groups, dtype=str), return_inverse=True)
    value = _figures(judged, np.ones((1, len(places))))[0]  # (F, 4)
    drawn = np.concatenate(
        [_figures(judged, weights[:, places]) for weights in resampled_groups(len(names))]
    )  # (B, F, 4)
    each = {
        label: {
            name: _interval(value[row, column], drawn[:, row, column])
            for column, name in enumerate(FIGURES)
        }
        for row, label in enumerate(judged.labels)
    }
    means: dict[str, MacroMean] = {}
    for column, name in enumerate(FIGURES):
        defined = ~np.isnan(value[:, column])
        mean = mean_of_known(value[None, defined, column])[0]
        means[name] = MacroMean(
            _interval(mean, mean_of_known(drawn[:, defined, column])), int(defined.sum())
        )
    return each, means


def mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean (B,) of each row (B, F) over what is no NaN; NaN where all is."""
    known = (~np.isnan(values)).sum(axis=1)
    total = np.nansum(values, axis=1)
    return np.asarray(np.divide(total, known, out=np.full(len(total), np.nan), where=known > 0))


def _figures(judged: Judged, weights: binary.Weights) -> NDArray[np.float64]:
    """Return the figures (B, F, 4) for weightings (B, N) of the rows."""
    found = np.empty((len(weights), len(judged.labels), len(FIGURES)))
    for place in range(len(judged.labels)):
        known = ~np.isnan(judged.truth[:, place])
        own = weights[:, known].astype(np.float64)
        positive, called = judged.truth[known, place] == 1, judged.called[known, place]
        hits, missed = own @ (positive & called), own @ (positive & ~called)
        false_alarms = own @ (~positive & called)
        found[:, place, 0] = (
            binary.auroc(judged.scores[known, place], positive, own) if known.any() else np.nan
        )
        found[:, place, 1] = binary.f1(hits, false_alarms, missed)
        found[:, place, 2] = binary.precision(hits, false_alarms, missed)
        found[:, place, 3] = binary.recall(hits, missed)
    return found


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval | None:
    """Return a share with its interval; all from 0 to 1 is possible where no draw defines it."""
    if np.isnan(value):
        return None
    if np.isnan(drawn).all():
        return Interval(float(value), 0.0, 1.0)
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Interval(float(value), float(low), float(high))
