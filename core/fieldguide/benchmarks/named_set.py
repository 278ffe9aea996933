"""Data sets that say themselves what their classes are called, in whatever files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.labelled import GROUP, LABEL, TEST, LabelledImages
from fieldguide.benchmarks.published_files import incomplete
from fieldguide.data.files import exists
from fieldguide.data.inputs import Item
from fieldguide.data.manifests import FAULT
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from fieldguide.plugins import Catalog

ALL = ""
"""The split of the images of a set that has none."""


@dataclass(frozen=True)
class NamedRow:
    """What a data set says of one image.

    Attributes:
        path: of the image, below the folder of images.
        label: the class, as results name it.
        names: what stands for the class in prompts, by kind of text.
        split: "train", "val" or "test"; "" in a set without splits.
        group: what the image belongs together with, or "".
        division: of the class, where the owners divide their classes, or "".
    """

    path: str
    label: str
    names: Mapping[str, str]
    split: str = ALL
    group: str = ""
    division: str = ""


@dataclass(frozen=True)
class Listing:
    """The images of a data set as its files list them.

    Attributes:
        file: that lists them.
        folder: of the images.
        rows: number of the line, or of the entry, and its cells.
    """

    file: Path
    folder: Path
    rows: Iterable[tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True)
class NamedSet:
    """A public set of images whose files name the classes; see ``labelled.LabelledSet``.

    Attributes:
        name: of its record in the registry; its benchmarks' names begin with it.
        title: as its papers write it.
        counts: how many images each split of the whole set has.
        find_listing: returns the listing that lies under a folder; says so where there is none.
        read: what the cells of a row say; None for a row that is no part of the set.
        classes: names of classes that are offered even where no image of them is listed.
    """

    name: str
    title: str
    counts: Mapping[str, int]
    find_listing: Callable[[Path], Listing]
    read: Callable[[Mapping[str, Any]], NamedRow | None]
    classes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def reported(self) -> int:
        """How many images of the whole set zero-shot figures are of."""
        return self.counts.get(TEST, sum(self.counts.values()))

    def find(self, root: Path, catalog: Catalog) -> LabelledImages:
        """See ``LabelledSet``."""
        found = self._look(root)
        if found.missing or found.have != Counter(self.counts):
            raise UsageError(self._incomplete(root, found))
        return found.images(self.counts, self.reported)

    def find_subset(self, root: Path, catalog: Catalog) -> LabelledImages:
        """See ``LabelledSet``."""
        found = self._look(root)
        have = found.have
        if not have or any(count > self.counts.get(split, 0) for split, count in have.items()):
            raise UsageError(self._incomplete(root, found))
        return found.images(self.counts, self.reported)

    def _look(self, root: Path) -> _Found:
        """Return what is there.

        Raises:
            UsageError: nothing is, or a row is no row of the set.
        """
        listing = self.find_listing(root)
        found = _Found(listing.folder, names={**self.classes})
        for number, cells in listing.rows:
            row = self._row(listing.file, number, cells)
            if row is None:
                continue
            found.names.setdefault(row.label, row.names)
            if row.division:
                found.divisions.setdefault(row.label, row.division)
            if exists(listing.folder / row.path):
                found.rows.append(row)
            else:
                found.missing.append(row.path)
        return found

    def _row(self, file: Path, number: int, cells: Mapping[str, Any]) -> NamedRow | None:
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
        if not row.label or not all(row.names.values()):
            raise self._misshapen(file, number, "it names no class")
        return row

    def _misshapen(self, file: Path, number: int, fault: str) -> UsageError:
        return UsageError(
            f"{file}, line {number}, is no row of {self.title}: {fault}. Get the published file "
            f"again: fieldguide benchmark {self.name} --how-to-get"
        )

    def _incomplete(self, root: Path, found: _Found) -> str:
        have, whole = found.have, sum(self.counts.values())
        parts = ", ".join(f"{split} {have[split]} of {n}" for split, n in self.counts.items())
        text = f"{len(found.rows)} of {whole} images" + (
            f" ({parts})" if TEST in self.counts else ""
        )
        more = any(count > self.counts.get(split, 0) for split, count in have.items())
        return incomplete(root, self.title, text, found.missing, more=more)


@dataclass
class _Found:
    """What lies under a folder.

    Attributes:
        folder: of the images.
        names: of all classes.
        rows: of images that are there.
        divisions: likewise.
        missing: paths of images that are listed and not there.
    """

    folder: Path
    names: dict[str, Mapping[str, str]]
    rows: list[NamedRow] = field(default_factory=list)
    divisions: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def have(self) -> Counter[str]:
        """How many images of each split are there."""
        return Counter(row.split for row in self.rows)

    def images(self, counts: Mapping[str, int], reported: int) -> LabelledImages:
        """Return the images, by class and then as they are listed."""
        rows = sorted(self.rows, key=lambda row: row.label)
        groups = tuple(row.group for row in rows)
        return LabelledImages(
            items=tuple(self._item(row) for row in rows),
            labels=tuple(row.label for row in rows),
            whole=sum(counts.values()),
            splits=tuple(row.split for row in rows) if TEST in counts else (),
            whole_test=reported,
            groups=groups if any(groups) else (),
            names=self.names,
            divisions=self.divisions,
        )

    def _item(self, row: NamedRow) -> Item:
        path = self.folder / row.path
        about = {LABEL: row.label} | ({GROUP: row.group} if row.group else {})
        return Item(path.absolute().as_posix(), path.as_posix(), path, metadata=about)
