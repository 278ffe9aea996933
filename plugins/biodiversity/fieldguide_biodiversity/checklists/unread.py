"""Counts rows that could not be read, file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from fieldguide_biodiversity.checklists.delimited import Columns


class Unread:
    """How many rows of which files could not be read.

    Attributes:
        counts: by what is wrong and where.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def taken(self, name: str, columns: Columns) -> pa.Table:
        """Return the table of what was read, and count what was not."""
        if columns.skipped:
            where = (
                "" if columns.first_skipped is None else f", first in row {columns.first_skipped}"
            )
            what = f"rows of {name} with more or fewer cells than its header{where}"
            self.counts[what] = self.counts.get(what, 0) + columns.skipped
        return columns.table
