"""Data sets whose labels stand in a table beside a folder of images, with the owners' splits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.labelled import GROUP, LABEL, LabelledImages
from fieldguide.benchmarks.published_files import find_beside, incomplete
from fieldguide.data.files import exists
from fieldguide.data.inputs import Item
from fieldguide.data.manifests import FAULT, read_table
from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import bare, load_class_set

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fieldguide.plugins import Catalog

    RowReader = Callable[[Mapping[str, Any]], "LabelledRow | None"]
    """Returns what a row of the table says, or None for a row that is no part of the set."""


@dataclass(frozen=True)
class LabelledRow:
    """What one row of a table says.

    Attributes:
        path: of the image, below the folder of images.
        label: as the table writes it; an alias of a class.
        split: "train", "val" or "test".
        group: what the image belongs together with, or "".
    """

    path: str
    label: str
    split: str
    group: str = ""


@dataclass(frozen=True)
class LabelledTable:
    """A data set with a table of labels; see ``labelled.LabelledSet``.

    Attributes:
        name: of its record in the registry; its benchmarks' names begin with it.
        title: as its papers write it.
        class_set: whose aliases are the labels of the table.
        files: names of the table, CSV or JSON Lines, under the root, the usual one first.
        folders: of the images, likewise.
        counts: how many images each split of the whole set has.
        read: what a row says.
    """

    name: str
    title: str
    class_set: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    counts: Mapping[str, int]
    read: RowReader

    def find(self, root: Path, catalog: Catalog) -> LabelledImages:
        """See ``LabelledSet``."""
        images, missing = self._look(root, catalog)
        if missing or Counter(images.splits) != Counter(self.counts):
            raise UsageError(self._incomplete(root, images, missing))
        return images

    def find_subset(self, root: Path, catalog: Catalog) -> LabelledImages:
        """See ``LabelledSet``."""
        images, missing = self._look(root, catalog)
        have = Counter(images.splits)
        if not have or any(count > self.counts.get(split, 0) for split, count in have.items()):
            raise UsageError(self._incomplete(root, images, missing))
        return images

    def _look(self, root: Path, catalog: Catalog) -> tuple[LabelledImages, list[str]]:
        """Return the images that are there, and the names of those that are not."""
        file, folder = find_beside(root, self.files, self.folders, self.title, self.name)
        labels = load_class_set(self.class_set, catalog).by_alias()
        rows, missing = [], []
        for number, cells in read_table(file):
            row = self._row(file, number, cells)
            if row is None:
                continue
            if bare(row.label) not in labels:
                raise self._misshapen(file, number, f"{row.label!r} is no class of the set")
            if exists(folder / row.path):
                rows.append(row)
            else:
                missing.append(row.path)
        groups = tuple(row.group for row in rows)
        items = [_item(folder, row, labels[bare(row.label)]) for row in rows]
        found = LabelledImages(
            items=tuple(items),
            labels=tuple(labels[bare(row.label)] for row in rows),
            whole=sum(self.counts.values()),
            splits=tuple(row.split for row in rows),
            whole_test=self.counts["test"],
            groups=groups if any(groups) else (),
        )
        return found, missing

    def _row(self, file: Path, number: int, cells: Mapping[str, Any]) -> LabelledRow | None:
        """Return what a row says.

        Raises:
            UsageError: it says nothing, or names a file elsewhere.
        """
        if fault := cells.get(FAULT):
            raise self._misshapen(file, number, str(fault))
        try:
            row = self.read(cells)
        except (KeyError, TypeError, ValueError) as error:
            raise self._misshapen(file, number, f"it has not what it should: {error}") from error
        if row is None:
            return None
        path = PurePosixPath(row.path)
        if path.is_absolute() or ".." in path.parts or set(row.path) & set("\\\x00"):
            raise self._misshapen(file, number, f"{row.path!r} lies outside the data set")
        if row.split not in self.counts:
            raise self._misshapen(file, number, f"{row.split!r} is no split of the set")
        return row

    def _misshapen(self, file: Path, number: int, fault: str) -> UsageError:
        return UsageError(
            f"{file}, line {number}, is no row of {self.title}: {fault}. Get the published file "
            f"again: fieldguide benchmark {self.name} --how-to-get"
        )

    def _incomplete(self, root: Path, images: LabelledImages, missing: list[str]) -> str:
        have = Counter(images.splits)
        parts = ", ".join(f"{split} {have[split]} of {n}" for split, n in self.counts.items())
        text = f"{len(images.items)} of {images.whole} images ({parts})"
        more = any(have[split] > n for split, n in self.counts.items())
        return incomplete(root, self.title, text, missing, more=more)


def _item(folder: Path, row: LabelledRow, label: str) -> Item:
    path = folder / row.path
    about = {LABEL: label} | ({GROUP: row.group} if row.group else {})
    return Item(path.absolute().as_posix(), path.as_posix(), path, metadata=about)
