"""The rows of a manifest: CSV, JSON Lines or GeoJSON, as a stranger may have written them."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import read_bounded
from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MANIFEST_SUFFIXES = (".csv", ".jsonl", ".geojson")
PATH_COLUMNS = ("image", "path", "file", "filename")
FAULT = "fault"
"""The key under which a row that cannot be read says why."""

MAX_BYTES = 2**30
MAX_DEPTH = 32
"""Lists and objects inside each other, in one cell of JSON."""
MAX_DIGITS = 18
"""Longer whole numbers are identifiers and stay text: no column of 64 bit holds them."""

_NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def read_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Return the rows of a manifest of images; see :func:`read_table`.

    Raises:
        UsageError: the file cannot be read at all or no row has a path.
    """
    rows = read_table(path)
    if not any(path_column(row) for _, row in rows):
        raise UsageError(f"{path} has no column {', '.join(PATH_COLUMNS)}. Name one of them so.")
    return rows


def read_table(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Return the rows of a CSV or JSON Lines file with the numbers of their lines.

    The rows of a GeoJSON file are the properties of its features; its places are not used.

    A row that cannot be read has only the key ``fault``, which says why.

    Raises:
        UsageError: the file cannot be read at all, or has no row.
    """
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8-sig")
        rows = list(_READERS[path.suffix.lower()](text))
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
    except csv.Error as error:
        raise UsageError(f"{path} is not CSV: {error}. Save it again as CSV.") from error
    if not rows:
        raise UsageError(f"{path} has no rows. Name a file that has some.")
    return rows


def path_column(row: Mapping[str, Any]) -> str | None:
    """Return the name of the column that names the row's image, or None."""
    return next((name for name in PATH_COLUMNS if row.get(name) not in (None, "")), None)


def _csv_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader: csv.DictReader[Any] = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    texts = (*PATH_COLUMNS, "id")  # a file may be named 1.50
    for row in reader:
        if any(row.pop(None, None) or ()):
            row = {FAULT: "it has more cells than the header. Quote cells with a comma."}
        yield reader.line_num, {k: v if k in texts else cell_value(v) for k, v in row.items()}


def _jsonl_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(io.StringIO(text), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            row = {FAULT: f"the line is not JSON: {error}. Correct it."}
        if not isinstance(row, dict):
            row = {FAULT: "the line is not a JSON object. Correct it."}
        if not _is_flat(row, MAX_DEPTH):
            row = {FAULT: f"its values are nested deeper than {MAX_DEPTH}. Make it flatter."}
        yield number, row


def _geojson_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        features = json.loads(text)["features"]
        found = [dict(feature["properties"] or {}) for feature in features]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise LoadError(
            f"it is no FeatureCollection of GeoJSON ({type(error).__name__}: {error}). Save it "
            "again as one."
        ) from error
    for number, row in enumerate(found, start=1):
        flat = _is_flat(row, MAX_DEPTH)
        yield number, row if flat else {FAULT: "its values are nested too deep. Make it flatter."}


_READERS = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".geojson": _geojson_rows}


def _is_flat(value: Any, depth: int) -> bool:
    """Return whether lists and objects lie inside each other no deeper than that."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_flat(each, depth - 1) for each in inner)


def cell_value(text: Any) -> Any:
    """Return an int or float for text that is written as one, else the text.

    >>> [cell_value(t) for t in ("7", "0.5", "007", "nan", "5e3", "a")]
    [7, 0.5, '007', 'nan', 5000.0, 'a']
    """
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        return text
    if text.lstrip("+-").isdigit():
        return int(text) if len(text) <= MAX_DIGITS else text
    number = float(text)
    return number if math.isfinite(number) else text
