"""Figures of a classification with known labels: accuracy, confusion, reliability, intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from fieldguide.benchmarks.intervals import Counts, Interval
from fieldguide.errors import UsageError
from fieldguide.results import Prediction, Predictions, Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

RELIABILITY_BINS = 15


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: how many rows have it, and how well they were found."""

    label: str
    support: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows whose best probability lies in one bin: what was claimed and what was true."""

    low: float
    high: float
    count: int
    mean_probability: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Evaluation(Result):
    """What a labelled manifest says of a model.

    Attributes:
        accuracy: share of rows whose best label is the true one, over rows that were classified.
        top5_accuracy: share of rows with the true label among the best five.
        macro_recall: mean over classes of the share found, so that rare classes count as much.
        expected_calibration_error: mean distance of claimed probability and accuracy, weighted by
            rows (Naeini et al. 2015; 15 bins of equal width).
        unclassified: rows that were skipped or refused, with their reasons in the predictions.
        labels: order of the rows (truth) and columns (answer) of ``confusion``.
    """

    kind = "evaluation"

    accuracy: Interval
    top5_accuracy: Interval
    macro_recall: Interval
    macro_f1: float
    expected_calibration_error: float
    classified: int
    unclassified: int
    groups: int
    per_class: tuple[ClassFigures, ...]
    reliability: tuple[ReliabilityBin, ...]
    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    predictions: Predictions
    provenance: Mapping[str, Any]

    def records(self) -> list[dict[str, Any]]:
        """Return one row a class: label, support, precision, recall, f1."""
        return [
            {
                "label": row.label,
                "support": row.support,
                "precision": row.precision,
                "recall": row.recall,
                "f1": row.f1,
            }
            for row in self.per_class
        ]

    def summary(self) -> dict[str, Any]:
        """Return every figure as plain numbers."""
        intervals = {
            name: {"value": figure.value, "low": figure.low, "high": figure.high}
            for name in ("accuracy", "top5_accuracy", "macro_recall")
            for figure in [getattr(self, name)]
        }
        return {
            **intervals,
            "macro_f1": self.macro_f1,
            "expected_calibration_error": self.expected_calibration_error,
            "classified": self.classified,
            "unclassified": self.unclassified,
            "groups": self.groups,
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
        }


def evaluate_predictions(
    predictions: Predictions, *, label_column: str, group_column: str | None = None
) -> Evaluation:
    """Compare predictions with the labels in their metadata.

    Args:
        predictions: with all labels kept, so that ranks below the first are known.
        label_column: the metadata key of the true label.
        group_column: rows that share its value are resampled together; by default each alone.

    Raises:
        UsageError: a true label was not among those offered, a row has no group, or nothing could
            be classified.
    """
    rows = [row for row in predictions if row.guesses]
    if not rows:
        first = next((f" The first: {row.reason}" for row in predictions), "")
        raise UsageError(
            f"None of the rows could be classified, so there is nothing to evaluate.{first}"
        )
    if any(row.guesses[0].probability is None for row in rows):
        raise UsageError("'none of these' cannot be evaluated. Classify without a threshold.")
    labels = tuple(sorted({guess.label for row in rows for guess in row.guesses}))
    truths = [str(row.metadata.get(label_column)) for row in rows]
    if unknown := sorted(set(truths) - set(labels)):
        raise UsageError(
            f"The true labels {', '.join(map(repr, unknown[:5]))} are not among those offered: "
            f"{', '.join(labels[:5])} ... Spell them alike, or name another --label-column."
        )
    answers = [row.guesses[0].label for row in rows]
    groups = _groups(rows, group_column)
    right = np.array([a == t for a, t in zip(answers, truths, strict=True)], dtype=np.float64)
    in_five = np.array(
        [t in {g.label for g in row.guesses[:5]} for row, t in zip(rows, truths, strict=True)]
    )
    claimed = np.array([row.guesses[0].probability for row in rows], dtype=np.float64)
    bins = reliability_bins(claimed, right)
    precision, recall, f1, support = precision_recall_fscore_support(
        truths, answers, labels=labels, zero_division=0
    )
    per_class = tuple(
        ClassFigures(label, int(n), float(p), float(r), float(f))
        for label, n, p, r, f in zip(labels, support, precision, recall, f1, strict=True)
    )
    present = support > 0
    return Evaluation(
        accuracy=_share(right, groups),
        top5_accuracy=_share(in_five.astype(np.float64), groups),
        macro_recall=macro_recall(truths, right, groups),
        macro_f1=float(f1[present].mean()),
        expected_calibration_error=expected_calibration_error(bins),
        classified=len(rows),
        unclassified=len(predictions) - len(rows),
        groups=len(set(groups)),
        per_class=per_class,
        reliability=bins,
        labels=labels,
        confusion=confusion_matrix(truths, answers, labels=labels),
        predictions=predictions,
        provenance=predictions.provenance,
    )


def macro_recall(
    truths: Sequence[str], right: NDArray[np.float64], groups: Sequence[str]
) -> Interval:
    """Return the mean recall over the classes that occur, with its interval by group."""
    return macro_recall_counts(truths, right, groups).interval()


def macro_recall_counts(
    truths: Sequence[str], right: NDArray[np.float64], groups: Sequence[str]
) -> Counts:
    """Return the counts of the mean recall over the classes that occur.

    Args:
        truths: the true label of each of N rows.
        right: (N,) 1 where the row was answered right, else 0.
        groups: of each row.
    """
    names, places = np.unique(np.asarray(truths, dtype=str), return_inverse=True)
    answered = np.eye(len(names))[places]  # (N, C)
    counts = np.hstack([answered * right[:, None], answered])

    def figure(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        found, total = np.split(sums, 2, axis=1)
        shares = np.divide(found, total, out=np.full_like(found, np.nan), where=total > 0)
        return np.asarray(np.nanmean(shares, axis=1))

    return Counts(counts, groups, figure)


def share_counts(hits: NDArray[np.float64], groups: Sequence[str]) -> Counts:
    """Return the counts of the share of rows that were hit.

    Args:
        hits: (N,) 1 or 0.
        groups: of each row.
    """
    counts = np.stack([hits, np.ones_like(hits)], axis=1)
    return Counts(counts, groups, lambda sums: sums[:, 0] / sums[:, 1])


def reliability_bins(
    claimed: NDArray[np.float64], right: NDArray[np.float64]
) -> tuple[ReliabilityBin, ...]:
    """Return the bins that hold any row; the last one includes probability 1."""
    edges = np.linspace(0, 1, RELIABILITY_BINS + 1)
    places = np.clip(np.ceil(claimed * RELIABILITY_BINS).astype(int) - 1, 0, RELIABILITY_BINS - 1)
    return tuple(
        ReliabilityBin(
            float(edges[place]),
            float(edges[place + 1]),
            int(members.sum()),
            float(claimed[members].mean()),
            float(right[members].mean()),
        )
        for place in range(RELIABILITY_BINS)
        for members in [places == place]
        if members.any()
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the mean distance of claim and accuracy, weighted by rows."""
    total = sum(row.count for row in bins)
    return sum(row.count * abs(row.mean_probability - row.accuracy) for row in bins) / total


def _share(hits: NDArray[np.float64], groups: Sequence[str]) -> Interval:
    return share_counts(hits, groups).interval()


def _groups(rows: Sequence[Prediction], column: str | None) -> list[str]:
    if column is None:
        return [str(number) for number in range(len(rows))]
    known = [{"path": row.path, **row.metadata} for row in rows]
    missing = [row.path for row, about in zip(rows, known, strict=True) if column not in about]
    if missing:
        raise UsageError(
            f"{len(missing)} rows have no {column!r}, the first is {missing[0]}. Fill the column, "
            "or leave out --group-column."
        )
    return [str(about[column]) for about in known]
