"""Fish4Knowledge: crops of reef fish by track (Boom et al. 2012; Fisher et al. 2016).

A part of the 27,370 crops, whose splits no track crosses: crops of one track show one fish within
seconds, and a split by image has copies of test fish in train.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.labelled_table import LabelledRow, LabelledTable
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.zero_shot import ZeroShot
from fieldguide_biodiversity.benchmarks.protocols import trained

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAPS = (
    "A part of Fish4Knowledge, 1,122 of 27,370 crops: its figures stand beside no published one. "
    "Intervals resample tracks.",
    "Two of the 23 classes have no test image; among the prompts they are offered all the same.",
)


def read_row(cells: Mapping[str, Any]) -> LabelledRow:
    """Return what a row of the manifest says.

    Raises:
        KeyError: a column is not there.
    """
    return LabelledRow(*(str(cells[name]) for name in ("image", "label", "split", "group")))


DATA = LabelledTable(
    name="fish4knowledge",
    title="Fish4Knowledge by track",
    class_set="fish4knowledge",
    files=("manifest.jsonl", "fish4knowledge/manifest.jsonl"),
    folders=("fish4knowledge", "."),
    counts={"train": 793, "test": 329},
    read=read_row,
)

fish4knowledge_zero_shot = LabelledBenchmark(DATA, ZeroShot("fish4knowledge"), TRAPS)
fish4knowledge_simple_shot, fish4knowledge_knn, fish4knowledge_linear_probe = trained(DATA, TRAPS)
