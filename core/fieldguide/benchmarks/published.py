"""Published figures that may stand beside a run, and what makes a run no fair comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.report import published
from fieldguide.zeroshot.class_sets import bare

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fieldguide.benchmarks.report import Published
    from fieldguide.guides import Guide
    from fieldguide.registry import Registry


def published_beside(
    registry: Registry, benchmark: str, dataset: str, metrics: Collection[str]
) -> tuple[Published, ...]:
    """Return the published figures of a data set, those of the same protocol first.

    Args:
        registry: with the results.
        benchmark: whose protocol is the same where a result names it.
        dataset: name of the data set's record; results name it by its title.
        metrics: only these.
    """
    title = bare(next((d.title or d.name for d in registry.datasets if d.name == dataset), dataset))
    found = [
        published(record, benchmark)
        for record in registry.results
        if record.metric in metrics and bare(record.dataset) == title
    ]
    return tuple(sorted(found, key=lambda row: (not row.same_protocol, row.metric, -row.value)))


def training_overlap(guide: Guide, provenance: Mapping[str, Any], dataset: str) -> tuple[str, ...]:
    """Return one sentence for each set of the model's training that shares images with the data.

    What a checkpoint of others was trained on is known only as far as its record says.
    """
    registry = guide.catalog.registry
    overlaps = {record.name: record.overlaps for record in registry.datasets}
    sentences = []
    for name, trained_on in _trainings(guide, provenance):
        for trained in trained_on:
            if dataset == trained or dataset in overlaps.get(trained, ()):
                shared = "" if trained == dataset else f", which shares images with {dataset}"
                sentences.append(
                    f"{name} was trained on {trained}{shared}: it has seen some of these images "
                    "or their like, so its figures say little of new ones."
                )
    return tuple(sentences)


def _trainings(guide: Guide, provenance: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """Return name and training sets of the model and of its adapter, as the registry knows them."""
    model = provenance.get("model") or {}
    found = [(str(model.get("name")), tuple(model.get("trained_on") or ()))]
    if guide.adapter is not None:
        name = guide.adapter.config.name
        records = guide.catalog.registry.adapters
        found += [(record.name, record.trained_on) for record in records if record.name == name]
    return found
