"""What a ``where`` expression means: conditions on one row and whether a row satisfies them.

A comparison with a missing value is false, and so is ``not`` of it: a row that has no
``cloud_cover`` answers neither ``cloud_cover < 10`` nor ``not cloud_cover < 10``. NaN, lists and
other structured values count as missing. Numbers are compared as doubles.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import utf8_text

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | float | bool

_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Compare:
    """``field operator value``; false where the field is missing or of another type."""

    field: str
    operator: str
    value: Value

    def negated(self) -> Condition:
        """Return the opposite comparison, which a missing value does not satisfy either."""
        return Compare(self.field, _OPPOSITE[self.operator], self.value)


@dataclass(frozen=True, slots=True)
class In:
    """``field [not] in (values)``."""

    field: str
    values: tuple[Value, ...]
    is_negated: bool = False

    def negated(self) -> Condition:
        """Return the opposite membership."""
        return In(self.field, self.values, not self.is_negated)


@dataclass(frozen=True, slots=True)
class Like:
    """``field [not] like "pattern"`` with ``%`` for any text and ``_`` for one character."""

    field: str
    pattern: str
    is_negated: bool = False

    def negated(self) -> Condition:
        """Return the opposite match."""
        return Like(self.field, self.pattern, not self.is_negated)


@dataclass(frozen=True, slots=True)
class IsNull:
    """``field is [not] null``."""

    field: str
    is_negated: bool = False

    def negated(self) -> Condition:
        """Return the opposite test."""
        return IsNull(self.field, not self.is_negated)


@dataclass(frozen=True, slots=True)
class Both:
    """``left and right``."""

    left: Condition
    right: Condition

    def negated(self) -> Condition:
        """Return not left or not right."""
        return Either(self.left.negated(), self.right.negated())


@dataclass(frozen=True, slots=True)
class Either:
    """``left or right``."""

    left: Condition
    right: Condition

    def negated(self) -> Condition:
        """Return not left and not right."""
        return Both(self.left.negated(), self.right.negated())


class RowTest(ABC):
    """A condition that is not written in a ``where`` expression, such as a distance."""

    @abstractmethod
    def fits(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row satisfies it; the meaning that :meth:`to_lance` must reproduce."""

    @abstractmethod
    def to_lance(self, columns: frozenset[str]) -> str:
        """Return it as a filter of Lance that is never null.

        Args:
            columns: the table's columns; a field without a column is missing in every row.
        """

    @abstractmethod
    def negated(self) -> Condition:
        """Return the opposite, which a row without the facts does not satisfy either."""


Condition = Compare | In | Like | IsNull | Both | Either | RowTest


def matches(condition: Condition, row: Mapping[str, Any]) -> bool:
    """Return whether a row satisfies a condition; the meaning that engines must reproduce."""
    if isinstance(condition, Both):
        return matches(condition.left, row) and matches(condition.right, row)
    if isinstance(condition, Either):
        return matches(condition.left, row) or matches(condition.right, row)
    if isinstance(condition, RowTest):
        return condition.fits(row)
    return _matches_field(condition, row)


def _matches_field(condition: Compare | In | Like | IsNull, row: Mapping[str, Any]) -> bool:
    found = plain(row.get(condition.field))
    if isinstance(condition, IsNull):
        return (found is None) != condition.is_negated
    if isinstance(condition, Like):
        return isinstance(found, str) and _like(condition.pattern, found) != condition.is_negated
    if isinstance(condition, In):
        usable = [v for v in condition.values if _same_type(found, v)]
        return bool(usable) and (found in usable) != condition.is_negated
    return _same_type(found, condition.value) and _compare(found, condition)


def _compare(found: Any, condition: Compare) -> bool:
    value: Any = condition.value
    outcomes = {
        "=": found == value,
        "!=": found != value,
        "<": found < value,
        "<=": found <= value,
        ">": found > value,
        ">=": found >= value,
    }
    return bool(outcomes[condition.operator])


def _like(pattern: str, text: str) -> bool:
    parts = re.split(r"([%_])", pattern)
    expression = "".join({"%": ".*", "_": "."}.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def plain(value: Any) -> Value | None:
    """Return a value as filters see it: a boolean, a double, or text.

    None when it is missing, structured, NaN, or an integer too long for a double.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return utf8_text(value)
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return None if math.isnan(number) else number


def kind_of(value: Any) -> str | None:
    """Return "boolean", "number" or "text", or None for a missing or structured value."""
    kinds = {bool: "boolean", float: "number", str: "text"}
    return kinds.get(type(plain(value)))


def _same_type(found: Any, value: Value) -> bool:
    return kind_of(found) is not None and kind_of(found) == kind_of(value)
