"""A table of occurrences in short: how many records of which taxon, in which cell and month.

A ``.prior`` file is a Parquet file with the columns of ``COUNTS``, which any reader of Parquet
opens; its metadata says what it was made from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fieldguide.errors import UsageError
from fieldguide_biodiversity.priors.cells import COUNT as CELLS
from fieldguide_biodiversity.priors.cells import ROWS as CELL_ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUFFIX = ".prior"
COUNTS = pa.schema(
    [
        ("taxon", pa.string()),
        ("above", pa.string()),
        ("cell", pa.int32()),
        ("month", pa.int8()),
        ("country", pa.string()),
        ("records", pa.int64()),
    ]
)
"""Month 0 where it is not known; country an ISO 3166 code or empty."""

_ABOUT = b"fieldguide"
_BROKEN = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)


@dataclass(frozen=True, eq=False)
class OccurrenceTable:
    """How often taxa were recorded.

    Attributes:
        counts: as ``COUNTS``, one row for each taxon, cell, month and country.
        about: sources, how many rows were left out and why.
    """

    counts: pa.Table
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many records there are in all."""
        return int(self.counts.column("records").to_numpy().sum())

    @cached_property
    def taxa(self) -> pa.Table:
        """Columns taxon, above and records of each taxon, in the order of their names."""
        keys = ["taxon", "above"]
        summed = self.counts.group_by(keys).aggregate([("records", "sum")])
        ordered = summed.sort_by([(key, "ascending") for key in keys])
        return ordered.select(["taxon", "above", "records_sum"]).rename_columns([*keys, "records"])

    def write(self, path: Path) -> None:
        """Write it as a ``.prior`` file.

        Raises:
            UsageError: the file cannot be written.
        """
        about = {**self.about, "cell_rows": CELL_ROWS}
        counts = self.counts.replace_schema_metadata({_ABOUT: json.dumps(about).encode()})
        part = path.with_name(f"{path.name}.part")
        try:
            pq.write_table(counts, part, compression="zstd")
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise UsageError(
                f"{path}: it cannot be written ({error.strerror or error}). Choose another folder."
            ) from error


def read_table(path: Path) -> OccurrenceTable:
    """Return the table of a ``.prior`` file.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    try:
        counts = pq.read_table(path)
        about = json.loads((counts.schema.metadata or {})[_ABOUT])
        counts = counts.replace_schema_metadata(None).select(COUNTS.names).cast(COUNTS)
        _check(counts, about)
    except _BROKEN as error:
        raise UsageError(
            f"{path}: it is no table of 'fieldguide biodiversity occurrences build', or a damaged "
            "one. Build it again."
        ) from error
    return OccurrenceTable(counts, about)


def _check(counts: pa.Table, about: Mapping[str, Any]) -> None:
    if about.get("cell_rows") != CELL_ROWS or any(column.null_count for column in counts.columns):
        raise ValueError("another grid, or missing values")
    cells, months, records = (
        counts.column(name).to_numpy() for name in ("cell", "month", "records")
    )
    if not len(cells):
        return
    if cells.min() < 0 or cells.max() >= CELLS or months.min() < 0 or months.max() > 12:
        raise ValueError("values out of range")
    if records.min() < 1 or np.any(records > 2**53):
        raise ValueError("counts out of range")
