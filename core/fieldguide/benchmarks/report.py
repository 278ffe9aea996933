"""What a benchmark reports: figures with intervals, and published figures beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fieldguide.results import Result

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.benchmarks.intervals import Interval
    from fieldguide.guides import Guide
    from fieldguide.registry_records import ReferenceRecord, Unit

OURS = "this run"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a run.

    Attributes:
        metric: the field's standard term, as the registry's published results spell it:
            "top1_accuracy", "mean_class_accuracy", "mean_recall", "map", "recall_at_1" ...
        value: in ``unit``.
        low: lower end of the 95 % interval, in ``unit``; None where there is none.
        high: upper end of it.
        n: how many images or queries it was measured on.
        unit: "percent", "fraction", "percentage_points", "ratio" or "count".
        part: of what in the benchmark, where it is not the whole: a class, "4 shots",
            "image to text"; empty for the whole.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    unit: Unit = "percent"
    part: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """One published figure.

    Attributes:
        model: the model as its source names it.
        metric: as in :class:`Figure`.
        value: in ``unit``.
        source: address of the table, paper or thread.
        same_protocol: whether it was measured as this benchmark measures.
        protocol: how it was measured.
        record: the registry's model record of exactly this checkpoint, or "".
        note: what misleads when it is compared.
    """

    model: str
    metric: str
    value: float
    unit: Unit
    source: str
    same_protocol: bool
    protocol: str = ""
    record: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a data set a run saw.

    Attributes:
        used: images that were measured.
        whole: images of the data set, or of the split that the protocol names.
    """

    used: int
    whole: int

    @property
    def complete(self) -> bool:
        """Whether it was the whole set."""
        return self.used == self.whole

    def __str__(self) -> str:
        """Say which part it was.

        >>> str(Coverage(300, 10_000)), str(Coverage(2, 2))
        ('subset: 300 of 10000', 'complete: 2 of 2')
        """
        return f"{'complete' if self.complete else 'subset'}: {self.used} of {self.whole}"


@dataclass(frozen=True, slots=True)
class BenchmarkReport(Result):
    """What one benchmark says of one model.

    A part of a data set is another data set: its figures are never set beside published ones.

    Attributes:
        benchmark: name of the benchmark.
        dataset: name of the data set.
        model: what was measured: the model, and its adapter where there is one.
        coverage: how much of the set was seen.
        figures: the main one first.
        published: figures of the same set; empty for a subset.
        protocol: how it was measured, in whole sentences: split, prompts, what counts as a hit.
        traps: what misleads about the set or the figure, in whole sentences.
        failed: path, status and reason of each image that could not be used.

    Raises:
        ValueError: published figures beside those of a subset.
    """

    kind = "benchmark"

    benchmark: str
    dataset: str
    model: str
    coverage: Coverage
    figures: tuple[Figure, ...]
    protocol: tuple[str, ...]
    provenance: Mapping[str, Any]
    published: tuple[Published, ...] = ()
    traps: tuple[str, ...] = ()
    failed: tuple[Mapping[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse published figures beside those of a subset."""
        if self.published and not self.coverage.complete:
            raise ValueError(f"{self.coverage}: no published figure may stand beside a subset's")

    @property
    def main(self) -> Figure:
        """The figure that the benchmark is known by."""
        return self.figures[0]

    def records(self) -> list[dict[str, Any]]:
        """Return one row a figure of this run, then one a published figure.

        The columns: model, metric, part, value, low, high, unit, n, coverage, source,
        same_protocol, note. The source of this run's own figures is "this run".
        """
        mine = [
            {"model": self.model, "metric": row.metric, "part": row.part, "value": row.value,
             "low": row.low, "high": row.high, "unit": row.unit, "n": row.n,
             "coverage": str(self.coverage), "source": OURS, "same_protocol": True, "note": ""}
            for row in self.figures
        ]  # fmt: skip
        theirs = [
            {"model": row.model, "metric": row.metric, "part": "", "value": row.value,
             "low": None, "high": None, "unit": row.unit, "n": None, "coverage": "",
             "source": row.source, "same_protocol": row.same_protocol, "note": row.note}
            for row in self.published
        ]  # fmt: skip
        return mine + theirs


class Benchmark(Protocol):
    """The target of a BenchmarkSpec."""

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure the guide's model on the whole data set in a folder.

        Raises:
            UsageError: the data set is not there or not whole; what was found and what is missing
                is named.
        """
        ...


class SubsetBenchmark(Benchmark, Protocol):
    """A benchmark that can also be measured on a part of its data set."""

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on what is there; the report says how much of the set that is.

        Raises:
            UsageError: nothing of the set is there.
        """
        ...


def percent(metric: str, interval: Interval, n: int, part: str = "") -> Figure:
    """Return a share with its interval as a figure in percent.

    Args:
        metric: the field's standard term.
        interval: of a share, 0 to 1.
        n: how many images or queries it was measured on.
        part: see :class:`Figure`.
    """
    return Figure(metric, 100 * interval.value, 100 * interval.low, 100 * interval.high, n,
                  part=part)  # fmt: skip


def published(record: ReferenceRecord, benchmark: str) -> Published:
    """Return a registry's result as it stands beside the figures of a benchmark."""
    return Published(
        model=record.model_label,
        metric=record.metric,
        value=record.value,
        unit=record.unit,
        source=record.source,
        same_protocol=record.benchmark == benchmark,
        protocol=record.protocol,
        record=record.model or "",
        note=record.note,
    )
