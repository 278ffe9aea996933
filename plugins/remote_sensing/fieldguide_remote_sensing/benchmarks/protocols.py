"""The four protocols that every scene set is measured by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.benchmarks.few_shot import FewShot
from fieldguide.benchmarks.linear_probe import LinearProbe
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.nearest_neighbours import NearestNeighbours
from fieldguide.benchmarks.zero_shot import ZeroShot

if TYPE_CHECKING:
    from fieldguide.benchmarks.labelled import ClassFolders

RS5M_TRAP = (
    "GeoRSCLIP's authors average the vectors of prompts before they are made unit length, this run "
    "after; the figures can differ by a few tenths."
)


def scene_benchmarks(
    data: ClassFolders, traps: tuple[str, ...] = ()
) -> tuple[LabelledBenchmark, LabelledBenchmark, LabelledBenchmark, LabelledBenchmark]:
    """Return zero-shot, linear probe, nearest neighbours and few-shot on a scene set.

    Args:
        data: the set.
        traps: what misleads about it, in whole sentences.
    """
    return (
        LabelledBenchmark(data, ZeroShot(data.class_set), traps),
        LabelledBenchmark(data, LinearProbe(), traps),
        LabelledBenchmark(data, NearestNeighbours(), traps),
        LabelledBenchmark(data, FewShot(), traps),
    )
