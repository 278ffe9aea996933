"""LC25000: 25,000 lung and colon tiles, 5 classes (Borkowski et al. 2019, arXiv:1912.12142).

Its 25,000 tiles are turned and mirrored copies of 1,250: whatever is divided at random has copies
of its test tiles in train. So nothing is trained on the whole set here, and ``lc25000_lung`` is a
part of the lung tiles with the number of the source tile of each
(github.com/GeorgeBatch/LC25000-clean), whose splits no source tile crosses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide.benchmarks.labelled_table import LabelledRow, LabelledTable
from fieldguide_medical.benchmarks.protocols import probes, zero_shots

if TYPE_CHECKING:
    from collections.abc import Mapping

TILES_A_CLASS = 5000
LEAK_TRAP = (
    "Published probes and tuned models divide LC25000 at random, so copies of test tiles are in "
    "train: their 99 % and more say nothing of new tissue."
)
COPY_TRAP = (
    "Each source tile is there about twenty times, turned and mirrored: the intervals, which take "
    "every tile for one of its own, are too narrow."
)
SUBSET_TRAP = (
    "A part of LC25000, one or two tiles of each of 740 source tiles: its figures stand beside no "
    "published one. Intervals resample source tiles."
)


def read_row(cells: Mapping[str, Any]) -> LabelledRow:
    """Return what a row of the manifest says.

    Raises:
        KeyError: a column is not there.
    """
    return LabelledRow(*(str(cells[name]) for name in ("image", "label", "split", "group")))


SUBSET = LabelledTable(
    name="lc25000_lung",
    title="LC25000 lung by source tile",
    class_set="lung_histology",
    files=("manifest.jsonl", "lc25000_lung/manifest.jsonl"),
    folders=("lc25000_lung", "."),
    counts={"train": 1040, "val": 148, "test": 292},
    read=read_row,
)
LUNG = ClassFolders(
    name="lc25000_lung_whole",
    title="LC25000 lung",
    class_set="lung_histology",
    places=("lung_colon_image_set/lung_image_sets", "lung_image_sets", "."),
    counts=TILES_A_CLASS,
    suffixes=(".jpeg", ".jpg"),
)
COLON = ClassFolders(
    name="lc25000_colon",
    title="LC25000 colon",
    class_set="colon_histology",
    places=("lung_colon_image_set/colon_image_sets", "colon_image_sets", "."),
    counts=TILES_A_CLASS,
    suffixes=(".jpeg", ".jpg"),
)
TRAPS = (LEAK_TRAP, COPY_TRAP)

lc25000_lung_zero_shot, lc25000_lung_zero_shot_quilt = zero_shots(
    SUBSET, "lung_histology", "lung_histology_quilt", (SUBSET_TRAP,)
)
lc25000_lung_linear_probe, lc25000_lung_knn = probes(SUBSET, (SUBSET_TRAP, LEAK_TRAP))
lc25000_lung_whole_zero_shot, lc25000_lung_whole_zero_shot_quilt = zero_shots(
    LUNG, "lung_histology", "lung_histology_quilt", TRAPS
)
lc25000_colon_zero_shot, lc25000_colon_zero_shot_quilt = zero_shots(
    COLON, "colon_histology", "colon_histology_quilt", TRAPS
)
