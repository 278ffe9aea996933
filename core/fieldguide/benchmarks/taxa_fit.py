"""Fits what makes the probabilities of taxa believable, on labelled pictures.

The scale minimises the log loss of the true taxon, whose probability is the sum of those of its
labels: temperature scaling (Guo et al. 2017, arXiv:1706.04599) for labels of any rank. A picture of
a species that is not offered has its say by its genus, family or order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import UsageError
from fieldguide.zeroshot.logit_scale import best_scale
from fieldguide.zeroshot.none_of_these import fit_none_rule
from fieldguide.zeroshot.taxa_calibration import TaxaCalibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.benchmarks.taxa_scores import ScoredTaxa

FALSE_ALARMS = 0.05
MIN_ROWS = 20


def fit_taxa_calibration(scored: ScoredTaxa, false_alarms: float = FALSE_ALARMS) -> TaxaCalibration:
    """Return the calibration of some labelled rows; with "none of these" where nulls were scored.

    Args:
        scored: labelled pictures, and pictures of other things.
        false_alarms: wanted share of pictures of other things that are named by mistake.

    Raises:
        UsageError: there are too few rows.
    """
    scale = fit_scale(scored)
    none = None
    if len(scored.nulls):
        none = fit_none_rule(scored.nulls, scored.cosines.max(axis=1), false_alarms)
    return TaxaCalibration(
        taxonomy=scored.taxa.tree.info.name,
        labels=scored.digest,
        label_count=len(scored.taxa),
        space=scored.space,
        logit_scale=scale,
        rows=len(scored.truth),
        groups=len(set(scored.groups)),
        none=none,
        figures={
            "log_loss_before": log_loss(scored, scored.logit_scale),
            "log_loss_after": log_loss(scored, scale),
        },
    )


def fit_scale(scored: ScoredTaxa) -> float:
    """Return the scale that minimises the log loss of the true taxa.

    Raises:
        UsageError: fewer than ``MIN_ROWS`` rows have a truth that another label could contradict.
    """
    telling = _telling(scored)
    if int(telling.sum()) < MIN_ROWS:
        raise UsageError(
            f"{int(telling.sum())} rows are too few to fit a calibration on: {MIN_ROWS} or more "
            "need a label that some but not all of the offered taxa belong to. Add rows."
        )
    part = _rows(scored, telling)
    return best_scale(lambda scale: log_loss(part, scale))


def held_out_probabilities(scored: ScoredTaxa, *, seed: int = 0) -> NDArray[np.float32]:
    """Return (N, C) probabilities, each by the scale that was fitted on the other half of groups.

    Raises:
        UsageError: a half has too few rows.
    """
    names, places = np.unique(np.asarray(scored.groups, str), return_inverse=True)
    first = np.random.default_rng(seed).permutation(len(names)) % 2 == 0
    mine = first[places]
    counts = [int(_telling(_rows(scored, half)).sum()) for half in (mine, ~mine)]
    if min(counts) < MIN_ROWS:
        raise UsageError(
            f"{sum(counts)} rows are too few to fit a calibration and to measure it: one half of "
            f"them is fitted on, the other measured, and each needs {MIN_ROWS} with a label that "
            f"some but not all of the offered taxa belong to. One has {min(counts)}. Add rows."
        )
    found = np.empty(scored.cosines.shape, np.float32)
    for half in (mine, ~mine):
        scale = fit_scale(_rows(scored, ~half))
        found[half] = _rows(scored, half).probabilities(scale)
    return found


def log_loss(scored: ScoredTaxa, scale: float) -> float:
    """Return the mean negative logarithm of the true taxa's probabilities, in nats."""
    tree, labels = scored.taxa.tree, scored.taxa.pruned.labels
    rows = np.flatnonzero(_telling(scored))
    truth = scored.truth[rows]
    starts, ends = np.searchsorted(labels, truth), np.searchsorted(labels, tree.ends[truth])
    logits = scale * scored.cosines[rows].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    sums = np.cumsum(np.exp(logits), axis=1)
    sums = np.concatenate([np.zeros((len(rows), 1)), sums], axis=1)
    places = np.arange(len(rows))
    shares = (sums[places, ends] - sums[places, starts]) / sums[:, -1]
    return float(-np.log(np.maximum(shares, np.finfo(float).tiny)).mean())


def _telling(scored: ScoredTaxa) -> NDArray[np.bool_]:
    """Return (N,) whether a row's true taxon is offered and holds not all labels anyway."""
    tree, labels = scored.taxa.tree, scored.taxa.pruned.labels
    truth = np.maximum(scored.truth, 0)
    held = np.searchsorted(labels, tree.ends[truth]) - np.searchsorted(labels, truth)
    return (scored.truth >= 0) & (held < len(labels))


def _rows(scored: ScoredTaxa, chosen: NDArray[np.bool_]) -> ScoredTaxa:
    groups = tuple(group for group, take in zip(scored.groups, chosen, strict=True) if take)
    return replace(
        scored,
        cosines=scored.cosines[chosen],
        truth=scored.truth[chosen],
        narrower=scored.narrower[chosen],
        groups=groups,
    )
