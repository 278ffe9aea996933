"""Rows by the day on which they were taken: from, until, and in which months of any year.

A date is read as ISO 8601 writes it (``2026-05-17``, ``2026-05-17T10:20:30Z``), as EXIF does
(``2026:05:17 10:20:30``, CIPA DC-008 2019), or with slashes (``2026/05/17``). The day is the one
that is written: no time zone moves it. What names no day, such as ``2026-05``, an interval, or the
``0000:00:00`` of a camera without a clock, is no date.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fieldguide.errors import UsageError
from fieldguide.retrieval.conditions import RowTest, plain
from fieldguide.retrieval.lance_filter import FALSE, any_of, by_first_usable, column_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

MONTHS = 12
_DAY = "[0-9]{4}[-:/](0[1-9]|1[0-2])[-:/](0[1-9]|[12][0-9]|3[01])"
_DATE = f"{_DAY}([T ][^/]*)?"
_SEVERAL = re.compile(r"(\d{1,2})(?:-(\d{1,2}))?", re.ASCII)


def read_day(text: str) -> str:
    """Return a day as ``2026-05-01``.

    Raises:
        UsageError: it is no day of the calendar.

    >>> read_day("2026:05:01")
    '2026-05-01'
    """
    try:
        return datetime.date.fromisoformat(text.strip().replace(":", "-")).isoformat()
    except ValueError:
        raise UsageError(f"{text!r} is no day of the calendar. Write it as 2026-05-01") from None


def read_months(text: str) -> frozenset[int]:
    """Return months from ``5-7``, ``11-2`` (over the new year) or ``3,5-7``.

    Raises:
        UsageError: they are not months.

    >>> sorted(read_months("11-2"))
    [1, 2, 11, 12]
    """
    found: set[int] = set()
    for part in text.split(","):
        parsed = _SEVERAL.fullmatch(part.strip())
        first = int(parsed[1]) if parsed else 0
        last = int(parsed[2] or parsed[1]) if parsed else 0
        if not (1 <= first <= MONTHS and 1 <= last <= MONTHS):
            raise UsageError(f"{text!r} are no months. Write 1 to 12: 5-7, 11-2 or 3,5-7")
        found.update((first - 1 + step) % MONTHS + 1 for step in range((last - first) % MONTHS + 1))
    return frozenset(found)


def day_of(row: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    """Return the day of a row as ``2026-05-01``, or None where it says none.

    Args:
        row: its metadata.
        columns: fields of dates; the first of which a row has a date says its day.
    """
    for name in columns:
        value = plain(row.get(name))
        if isinstance(value, str) and re.fullmatch(_DATE, value):
            return value[:10].replace(":", "-").replace("/", "-")
    return None


@dataclass(frozen=True, slots=True)
class HasDay(RowTest):
    """A row that says on which day it was taken.

    Attributes:
        columns: as of :func:`day_of`.
    """

    columns: tuple[str, ...]
    is_negated: bool = False

    def negated(self) -> HasDay:
        """Return the test for rows without a day."""
        return replace(self, is_negated=not self.is_negated)

    def fits(self, row: Mapping[str, Any]) -> bool:
        """See ``RowTest``."""
        return (day_of(row, self.columns) is None) == self.is_negated

    def to_lance(self, columns: frozenset[str]) -> str:
        """See ``RowTest``."""
        usable = any_of([_usable(name, columns) for name in self.columns])
        return f"(NOT {usable})" if self.is_negated else usable


@dataclass(frozen=True, slots=True)
class Dated(RowTest):
    """A row that was taken on one of some days.

    Attributes:
        columns: as of :func:`day_of`.
        after: the first day, as ``2026-05-01``; None for any.
        before: the first day that is too late; None for any.
        months: of any year, 1 to 12; all where there are none.
    """

    columns: tuple[str, ...]
    after: str | None = None
    before: str | None = None
    months: Collection[int] = field(default=frozenset())
    is_negated: bool = False

    def negated(self) -> Dated:
        """Return the test for rows of other days."""
        return replace(self, is_negated=not self.is_negated)

    def fits(self, row: Mapping[str, Any]) -> bool:
        """See ``RowTest``."""
        day = day_of(row, self.columns)
        return day is not None and self._holds(day) != self.is_negated

    def _holds(self, day: str) -> bool:
        return (
            (self.after is None or day >= self.after)
            and (self.before is None or day < self.before)
            and (not self.months or int(day[5:7]) in self.months)
        )

    def to_lance(self, columns: frozenset[str]) -> str:
        """See ``RowTest``."""
        usable = [_usable(name, columns) for name in self.columns]
        return by_first_usable(usable, [self._days(name) for name in self.columns])

    def _days(self, name: str) -> str:
        column = f"`{column_name(name, 'text')}`"
        written = (
            f"replace(replace({column}, ':', '-'), '/', '-')"  # a time behind the day is later
        )
        tests = ["(1 = 1)"]
        if self.after is not None:
            tests.append(f"{written} >= '{self.after}'")
        if self.before is not None:
            tests.append(f"{written} < '{self.before}'")
        if self.months:
            months = "|".join(f"{month:02d}" for month in sorted(self.months))
            tests.append(f"regexp_like({column}, '^[0-9]{{4}}[-:/]({months})[-:/]')")
        return f"({'NOT ' if self.is_negated else ''}({' AND '.join(tests)}))"


def _usable(name: str, columns: frozenset[str]) -> str:
    column = column_name(name, "text")
    if column not in columns:
        return FALSE
    return f"(`{column}` IS NOT NULL AND regexp_like(`{column}`, '^{_DATE}$'))"
