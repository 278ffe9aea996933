"""The job that says which taxa of a tree images show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.errors import UsageError
from fieldguide.results import Predictions
from fieldguide.zeroshot.classify import classify_batches
from fieldguide.zeroshot.look_again import about_guided, look_again_by
from fieldguide.zeroshot.priors import prior_facts
from fieldguide.zeroshot.taxa_answerer import taxa_answerer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fieldguide.data.pipeline import Batch
    from fieldguide.guides import Guide
    from fieldguide.planning import Plan
    from fieldguide.zeroshot.guided_crop import GuidedCrop
    from fieldguide.zeroshot.priors import PriorSource
    from fieldguide.zeroshot.taxa import Taxa


def name_taxa(
    guide: Guide,
    plan: Plan,
    taxa: Taxa,
    batches: Iterable[Batch],
    *,
    guided: GuidedCrop | None = None,
    prior: PriorSource | None = None,
) -> Predictions:
    """Return which taxa images show, one prediction a row.

    Args:
        guide: whose job it is.
        plan: of the images.
        taxa: what to choose from.
        batches: rows with their vectors.
        guided: how images are looked at again; None for not at all.
        prior: what is known beside them.

    Raises:
        UsageError: the answer does not fit the tree.
        SpaceMismatchError: the images were embedded by another model.
    """
    progress = guide.planner.runtime.progress
    prompts = taxa.prompts(plan)
    answerer = taxa_answerer(taxa, plan.encoder, prompts, prior=prior, progress=progress)
    looking = look_again_by(answerer, guided, plan, guide.runtime)
    rows = list(classify_batches(batches, looking))
    facts = {**taxa.about, **about_guided(guided), **prior_facts(prior)}
    return Predictions(rows, guide.provenance(plan, labels=len(taxa), **facts))


def refuse_beside_taxa(
    labels: object, classes: object, calibration: object, cut: object, descriptions: object
) -> None:
    """Raise UsageError where something is asked for that goes with labels alone."""
    if descriptions is not None:
        raise UsageError(
            "Descriptions are of labels, and taxa of a tree are asked for. Leave --descriptions "
            "out, or name the labels: --classes NAME."
        )
    if labels is not None or classes is not None:
        raise UsageError("Taxa are labels already: leave --label, --labels and --classes out.")
    if calibration is not None:
        raise UsageError("That calibration is of findings, and taxa are asked for. Leave it out.")
    if cut is not None:
        raise UsageError("Taxa are named in whole pictures and in crops. Leave --window out.")
