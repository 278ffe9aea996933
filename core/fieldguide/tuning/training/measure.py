"""Which suites a finished training is measured on, and what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from fieldguide.errors import TuningError, UsageError
from fieldguide.tuning.assessment import STRENGTHS, Assessment, assess, assess_probe
from fieldguide.tuning.builtin_suite import builtin_suite
from fieldguide.tuning.pareto import Fixed
from fieldguide.tuning.strengths import encode_suite, models_at
from fieldguide.tuning.suites import (
    Suite,
    domain_suite,
    other_suite,
    parts_of,
    read_other,
    reader_for,
    suite_name,
)
from fieldguide.zeroshot.classifier import ZeroShotClassifier
from fieldguide.zeroshot.logit_scale import fit_logit_scale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fieldguide.data.pipeline import ItemReader
    from fieldguide.guides import Guide
    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.examples import Examples
    from fieldguide.tuning.pareto import Rule
    from fieldguide.tuning.training.fits import Learned
    from fieldguide.tuning.training.requests import Measuring

BATCH = 32


def suites_of(
    examples: Examples,
    reader: ItemReader,
    measuring: Measuring,
    encoder: Tunable,
    guide_of: Callable[[str], Guide],
) -> list[Suite]:
    """Return the domain's suite, the general ones and those of sister domains.

    Args:
        examples: of the domain alone.
        reader: of its pictures.
        measuring: names the others.
        encoder: the base.
        guide_of: from a domain's name to a guide of it, whose model is not loaded.

    Raises:
        UsageError: a manifest cannot be read, or a sister is not written as DOMAIN=MANIFEST.
        TuningError: one has nothing to measure.
    """
    suites = [
        domain_suite(examples.with_splits(parts_of(examples.splits, examples.groups)), reader)
    ]
    for manifest in measuring.general:
        replayed = manifest == measuring.replay
        suites.append(_other(guide_of("general"), manifest, "general", encoder, replayed=replayed))
    for named in measuring.sister:
        domain, equals, manifest = named.partition("=")
        if not equals:
            raise UsageError(
                f"--sister {named} does not say of which domain it is. Write DOMAIN=MANIFEST, such "
                "as --sister medical=tiles.csv"
            )
        suites.append(_other(guide_of(domain), manifest, "sister", encoder))
    if not measuring.general:
        suites.append(builtin_suite(encoder.contract, guide_of("general").catalog))
    return suites


def _other(
    guide: Guide, manifest: str, role: str, encoder: Tunable, *, replayed: bool = False
) -> Suite:
    examples = read_other(guide, manifest)
    reader = reader_for(guide, examples.items, encoder.contract)
    name = suite_name(manifest)
    return other_suite(examples, name, role, reader, replayed=replayed)  # type: ignore[arg-type] # a role


def measure(
    encoder: Tunable, learned: Learned, suites: Sequence[Suite], rule: Rule, workers: int
) -> Assessment:
    """Return gain and loss at every strength; of a probe those of its answers.

    Raises:
        TuningError: the domain cannot be measured.
    """
    if learned.classifier is not None:
        return assess_probe(encoder, learned.classifier, suites, batch_size=BATCH, workers=workers)
    strengths = {*STRENGTHS, *([rule.strength] if isinstance(rule, Fixed) else [])}
    return assess(
        encoder, learned.changes, suites, strengths=sorted(strengths), batch_size=BATCH,
        workers=workers,
    )  # fmt: skip


def scale_at(
    encoder: Tunable, learned: Learned, suite: Suite | None, strength: float, workers: int
) -> float:
    """Return what makes the probabilities of the tuned model honest, fitted on the val rows.

    Without labelled val rows it is the scale of the training, or the base's own.

    Args:
        encoder: the base.
        learned: by the training.
        suite: the val rows, or None.
        strength: at which the adapter is used.
        workers: threads that read.
    """
    usual = learned.scale or encoder.logit_scale
    if suite is None or not suite.prompts or not any(suite.labels):
        return usual
    labelled = suite.only([row for row, label in enumerate(suite.labels) if label])
    try:
        encoded = encode_suite(
            replace(labelled, captions=((),) * len(labelled.items)),
            models_at(encoder, learned.changes, (strength,)),
            batch_size=BATCH,
            workers=workers,
        )
    except TuningError:  # no picture of val can be read
        return usual
    classifier = encoded.classifiers[0]
    assert isinstance(classifier, ZeroShotClassifier)  # no probe
    places = {label: place for place, label in enumerate(classifier.labels)}
    truth = torch.tensor([places[label] for label in encoded.suite.labels])
    cosines = encoded.images[0].similarity(classifier.vectors)
    return fit_logit_scale(torch.from_numpy(cosines), truth)
