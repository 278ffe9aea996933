"""Runs a benchmark of the catalogue on a data set in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.guides import Guide


def run_benchmark(guide: Guide, name: str, root: Path, *, subset: bool = False) -> BenchmarkReport:
    """Measure the guide's model.

    Args:
        guide: of the benchmark's domain.
        name: of the benchmark.
        root: folder of the data set.
        subset: measure on what is there of it, and say so.

    Raises:
        UnknownNameError: there is no such benchmark.
        UsageError: it is of another domain, its data set is not there or not whole, or it cannot
            be measured on a part.
    """
    spec = guide.catalog.benchmarks[name]
    if guide.domain.name != spec.domain:
        raise UsageError(
            f"The benchmark {name!r} is of the domain {spec.domain!r}, not of "
            f"{guide.domain.name!r}. Make the guide with domain={spec.domain!r}."
        )
    target = spec.load()
    ready = guide if spec.modality is None else guide.for_modality(spec.modality)
    if not subset:
        report: BenchmarkReport = target(ready, root)
        return report
    on_subset = getattr(target, "on_subset", None)
    if on_subset is None:
        raise UsageError(
            f"The benchmark {name!r} is defined on its whole data set only. Leave --subset out."
        )
    part: BenchmarkReport = on_subset(ready, root)
    return part
