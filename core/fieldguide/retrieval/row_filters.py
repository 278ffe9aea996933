"""Filters of a search by place and day: what a user asks becomes a condition on an index's rows.

A filter is asked of an index before the best rows are taken, so that k answers come wherever k
rows fit. Rows that do not say where or when they were taken are left out, and counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fieldguide.data.place_and_date import DATE_COLUMNS, PLACE_COLUMNS, bare
from fieldguide.errors import UsageError
from fieldguide.retrieval.conditions import Both, Condition
from fieldguide.retrieval.dated import Dated, HasDay, read_day, read_months
from fieldguide.retrieval.near import HasPlace, Near, read_place
from fieldguide.retrieval.where import parse_where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.retrieval.lance_index import LanceIndex
    from fieldguide.specs import DomainSpec


@dataclass(frozen=True, slots=True)
class Asked:
    """What a filter asks of the rows of one index.

    Attributes:
        condition: on a row.
        notes: how many rows it can say nothing of, in whole sentences.
    """

    condition: Condition
    notes: tuple[str, ...] = ()


class RowFilter(Protocol):
    """What a search may be narrowed by, beside a ``where`` expression."""

    def of(self, store: LanceIndex, domain: DomainSpec) -> Asked:
        """Return what it asks of the rows of an index.

        Raises:
            UsageError: the index cannot be asked that.
        """
        ...

    def about(self) -> dict[str, Any]:
        """Return what is asked, for the record of the search."""
        ...


@dataclass(frozen=True)
class NearPlace:
    """Rows that were taken within a distance of a place.

    Args:
        place: latitude and longitude in degrees, or a text such as ``51.5,-0.1``.
        within_km: the distance.

    Raises:
        UsageError: it is no place on Earth, or the distance is not positive.
    """

    place: tuple[float, float] | str
    within_km: float

    def __post_init__(self) -> None:
        """Check place and distance."""
        self._place()
        if not self.within_km > 0 or math.isinf(self.within_km):
            raise UsageError(
                f"The distance is {self.within_km:g} km. Give more than 0: --within-km 50"
            )

    def _place(self) -> tuple[float, float]:
        place = self.place
        return read_place(place if isinstance(place, str) else ",".join(map(str, place)))

    def of(self, store: LanceIndex, domain: DomainSpec) -> Asked:
        """See ``RowFilter``."""
        columns = place_columns(store, domain)
        missing = store.count(HasPlace(columns, is_negated=True))
        condition = Near(columns, self._place(), self.within_km)
        return Asked(condition, left_out(missing, "place"))

    def about(self) -> dict[str, Any]:
        """See ``RowFilter``."""
        return {"near": list(self._place()), "within_km": self.within_km}


@dataclass(frozen=True)
class TakenWhen:
    """Rows that were taken on some days.

    Args:
        after: the first day, as ``2026-05-01``.
        before: the first day that is too late.
        months: of any year: ``5-7``, ``11-2`` or ``3,5-7``.

    Raises:
        UsageError: it is no day or no month, nothing is asked, or no day is left.
    """

    after: str | None = None
    before: str | None = None
    months: str | None = None

    def __post_init__(self) -> None:
        """Check the days."""
        if self.after is None and self.before is None and self.months is None:
            raise UsageError("Say which days: after, before or months.")
        asked = self._asked(())
        if asked.after is not None and asked.before is not None and asked.after >= asked.before:
            raise UsageError(
                f"No day is {asked.after} or later and before {asked.before}. Give them in order."
            )

    def _asked(self, columns: tuple[str, ...]) -> Dated:
        return Dated(
            columns,
            None if self.after is None else read_day(self.after),
            None if self.before is None else read_day(self.before),
            frozenset() if self.months is None else read_months(self.months),
        )

    def of(self, store: LanceIndex, domain: DomainSpec) -> Asked:
        """See ``RowFilter``."""
        columns = date_columns(store, domain)
        missing = store.count(HasDay(columns, is_negated=True))
        return Asked(self._asked(columns), left_out(missing, "date"))

    def about(self) -> dict[str, Any]:
        """See ``RowFilter``."""
        return {"after": self.after, "before": self.before, "months": self.months}


def place_columns(store: LanceIndex, domain: DomainSpec) -> tuple[tuple[str, str], ...]:
    """Return the pairs of fields in which rows of an index say their place, the surest first.

    Those of the domain come before the core's, in any spelling of capitals.
    """
    written = spellings(store.fields("number"))
    pairs = (*domain.place_columns, *PLACE_COLUMNS)
    return tuple(
        (north, east)
        for first, second in pairs
        for north in written.get(bare(first), ())
        for east in written.get(bare(second), ())
    )


def date_columns(store: LanceIndex, domain: DomainSpec) -> tuple[str, ...]:
    """Return the fields in which rows of an index say their day, as :func:`place_columns`."""
    written = spellings(store.fields("text"))
    names = (*domain.date_columns, *DATE_COLUMNS)
    return tuple(name for each in names for name in written.get(bare(each), ()))


def narrowed(
    store: LanceIndex, domain: DomainSpec, where: str | None, filters: Sequence[RowFilter]
) -> tuple[Condition | None, tuple[str, ...]]:
    """Return all that a row must satisfy, None for nothing, and what the filters have to say.

    Raises:
        WhereError: the expression cannot be read.
        UsageError: the index cannot be asked one of the filters.
    """
    found = None if where is None else parse_where(where)
    notes: list[str] = []
    for each in filters:
        asked = each.of(store, domain)
        found = asked.condition if found is None else Both(found, asked.condition)
        notes += asked.notes
    return found, tuple(notes)


def spellings(fields: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of fields by how they are compared, see ``bare``."""
    found: dict[str, list[str]] = {}
    for name in sorted(fields):
        found.setdefault(bare(name), []).append(name)
    return found


def left_out(count: int, what: str) -> tuple[str, ...]:
    """Return the note of rows without a fact that is asked for; nothing where there are none."""
    if not count:
        return ()
    return (f"{count:,} {'row has' if count == 1 else 'rows have'} no {what} and cannot be found",)
