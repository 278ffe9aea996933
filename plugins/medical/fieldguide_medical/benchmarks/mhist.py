"""MHIST: 3,152 images of colorectal polyps, 2 classes (Wei et al. 2021, arXiv:2101.12355)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.labelled_table import LabelledRow, LabelledTable
from fieldguide_medical.benchmarks.protocols import probes, zero_shots

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAPS = (
    "The label is what most of seven pathologists said; in many images three of them disagree.",
    "Two classes, 617 to 360 in test: always answering the first one is right in 63.2 %.",
)


def read_row(cells: Mapping[str, Any]) -> LabelledRow:
    """Return what a row of annotations.csv says.

    Raises:
        KeyError: a column is not there.
    """
    return LabelledRow(
        str(cells["Image Name"]), str(cells["Majority Vote Label"]), str(cells["Partition"])
    )


DATA = LabelledTable(
    name="mhist",
    title="MHIST",
    class_set="mhist",
    files=("annotations.csv",),
    folders=("images",),
    counts={"train": 2175, "test": 977},
    read=read_row,
)

mhist_zero_shot, mhist_zero_shot_quilt = zero_shots(DATA, "mhist", "mhist_quilt", TRAPS)
mhist_linear_probe, mhist_knn = probes(DATA, TRAPS)
