"""Evaluations of scored taxa: with a calibration, or with one fitted on the other half."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.benchmarks.taxa_evaluation import TaxaEvaluation, evaluate_taxa
from fieldguide.benchmarks.taxa_fit import held_out_probabilities
from fieldguide.models.embeddings import require_same_space

if TYPE_CHECKING:
    from fieldguide.benchmarks.taxa_scores import ScoredTaxa
    from fieldguide.zeroshot.taxa_calibration import TaxaCalibration


def evaluate_calibrated(
    scored: ScoredTaxa, calibration: TaxaCalibration | None = None
) -> TaxaEvaluation:
    """Return the figures of answers by a calibration, or by the model's own probabilities.

    Raises:
        UsageError: the calibration is of other labels.
        SpaceMismatchError: it is of another model.
    """
    if calibration is None:
        return evaluate_taxa(scored, scored.probabilities())
    calibration.require_labels(scored.digest)
    require_same_space(calibration.space, scored.space, "The calibration")
    none = calibration.none
    refused = None if none is None else scored.cosines.max(axis=1) < none.bound
    return evaluate_taxa(scored, scored.probabilities(calibration.logit_scale), refused)


def evaluate_held_out(scored: ScoredTaxa) -> TaxaEvaluation:
    """Return the figures of answers by scales that were each fitted on the other half of groups.

    Raises:
        UsageError: a half has too few rows.
    """
    return evaluate_taxa(scored, held_out_probabilities(scored))
