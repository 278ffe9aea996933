"""Birds 525: 525 species in three folders, by Piosenka (kaggle.com, gpiosenka/100-bird-species).

Its ``birds.csv`` has the columns class id, filepaths, labels, data set and scientific name. The
owner took it from the net, so it is for those who have a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.named_set import NamedRow, NamedSet
from fieldguide_biodiversity.benchmarks.protocols import AS_IS, SCIENTIFIC, trained, zero_shot
from fieldguide_biodiversity.benchmarks.tables import TableListing

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME, TITLE = "birds_525", "Birds 525"
SPLIT_NAMES = {"train": "train", "valid": "val", "validation": "val", "test": "test"}
TRAPS = (
    "Which text of a class BioCLIP's authors gave is not published for this set; here it is the "
    "label in capitals, or with _sci the scientific name.",
    "The owner's table has errors in scientific names, and copies of one image lie in several "
    "splits.",
)


def read_row(cells: Mapping[str, Any]) -> NamedRow:
    """Return what a row of birds.csv says.

    Raises:
        KeyError: a column is not there, or it has no such split.
    """
    label, scientific = str(cells["labels"]).strip(), str(cells["scientific name"]).strip()
    return NamedRow(
        path=str(cells["filepaths"]),
        label=label,
        names={AS_IS: label, SCIENTIFIC: scientific.capitalize() or label},
        split=SPLIT_NAMES[str(cells["data set"]).strip().lower()],
    )


DATA = NamedSet(
    name=NAME,
    title=TITLE,
    counts={"train": 84_635, "val": 2625, "test": 2625},
    find_listing=TableListing(NAME, TITLE, ("birds.csv",)),
    read=read_row,
)

birds_525_zero_shot = zero_shot(DATA, AS_IS, traps=TRAPS)
birds_525_zero_shot_sci = zero_shot(DATA, SCIENTIFIC, "zero_shot_sci", traps=TRAPS)
birds_525_simple_shot, birds_525_knn, birds_525_linear_probe = trained(DATA, TRAPS)
