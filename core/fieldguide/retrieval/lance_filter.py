"""Writes a parsed condition as the filter language of Lance, from checked parts only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fieldguide.retrieval.conditions import (
    Both,
    Compare,
    Condition,
    Either,
    In,
    IsNull,
    Like,
    RowTest,
    Value,
    kind_of,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLUMN_PREFIXES = {"boolean": "b_", "number": "n_", "text": "t_"}
"""Metadata columns by the kind of their values; a key may have one of each."""

_ROW_COLUMNS = frozenset({"path", "id"})
"""What every row has beside its metadata; metadata of the same name cannot be asked for."""
FALSE = "(1 = 0)"


def column_name(key: str, kind: str) -> str:
    """Return the column that holds one kind of value of a metadata key; no two keys share one.

    >>> column_name("cloud cover", "number"), column_name("cloud_cover", "number")
    ('n_cloud_20_cover', 'n_cloud__cover')
    """
    safe = re.sub(r"[^A-Za-z0-9_]", lambda found: f"_{ord(found[0]):x}_", key.replace("_", "__"))
    return COLUMN_PREFIXES[kind] + safe


def field_of(column: str) -> tuple[str, str] | None:
    """Return the metadata key and the kind of values of a column; None where it is no such one.

    >>> field_of("n_cloud__cover"), field_of("vector")
    (('cloud_cover', 'number'), None)
    """
    for kind, prefix in COLUMN_PREFIXES.items():
        if column.startswith(prefix):
            key = re.sub(
                "__|_([0-9a-f]+)_",
                lambda found: "_" if found[1] is None else chr(int(found[1], 16)),
                column.removeprefix(prefix),
            )
            return key, kind
    return None


def any_of(tests: Sequence[str]) -> str:
    """Return what holds where one of the tests does."""
    found = [test for test in tests if test != FALSE]
    return f"({' OR '.join(found)})" if found else FALSE


def by_first_usable(usable: Sequence[str], tests: Sequence[str]) -> str:
    """Return what holds where the first usable of some places of a row passes its own test.

    Args:
        usable: whether a row has a usable value there; never null.
        tests: what that value must pass.
    """
    found = []
    for number, (has, test) in enumerate(zip(usable, tests, strict=True)):
        if has != FALSE:
            earlier = [f"NOT {other}" for other in usable[:number] if other != FALSE]
            found.append(f"({' AND '.join([*earlier, has, test])})")
    return any_of(found)


def to_lance(condition: Condition, columns: frozenset[str]) -> str:
    """Return a filter with the meaning of :func:`fieldguide.retrieval.conditions.matches`.

    Args:
        condition: what the user asked for, parsed.
        columns: the table's columns; a field without a column is missing in every row.
    """
    if isinstance(condition, Both):
        return f"({to_lance(condition.left, columns)} AND {to_lance(condition.right, columns)})"
    if isinstance(condition, Either):
        return f"({to_lance(condition.left, columns)} OR {to_lance(condition.right, columns)})"
    if isinstance(condition, RowTest):
        return condition.to_lance(columns)
    return _of_field(condition, columns)


def _of_field(condition: Compare | In | Like | IsNull, columns: frozenset[str]) -> str:
    if isinstance(condition, IsNull):
        return _is_null(condition, columns)
    if isinstance(condition, In):
        return _membership(condition, columns)
    if isinstance(condition, Like):
        operator = "NOT LIKE" if condition.is_negated else "LIKE"
        pattern = condition.pattern.replace("\\", "\\\\")  # the engine's escape; ours has none
        return _test(condition.field, "text", f"{operator} {_literal(pattern)}", columns)
    return _comparison(condition, columns)


def _comparison(condition: Compare, columns: frozenset[str]) -> str:
    kind = str(kind_of(condition.value))
    return _test(
        condition.field, kind, f"{condition.operator} {_literal(condition.value)}", columns
    )


def _membership(condition: In, columns: frozenset[str]) -> str:
    by_kind: dict[str, list[Value]] = {}
    for value in condition.values:
        by_kind.setdefault(str(kind_of(value)), []).append(value)
    operator = "NOT IN" if condition.is_negated else "IN"
    tests = [
        _test(condition.field, kind, f"{operator} ({', '.join(map(_literal, values))})", columns)
        for kind, values in by_kind.items()
    ]
    return any_of(tests)


def _is_null(condition: IsNull, columns: frozenset[str]) -> str:
    if condition.field in _ROW_COLUMNS:
        names = [condition.field]
    else:
        names = [column_name(condition.field, kind) for kind in COLUMN_PREFIXES]
    present = [f"(`{name}` IS NOT NULL)" for name in names if name in columns]
    exists = f"({' OR '.join(present)})" if present else FALSE
    return exists if condition.is_negated else f"(NOT {exists})"


def _test(field: str, kind: str, test: str, columns: frozenset[str]) -> str:
    name = column_name(field, kind)
    if field in _ROW_COLUMNS:
        name = field if kind == "text" else ""
    return f"(`{name}` IS NOT NULL AND `{name}` {test})" if name in columns else FALSE


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(float(value))


def metadata_columns(metadata: Mapping[str, object]) -> dict[str, Value]:
    """Return the filterable columns of one row's metadata."""
    values = {key: plain(value) for key, value in metadata.items()}
    return {
        column_name(key, str(kind_of(value))): value
        for key, value in values.items()
        if value is not None
    }
