"""From millions of occurrence records to a table of counts, in one pass."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.errors import UsageError
from fieldguide_biodiversity.priors.cleaning import UNKNOWN_MONTH, clean
from fieldguide_biodiversity.priors.files import WRONG_LENGTH, read_batches
from fieldguide_biodiversity.priors.table import COUNTS, SUFFIX, OccurrenceTable, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ROWS_AT_ONCE = 2_000_000
"""Counts of so many rows wait to be added up: memory grows with distinct counts, not records."""

KEYS = COUNTS.names[:-1]


def build_table(
    paths: Sequence[Path], tell: Callable[[int], object] = lambda _records: None
) -> OccurrenceTable:
    """Return the counts of some tables of occurrences; see ``files`` and ``columns``.

    Args:
        paths: of downloads, zipped or not.
        tell: is given the number of rows that were read, now and then.

    Raises:
        UsageError: one cannot be read, or none has a usable record.
    """
    left_out: Counter[str] = Counter()
    waiting: list[pa.Table] = []
    rows = 0
    for path in paths:
        for batch in read_batches(path, left_out):
            usable, reasons = clean(batch)
            left_out.update(reasons)
            rows += len(next(iter(batch.values())))
            tell(rows)
            ones = pa.array(np.ones(len(usable), np.int64))
            waiting.append(_added([usable.append_column("records", ones)]))
            if sum(map(len, waiting)) > ROWS_AT_ONCE:
                waiting = [_added(waiting)]
    counts = _added(waiting) if waiting else COUNTS.empty_table()
    if not len(counts):
        why = "".join(f"; {count} {reason}" for reason, count in left_out.items())
        raise UsageError(
            f"{paths[0]}: none of {rows} rows can be used{why}. Download a table with names "
            "and coordinates."
        )
    return OccurrenceTable(_sorted(counts), _about(paths, rows, left_out, counts))


def open_occurrences(path: Path) -> OccurrenceTable:
    """Return the table of a ``.prior`` file, or that of a download, which is built first.

    Raises:
        UsageError: it cannot be read.
    """
    return read_table(path) if path.suffix.lower() == SUFFIX else build_table([path])


def _added(tables: Sequence[pa.Table]) -> pa.Table:
    whole = pa.concat_tables(tables)
    summed = whole.group_by(KEYS, use_threads=False).aggregate([("records", "sum")])
    return pa.table([summed.column(key) for key in KEYS] + [summed.column("records_sum")],
                    schema=COUNTS)  # fmt: skip


def _sorted(counts: pa.Table) -> pa.Table:
    return counts.sort_by([(key, "ascending") for key in KEYS]).combine_chunks()


def _about(
    paths: Sequence[Path], rows: int, left_out: Counter[str], counts: pa.Table
) -> dict[str, object]:
    undated = counts.filter(pc.equal(counts.column("month"), UNKNOWN_MONTH))
    return {
        "sources": [path.name for path in paths],
        "rows": rows + left_out.get(WRONG_LENGTH, 0),
        "left_out": dict(left_out),
        "records": pc.sum(counts.column("records")).as_py(),
        "without_month": pc.sum(undated.column("records")).as_py() or 0,
    }
