"""The protocols that every set of tiles is measured by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.benchmarks.linear_probe import LinearProbe
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.nearest_neighbours import NearestNeighbours
from fieldguide.benchmarks.zero_shot import ZeroShot

if TYPE_CHECKING:
    from fieldguide.benchmarks.labelled import LabelledSet

PROMPT_TRAP = (
    "The names of the classes decide zero-shot figures of pathology: compare only figures by the "
    "same names."
)
QUILT_TRAP = (
    "The names are those of QuiltNet's authors; their templates are taken from evaluations by "
    "others, and which images their published figures are of is not stated."
)


def zero_shots(
    data: LabelledSet, ours: str, theirs: str, traps: tuple[str, ...] = ()
) -> tuple[LabelledBenchmark, LabelledBenchmark]:
    """Return zero-shot by our names and by those of QuiltNet's authors.

    Args:
        data: the set.
        ours: name of our class set.
        theirs: name of theirs.
        traps: what misleads about the set, in whole sentences.
    """
    return (
        LabelledBenchmark(data, ZeroShot(ours), (*traps, PROMPT_TRAP)),
        LabelledBenchmark(data, ZeroShot(theirs, "zero_shot_quilt"), (*traps, QUILT_TRAP)),
    )


def probes(
    data: LabelledSet, traps: tuple[str, ...] = ()
) -> tuple[LabelledBenchmark, LabelledBenchmark]:
    """Return linear probe and nearest neighbours on a set."""
    return (
        LabelledBenchmark(data, LinearProbe(), traps),
        LabelledBenchmark(data, NearestNeighbours(), traps),
    )
