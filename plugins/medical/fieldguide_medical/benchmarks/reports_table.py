"""Volumes beside a table with the text of each, as CT-RATE and Merlin are given away."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.published_files import find_beside, incomplete
from fieldguide.benchmarks.reported import PairedImages
from fieldguide.data.files import exists
from fieldguide.data.inputs import Item
from fieldguide.data.manifests import FAULT, read_table
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    RowReader = Callable[[Mapping[str, Any]], "ReportRow | None"]


@dataclass(frozen=True)
class ReportRow:
    """What one row of a table says.

    Attributes:
        paths: where the volume may lie below the folder of volumes, the usual place first.
        text: of its report.
        group: the patient.
    """

    paths: tuple[str, ...]
    text: str
    group: str


@dataclass(frozen=True)
class ReportTable:
    """Volumes with a report each; see ``reported.PairedSet``.

    Attributes:
        name: of its record in the registry.
        title: as its papers write it.
        files: names of the table under the root, the usual one first.
        folders: of the volumes, likewise.
        read: what a row says; None for a row that is no part of the split that is measured.
        count: how many pairs the split has; None for as many as the table lists.
    """

    name: str
    title: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    read: RowReader
    count: int | None = None

    def find(self, root: Path, *, whole: bool) -> PairedImages:
        """See ``PairedSet``."""
        file, folder = find_beside(root, self.files, self.folders, self.title, self.name)
        rows = [row for number, cells in read_table(file)
                if (row := self._row(file, number, cells)) is not None]  # fmt: skip
        count = len(rows) if self.count is None else self.count
        places = [self._place(folder, row) for row in rows]
        missing = [row.paths[0] for row, place in zip(rows, places, strict=True) if place is None]
        have = [(row, place) for row, place in zip(rows, places, strict=True) if place is not None]
        more = len(rows) > count
        if more or not have or (whole and len(have) != count):
            text = f"{len(have)} of {count} volumes"
            raise UsageError(incomplete(root, self.title, text, missing, more=more))
        return PairedImages(
            items=tuple(Item(p.absolute().as_posix(), p.as_posix(), p) for _, p in have),
            texts=tuple(row.text for row, _ in have),
            whole=count,
            groups=tuple(row.group for row, _ in have),
        )

    @staticmethod
    def _place(folder: Path, row: ReportRow) -> Path | None:
        return next((folder / path for path in row.paths if exists(folder / path)), None)

    def _row(self, file: Path, number: int, cells: Mapping[str, Any]) -> ReportRow | None:
        fault = cells.get(FAULT)
        try:
            row = None if fault else self.read(cells)
        except (KeyError, TypeError, ValueError) as error:
            fault = f"it has not what it should: {error}"
            row = None
        if row is not None and any(_leads_out(path) for path in row.paths):
            fault = "it names a file outside the data set"
        if fault:
            raise UsageError(
                f"{file.name}, line {number}, is no row of {self.title}: {fault}. Get the "
                f"published file again: fieldguide benchmark {self.name} --how-to-get"
            )
        return row


def _leads_out(path: str) -> bool:
    parts = PurePosixPath(path)
    return parts.is_absolute() or ".." in parts.parts or bool(set(path) & set("\\\x00"))
