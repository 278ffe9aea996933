"""What a protocol measured, and the front of every benchmark of labelled images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from fieldguide.benchmarks.published import published_beside, training_overlap
from fieldguide.benchmarks.report import BenchmarkReport, Coverage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.benchmarks.labelled import LabelledImages, LabelledSet
    from fieldguide.benchmarks.report import Figure
    from fieldguide.data.pipeline import Row
    from fieldguide.guides import Guide


@dataclass(frozen=True)
class Measured:
    """What a protocol says of a model.

    Attributes:
        figures: the main one first.
        used: images that could be used.
        protocol: how it was measured, in whole sentences.
        provenance: of the guide's job.
        traps: what misleads, in whole sentences.
        failed: path, status and reason of each image that could not be used.
        whole: how many images of the whole set the protocol is about, where it is not all.
    """

    figures: tuple[Figure, ...]
    used: int
    protocol: tuple[str, ...]
    provenance: Mapping[str, Any]
    traps: tuple[str, ...] = ()
    failed: tuple[Mapping[str, str], ...] = ()
    whole: int | None = None


class LabelledProtocol(Protocol):
    """A way to measure a model on images with one label each."""

    @property
    def name(self) -> str:
        """What the benchmark's name ends with."""
        ...

    def measure(self, guide: Guide, images: LabelledImages) -> Measured:
        """Measure the guide's model.

        Raises:
            UsageError: no image could be used, or too few of a class.
        """
        ...


@dataclass(frozen=True)
class LabelledBenchmark:
    """One data set measured in one way; see ``report.SubsetBenchmark``."""

    data: LabelledSet
    protocol: LabelledProtocol
    traps: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The name of its BenchmarkSpec."""
        return f"{self.data.name}_{self.protocol.name}"

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the whole set."""
        return self._report(guide, self.data.find(root, guide.catalog))

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the images that are there."""
        return self._report(guide, self.data.find_subset(root, guide.catalog))

    def _report(self, guide: Guide, images: LabelledImages) -> BenchmarkReport:
        measured = self.protocol.measure(guide, images)
        whole = images.whole if measured.whole is None else measured.whole
        return make_report(
            guide, self.name, self.data.name, measured, whole=whole, traps=self.traps
        )


def make_report(
    guide: Guide,
    benchmark: str,
    dataset: str,
    measured: Measured,
    *,
    whole: int,
    traps: Sequence[str] = (),
) -> BenchmarkReport:
    """Return the report of what was measured, with published figures where the set is whole.

    Args:
        guide: whose model was measured.
        benchmark: name of the BenchmarkSpec.
        dataset: name of the registry's data set record.
        measured: by the protocol.
        whole: images of the whole set.
        traps: of the data set, in whole sentences.
    """
    registry, coverage = guide.catalog.registry, Coverage(measured.used, whole)
    metrics = {figure.metric for figure in measured.figures}
    beside = published_beside(registry, benchmark, dataset, metrics) if coverage.complete else ()
    warnings = (*training_overlap(guide, measured.provenance, dataset), *measured.traps, *traps)
    facts = {
        "benchmark": benchmark,
        "dataset": dataset,
        "coverage": str(coverage),
        "protocol": measured.protocol,
        "traps": warnings,
        "failed": measured.failed,
    }
    return BenchmarkReport(
        benchmark=benchmark,
        dataset=dataset,
        model=model_label(guide, measured.provenance),
        coverage=coverage,
        figures=measured.figures,
        protocol=measured.protocol,
        provenance={**measured.provenance, **facts},
        published=beside,
        traps=warnings,
        failed=measured.failed,
    )


def model_label(guide: Guide, provenance: Mapping[str, Any]) -> str:
    """Return the name of the model that was measured, with its adapter and strength."""
    name = str((provenance.get("model") or {}).get("name", "no model"))
    if guide.adapter is None:
        return name
    return f"{name} + {guide.adapter.config.name} at {guide.adapter.config.strength:g}"


def failures(rows: Sequence[Row]) -> tuple[dict[str, str], ...]:
    """Return path, status and reason of rows that could not be used."""
    return tuple(
        {"path": row.item.name, "status": row.status, "reason": row.reason} for row in rows
    )
