"""The job that says which taxa of a tree images show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.errors import UsageError
from fieldguide.results import Predictions
from fieldguide.zeroshot.classify import classify_batches
from fieldguide.zeroshot.taxa_answerer import taxa_answerer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fieldguide.data.pipeline import Batch
    from fieldguide.guides import Guide
    from fieldguide.planning import Plan
    from fieldguide.zeroshot.taxa import Taxa


def name_taxa(guide: Guide, plan: Plan, taxa: Taxa, batches: Iterable[Batch]) -> Predictions:
    """Return which taxa images show, one prediction a row.

    Raises:
        UsageError: the answer does not fit the tree.
        SpaceMismatchError: the images were embedded by another model.
    """
    usual = plan.modality.templates if plan.modality else ("{}",)
    answerer = taxa_answerer(taxa, plan.encoder, usual)
    rows = list(classify_batches(batches, answerer))
    return Predictions(rows, guide.provenance(plan, labels=len(taxa), **taxa.about))


def refuse_beside_taxa(labels: object, classes: object, calibration: object, cut: object) -> None:
    """Raise UsageError where something is asked for that goes with labels alone."""
    if labels is not None or classes is not None:
        raise UsageError("Taxa are labels already: leave --label, --labels and --classes out.")
    if calibration is not None:
        raise UsageError("That calibration is of findings, and taxa are asked for. Leave it out.")
    if cut is not None:
        raise UsageError("Taxa are named in whole pictures and in crops. Leave --window out.")
