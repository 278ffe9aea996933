"""What a row of a camera trap says: animals, when and where. Columns as tools write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fieldguide.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGHTINGS = "sightings"
SEQUENCE = "sequence_level"
NAMES = ("common_name", "vernacular_name", "species", "category", "label", "animal")
LATIN = ("scientific_name", "scientificname")
COUNTS = ("count", "individual_count", "individualcount", "individuals", "number")
MOMENTS = ("captured_at", "datetime", "date_time", "datetimeoriginal", "timestamp")
LATITUDES = ("latitude", "lat", "latitude_deg", "decimallatitude")
LONGITUDES = ("longitude", "lon", "lng", "longitude_deg", "decimallongitude")

MOST = 1_000_000
"""Animals in one picture; more is taken for a mistake."""

_MOMENT = re.compile(
    r"(\d{4})[-:/](\d{1,2})[-:/](\d{1,2})"
    r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})?)?"
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """Animals of one kind.

    Attributes:
        name: as the annotation has it.
        count: how many, or None where nobody counted.
        latin: whether the name is a scientific one, which has no plural.
    """

    name: str
    count: int | None = None
    latin: bool = False


@dataclass(frozen=True, slots=True)
class TrapRecord:
    """One picture of a camera trap.

    Attributes:
        sightings: what was seen; names of classes for "empty" stand here too.
        of_sequence: whether they are of the whole sequence, not of this picture.
        moment: when, without a time zone where the record has none; None where it does not say.
        has_time: whether the hour is known, not the date alone.
        latitude_deg: None where it is not known.
        longitude_deg: likewise.
    """

    sightings: tuple[Sighting, ...]
    of_sequence: bool
    moment: datetime | None
    has_time: bool
    latitude_deg: float | None
    longitude_deg: float | None


def trap_record(record: Mapping[str, Any]) -> TrapRecord:
    """Return what a row says.

    Args:
        record: of the reader ``camera_traps``, or a row with a species, and maybe count, date and
            time, latitude and longitude; capitals and spaces in names of columns do not matter.

    Raises:
        ContractError: it names no animal, or a value cannot be.
    """
    row = {str(key).strip().lower().replace(" ", "_"): value for key, value in record.items()}
    moment, has_time = _moment(row)
    return TrapRecord(
        sightings=tuple(record[SIGHTINGS]) if SIGHTINGS in record else (_sighting(row),),
        of_sequence=record.get(SEQUENCE) is True,
        moment=moment,
        has_time=has_time,
        latitude_deg=_degrees(row, LATITUDES, 90),
        longitude_deg=_degrees(row, LONGITUDES, 180),
    )


def read_moment(text: str) -> tuple[datetime, bool]:
    """Return a moment, and whether it has a time of day.

    Raises:
        ContractError: it is none.

    >>> read_moment("2021:07:30 5:03:00")[0].isoformat()
    '2021-07-30T05:03:00'
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise ContractError(f"its time is {text[:40]!r}. Write it as 2021-07-30 14:05:00.")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    zone = found[7] or ""
    try:
        moment = datetime.fromisoformat(
            f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}"
        )
    except ValueError as error:
        raise ContractError(f"its time is {text[:40]!r}: {error}. Correct it.") from error
    return moment, found[4] is not None


def count_of(value: Any) -> int | None:
    """Return how many animals, or None where that is not said.

    Raises:
        ContractError: it is no whole number, or negative.
    """
    if value is None or value == "" or value != value:  # NaN is not itself
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= MOST or value != int(value):
        raise ContractError(f"its count is {str(value)[:40]!r}, no number of animals. Correct it.")
    return int(value)


def _sighting(row: Mapping[str, Any]) -> Sighting:
    count = count_of(_first(row, COUNTS))
    for columns, latin in ((NAMES, False), (LATIN, True)):
        name = " ".join(str(_first(row, columns) or "").replace("_", " ").split())
        if name:
            return Sighting(name, count, latin)
    raise ContractError(
        f"its row names no animal. Fill one of the columns {', '.join((*NAMES, *LATIN[:1]))}; a "
        "picture without any is 'empty'. JSON of COCO Camera Traps needs --format camera_traps."
    )


def _moment(row: Mapping[str, Any]) -> tuple[datetime | None, bool]:
    value = _first(row, MOMENTS)
    if value is None and (date := _first(row, ("date",))) is not None:
        time = _first(row, ("time",))
        value = str(date) if time is None else f"{date} {time}"
    return (None, False) if value is None else read_moment(str(value))


def _degrees(row: Mapping[str, Any], columns: tuple[str, ...], most: float) -> float | None:
    value = _first(row, columns)
    if value is None or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -most <= value <= most:
        raise ContractError(
            f"its {next(c for c in columns if row.get(c) not in (None, ''))} is "
            f"{str(value)[:40]!r}, not a number from {-most:g} to {most:g}. Correct it."
        )
    return float(value)


def _first(row: Mapping[str, Any], columns: tuple[str, ...]) -> Any:
    return next((row[c] for c in columns if row.get(c) not in (None, "")), None)
