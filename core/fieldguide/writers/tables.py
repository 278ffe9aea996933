"""CSV, JSON and Parquet tables of any result."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from fieldguide.data.files import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.results import Result

PREDICTION_COLUMNS = ("path", "rank", "label", "probability", "status", "reason")


def write_csv(result: Result, path: Path) -> None:
    """Write the rows as CSV (UTF-8, one header line)."""
    rows = result.records()
    columns = list(dict.fromkeys(name for row in rows for name in row)) or PREDICTION_COLUMNS
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)


def write_json(result: Result, path: Path) -> None:
    """Write the rows as a JSON array, or as JSON Lines when the suffix is .jsonl."""
    rows = result.records()
    with atomic_path(path) as temporary:
        if path.suffix.lower() == ".jsonl":
            text = "".join(json.dumps(row, default=str, ensure_ascii=False) + "\n" for row in rows)
        else:
            text = json.dumps(rows, indent=2, default=str, ensure_ascii=False)
        temporary.write_text(text, "utf-8")


def write_parquet(result: Result, path: Path) -> None:
    """Write the rows as Parquet; structured values become JSON text."""
    rows = [
        {k: json.dumps(v, default=str) if isinstance(v, dict | list | tuple) else v
         for k, v in row.items()}
        for row in result.records()
    ]  # fmt: skip
    names = list(dict.fromkeys(name for row in rows for name in row)) or PREDICTION_COLUMNS
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _column(values: list[object]) -> pa.Array:
    """Return one typed column; values of mixed types become text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values])
