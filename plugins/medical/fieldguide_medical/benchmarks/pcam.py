"""PatchCamelyon: 327,680 tiles of lymph nodes (Veeling et al. 2018, arXiv:1806.03962)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.benchmarks.labelled import LABEL, LabelledImages
from fieldguide.benchmarks.published_files import absent, incomplete
from fieldguide.data.inputs import Item
from fieldguide.errors import LoadError, UsageError
from fieldguide.zeroshot.class_sets import load_class_set
from fieldguide_medical.benchmarks.pcam_files import LazyTile, count_tiles, read_labels
from fieldguide_medical.benchmarks.protocols import probes, zero_shots

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.plugins import Catalog

PREFIX = "camelyonpatch_level_2_split_"
FILES = {"train": "train", "val": "valid", "test": "test"}
TITLE = "PatchCamelyon"
TRAPS = (
    "A tile is positive when its middle 32 x 32 px hold tumour, whatever lies around them.",
    "Tiles of 96 px are enlarged to what the model takes.",
)


@dataclass(frozen=True)
class PatchCamelyon:
    """The tiles of some splits; see ``labelled.LabelledSet``.

    Attributes:
        counts: how many tiles each split has; only these are looked for.
        name: of its record in the registry.
    """

    counts: Mapping[str, int]
    name: str = "pcam"

    def find(self, root: Path, catalog: Catalog) -> LabelledImages:
        """See ``LabelledSet``."""
        return self._found(root, catalog, whole=True)

    def find_subset(self, root: Path, catalog: Catalog) -> LabelledImages:
        """See ``LabelledSet``; some of each split must be there."""
        return self._found(root, catalog, whole=False)

    def _found(self, root: Path, catalog: Catalog, *, whole: bool) -> LabelledImages:
        names = load_class_set(self.name, catalog).labels
        items: list[Item] = []
        labels: list[str] = []
        splits: list[str] = []
        for split, count in self.counts.items():
            file = root / f"{PREFIX}{FILES[split]}_x.h5"
            truth = _labels(root, file)
            if len(truth) > count or (whole and len(truth) != count):
                text = f"{len(truth)} of {count} tiles of the split {split!r}"
                raise UsageError(incomplete(root, TITLE, text, more=len(truth) > count))
            own = [names[label] for label in truth]
            items += [_item(file, number, label) for number, label in enumerate(own)]
            labels += own
            splits += [split] * len(own)
        whole_count = sum(self.counts.values())
        return LabelledImages(
            tuple(items), tuple(labels), whole_count, tuple(splits), self.counts["test"]
        )


def _item(file: Path, number: int, label: str) -> Item:
    name = f"{file.as_posix()}#{number}"
    return Item(name, name, image=LazyTile(file, number), metadata={LABEL: label})


def _labels(root: Path, file: Path) -> list[int]:
    """Return the labels of a split, 0 or 1.

    Raises:
        UsageError: one of the two files is not there or is another, or they do not fit.
    """
    beside = file.with_name(file.name.replace("_x.h5", "_y.h5"))
    wrong = file
    try:
        count = count_tiles(file)
        wrong = beside
        labels = read_labels(beside)
    except LoadError as error:
        expected = f"{file.name} and {beside.name}"
        raise UsageError(
            f"{wrong.name}: {error} {absent(root, TITLE, expected, 'pcam')}"
        ) from error
    if len(labels) != count:
        raise UsageError(
            f"{file.name} has {count} tiles and {beside.name} {len(labels)} labels. Get both "
            "again: fieldguide benchmark pcam --how-to-get"
        )
    return [int(label) for label in labels]


TEST = PatchCamelyon({"test": 32_768})
EVERY = PatchCamelyon({"train": 262_144, "val": 32_768, "test": 32_768})

pcam_zero_shot, pcam_zero_shot_quilt = zero_shots(TEST, "pcam", "pcam_quilt", TRAPS)
pcam_linear_probe, pcam_knn = probes(EVERY, TRAPS)
