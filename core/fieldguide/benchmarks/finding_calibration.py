"""Fits a calibration of findings on labelled rows, and says honestly how much it helps.

How much it helps is measured on rows that took no part in the fit: groups of rows are divided into
five parts, and the claims about each part come from a fit on the other four. The calibration itself
is then fitted on all rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from fieldguide.benchmarks.reliability import measure_reliability
from fieldguide.errors import UsageError
from fieldguide.zeroshot.calibration import Calibration, FindingCalibration
from fieldguide.zeroshot.platt import best_threshold, fit_platt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.benchmarks.findings import Scored
    from fieldguide.zeroshot.class_sets import ClassSet

FOLDS = 5
MIN_GROUPS = 5
"""With the finding, and without it; with fewer no part could be left out."""


def fit_calibration(scored: Scored, classes: ClassSet, uncertain: str | None) -> Calibration:
    """Return a calibration of every finding that has enough labels.

    Args:
        scored: logits that were not calibrated, and what is true.
        classes: the set of findings.
        uncertain: what labels of -1 counted as.

    Raises:
        UsageError: no finding has enough labels.
    """
    truth, groups = scored.truth, np.asarray(scored.groups, dtype=str)
    held_out = np.full(truth.values.shape, np.nan)
    found: dict[str, FindingCalibration] = {}
    left_out = {label: "the manifest has no column of it" for label in truth.without_column}
    for place, label in enumerate(truth.labels):
        known = ~np.isnan(truth.values[:, place])
        positives, own = truth.values[known, place] == 1, groups[known]
        reason = _too_few(positives, own)
        if reason:
            left_out[label] = reason
            continue
        logits = scored.logits[known, place]
        found[label] = _fit(logits, positives)
        held_out[known, place] = cross_fitted(logits, positives, own)
    if not found:
        raise UsageError(
            f"No finding has {MIN_GROUPS} groups of rows with it and {MIN_GROUPS} without it, so "
            "nothing can be calibrated. Label more rows."
        )
    raw = np.where(np.isnan(held_out), np.nan, scored.probabilities)
    return Calibration(
        class_set=classes.name,
        class_set_version=classes.version,
        finding_classifier=classes.finding_classifier,
        space=scored.space,
        uncertain=uncertain or "none",
        groups=len(set(groups.tolist())),
        findings=found,
        left_out=left_out,
        figures={
            "before": measure_reliability(raw, truth.values, scored.groups).summary(),
            "after": measure_reliability(held_out, truth.values, scored.groups).summary(),
        },
    )


def cross_fitted(
    logits: NDArray[np.float64], positives: NDArray[np.bool_], groups: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Return the calibrated probability (N,) of each row by a fit without its part.

    NaN for the rows of a part without which one of the two kinds does not occur.
    """
    found = np.full(len(logits), np.nan)
    parts = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for rest, part in parts.split(logits, positives, groups):
        if positives[rest].any() and not positives[rest].all():
            found[part] = fit_platt(logits[rest], positives[rest]).probabilities(logits[part])
    return found


def _fit(logits: NDArray[np.float64], positives: NDArray[np.bool_]) -> FindingCalibration:
    line = fit_platt(logits, positives)
    return FindingCalibration(
        slope=line.slope,
        bias=line.bias,
        threshold=best_threshold(line.probabilities(logits), positives),
        positives=int(positives.sum()),
        negatives=int((~positives).sum()),
    )


def _too_few(positives: NDArray[np.bool_], groups: Sequence[str] | NDArray[np.str_]) -> str:
    """Return why a finding cannot be calibrated; empty where it can."""
    own = np.asarray(groups)
    counts = [len(set(own[kind].tolist())) for kind in (positives, ~positives)]
    if min(counts) >= MIN_GROUPS:
        return ""
    return (
        f"{counts[0]} groups of rows with it and {counts[1]} without it; {MIN_GROUPS} of each are "
        "needed"
    )
