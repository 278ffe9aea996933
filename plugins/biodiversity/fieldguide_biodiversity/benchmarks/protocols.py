"""The protocols that every set of organisms is measured by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.benchmarks.linear_probe import LinearProbe
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.named_zero_shot import NamedZeroShot
from fieldguide.benchmarks.nearest_neighbours import NearestNeighbours
from fieldguide.benchmarks.simple_shot import SimpleShot
from fieldguide.zeroshot.template_sets import openai_imagenet

if TYPE_CHECKING:
    from fieldguide.benchmarks.labelled import LabelledSet

CLIP_TEMPLATES = openai_imagenet()
AS_IS = "as written"
PLAIN = "plain"
COMMON, SCIENTIFIC, TAXONOMIC_COMMON = "common", "scientific", "taxonomic with common"


def zero_shot(
    data: LabelledSet,
    text: str,
    name: str = "zero_shot",
    templates: tuple[str, ...] = CLIP_TEMPLATES,
    traps: tuple[str, ...] = (),
) -> LabelledBenchmark:
    """Return zero-shot by a text of the set's own.

    Args:
        data: the set.
        text: kind of text that stands for a class.
        name: what the benchmark's name ends with.
        templates: around it; those of CLIP's authors, with which BioCLIP's authors measure.
        traps: what misleads about the set, in whole sentences.
    """
    return LabelledBenchmark(data, NamedZeroShot(text, templates, name), traps)


def trained(
    data: LabelledSet, traps: tuple[str, ...] = ()
) -> tuple[LabelledBenchmark, LabelledBenchmark, LabelledBenchmark]:
    """Return SimpleShot, nearest neighbours and linear probe on a set."""
    return (
        LabelledBenchmark(data, SimpleShot(), traps),
        LabelledBenchmark(data, NearestNeighbours(), traps),
        LabelledBenchmark(data, LinearProbe(), traps),
    )
