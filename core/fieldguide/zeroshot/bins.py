"""The user's own bins: a table that says which taxon falls into which."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from fieldguide.data.files import read_bounded
from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 64 * 2**20
COLUMNS = 2


def read_bins(path: Path) -> dict[str, str]:
    """Return the bin of each name of a CSV: its first column names taxa, its second their bins.

    Raises:
        UsageError: the file cannot be read, has fewer columns, or puts one name into two bins.
    """
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8-sig")
    except (LoadError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as UTF-8 text: {error}") from error
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise UsageError(f"{path} is no table that can be read: {error}.") from error
    bins: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        cells = [cell.strip() for cell in row[:COLUMNS]]
        if not any(cells):
            continue
        if len(cells) < COLUMNS or not all(cells):
            raise UsageError(f"{path}, row {number}: it needs a taxon and its bin. Fill both.")
        if bins.setdefault(cells[0], cells[1]) != cells[1]:
            raise UsageError(f"{path}, row {number}: {cells[0]!r} is in two bins. Remove one.")
    if not bins:
        raise UsageError(f"{path} has no bins. Its columns are a taxon and its bin, with a header.")
    return bins
