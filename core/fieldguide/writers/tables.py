"""CSV, JSON and Parquet tables of any result."""

from __future__ import annotations

import csv
import json
import logging
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fieldguide.data.files import atomic_path, utf8_text
from fieldguide.data.manifest_windows import COLUMNS as WINDOW_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from fieldguide.results import Result

COLUMNS = {
    "predictions": ("path", "rank", "label", "probability", "status", "reason"),
    "matches": ("rank", "path", "similarity"),
    "regions": ("query", "rank", "score", "path", *WINDOW_COLUMNS),
    "evaluation": ("label", "support", "precision", "recall", "f1"),
    "findings": ("label", "positives", "negatives", "uncertain", "unknown", "threshold"),
    "taxa_evaluation": ("rule", "rank", "answered", "coverage", "right"),
    "embeddings": ("path", "status", "reason"),
    "pairs": ("path", "status", "stage", "reason"),
    "run_report": (
        *("path", "status", "windows", "empty", "failed", "embedded", "seconds", "reason"),
    ),
    "captions": ("path", "caption", "template", "seed", "converter", "source"),
    "benchmark": (
        "model",
        "metric",
        "part",
        "value",
        "low",
        "high",
        "unit",
        "n",
        "coverage",
        "source",
        "same_protocol",
        "note",
    ),
}
"""What each kind of result always has, so that a table without rows has its columns too."""
_TYPES = {"rank": pa.int64(), "label": pa.string(), "probability": pa.float64()}
"""Of columns that may be empty throughout."""


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
logger = logging.getLogger(__name__)


def write_csv(result: Result, path: Path) -> None:
    """Write the rows as CSV (UTF-8, one header line).

    Texts are written as they are, so that a program reads back the same. A spreadsheet takes one
    that begins with ``= + - @`` for a formula: a warning says so when there is any.
    """
    rows = result.records()
    write_csv_rows(path, _columns(result.kind, rows), rows)


def write_csv_rows(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    *,
    line_end: str = "\r\n",
) -> None:
    """Write rows as :func:`write_csv` does, with columns and line ends of one's own.

    Raises:
        StoreError: the file cannot be written.
    """
    rows = list(rows)
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream,
    ):
        writer = csv.DictWriter(stream, columns, lineterminator=line_end)
        writer.writeheader()
        writer.writerows(rows)
    formulas = sum(map(_is_formula, (value for row in rows for value in row.values())))
    if formulas:
        logger.warning(
            "%s cells of %s are formulas to a spreadsheet: import the columns as text, or write "
            ".html or .parquet.", formulas, path,
        )  # fmt: skip


def _is_formula(value: object) -> bool:
    return isinstance(value, str) and value.startswith(_FORMULA_STARTS)


def write_json(result: Result, path: Path) -> None:
    """Write the rows as a JSON array, or as JSON Lines when the suffix is .jsonl."""
    rows = _json_ready(result.records())
    with atomic_path(path) as temporary:
        if path.suffix.lower() == ".jsonl":
            text = "".join(json.dumps(row, default=str, ensure_ascii=False) + "\n" for row in rows)
        else:
            text = json.dumps(rows, indent=2, default=str, ensure_ascii=False)
        temporary.write_text(text, "utf-8", "backslashreplace")


def write_parquet(result: Result, path: Path) -> None:
    """Write the rows as Parquet; structured values become JSON text."""
    rows = result.records()
    columns = {
        utf8_text(name): _column(name, [_plain(row.get(name)) for row in rows])
        for name in _columns(result.kind, rows)
    }
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _columns(kind: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return list(COLUMNS.get(kind, ()))
    return list(dict.fromkeys(name for row in rows for name in row))


def _json_ready(value: Any) -> Any:
    """Return a value without NaN and infinity, for which JSON has no word."""
    if isinstance(value, dict):
        return {name: _json_ready(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict | list | tuple):
        return json.dumps(_json_ready(value), default=str)
    return utf8_text(value) if isinstance(value, str) else value


def _column(name: str, values: list[Any]) -> pa.Array:
    """Return one typed column; values of mixed types become text."""
    try:
        return pa.array(values, _TYPES.get(name))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values])
