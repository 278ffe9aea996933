"""Where and in which month a picture was taken: by its own metadata, or as the user says.

Here stands which columns of a row say it, and which of their values are a place. The columns of a
domain go before these. The first that can be used counts: a cell with 0,0 does not hide the place
in the file itself.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

PLACE_COLUMNS = (
    ("latitude", "longitude"),
    ("lat", "lon"),
    ("lat", "lng"),
    ("lat", "long"),
    ("latitude_deg", "longitude_deg"),
)
"""Pairs of names as :func:`bare` makes them; the last is that of EXIF, so that a table wins."""
DATE_COLUMNS = ("date", "datetime", "captured_at")
"""The last name is that of EXIF."""

MAX_LATITUDE, MIN_LONGITUDE, MAX_LONGITUDE = 90.0, -180.0, 360.0
"""Longitudes are written from -180 to 180 or from 0 to 360."""

_DATE = re.compile(r"(\d{4})[-:/](\d{1,2})(?:[-:/](\d{1,2}))?(?!\d)")
_NULL_ISLAND = "0,0 is what devices write that know no place"
SHOWN = 40
"""Characters of a value that a note shows."""


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the earth, WGS 84.

    Attributes:
        latitude_deg: -90 to 90.
        longitude_deg: -180 to 180.
    """

    latitude_deg: float
    longitude_deg: float

    def __str__(self) -> str:
        """Return it as ``--place`` takes it."""
        return f"{self.latitude_deg:.6g},{self.longitude_deg:.7g}"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of one picture.

    Attributes:
        place: None where it is not known.
        month: 1 to 12; None where it is not known.
        own_place: whether the place is the picture's own, and not what the user says of all.
        own_month: likewise.
        notes: which of its values cannot be used, each without a full stop.
    """

    place: Place | None = None
    month: int | None = None
    own_place: bool = False
    own_month: bool = False
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What is known, and from where, for people; empty where nothing is.

        >>> Circumstances(Place(51.5, -0.1), 6, own_place=True).words
        '51.5,-0.1 (its own place) in June'
        """
        place = "" if self.place is None else str(self.place)
        place += " (its own place)" if self.own_place else ""
        month = "" if self.month is None else f"in {MONTHS[self.month - 1]}"
        month += " (its own date)" if self.own_month else ""
        return " ".join(filter(None, (place, month)))


def parse_place(text: str) -> Place:
    """Return the place that ``LATITUDE,LONGITUDE`` names.

    Raises:
        UsageError: it is no place.

    >>> parse_place("51.5, -0.1")
    Place(latitude_deg=51.5, longitude_deg=-0.1)
    """
    parts = text.split(",")
    place = _place(parts[0], parts[1]) if len(parts) == 2 else "two numbers are needed"
    if isinstance(place, str):
        raise UsageError(
            f"--place {text[:SHOWN]!r} is no place: {place}. Give latitude and longitude in "
            "degrees, north and east positive: --place 51.5,-0.1"
        )
    return place


def parse_month(text: str) -> int:
    """Return the month of a date of ISO 8601, whose day may be missing.

    Raises:
        UsageError: it is no date.

    >>> parse_month("2026-06-01"), parse_month("2026-06")
    (6, 6)
    """
    month = _month(text)
    if month is None:
        raise UsageError(f"--date {text[:SHOWN]!r} is no date. Write it so: --date 2026-06-01")
    return month


def circumstances_of(
    metadata: Mapping[str, Any],
    usual: Circumstances,
    *,
    places: Sequence[tuple[str, str]] = (),
    dates: Sequence[str] = (),
) -> Circumstances:
    """Return place and month of a picture: its own where it has them, else what is usual.

    Where it has values and none of them can be used, that is told of, and nothing is put in their
    place: what is usual need not hold for a picture that says something else.

    Args:
        metadata: of a row: columns of a manifest, and what EXIF says; empty values count as none.
        usual: what the user says of all pictures.
        places: pairs of columns of the domain, which go before :data:`PLACE_COLUMNS`.
        dates: columns of the domain, which go before :data:`DATE_COLUMNS`.
    """
    known = {bare(name): value for name, value in metadata.items() if not _is_empty(value)}
    place, place_note = _own_place(known, (*places, *PLACE_COLUMNS))
    month, month_note = _own_month(known, (*dates, *DATE_COLUMNS))
    return Circumstances(
        place if place or place_note else usual.place,
        month if month or month_note else usual.month,
        own_place=place is not None,
        own_month=month is not None,
        notes=tuple(filter(None, (place_note, month_note))),
    )


def is_on_earth(latitude_deg: float, longitude_deg: float) -> bool:
    """Return whether two numbers are a place; 0,0 is none: devices write it that know no place."""
    return (
        abs(latitude_deg) <= MAX_LATITUDE  # false for NaN
        and MIN_LONGITUDE <= longitude_deg <= MAX_LONGITUDE
        and (latitude_deg, longitude_deg) != (0, 0)
    )


def bare(name: str) -> str:
    """Return how names of columns are compared: without capitals, a space as an underscore.

    >>> bare("decimalLatitude"), bare(" Observed on")
    ('decimallatitude', 'observed_on')
    """
    return str(name).strip().casefold().replace(" ", "_")


def _own_place(
    known: Mapping[str, Any], columns: Sequence[tuple[str, str]]
) -> tuple[Place | None, str]:
    """Return the first place, and a note where there are values and none of them is one."""
    pairs = [(bare(north), bare(east)) for north, east in columns]
    found = [_place(known[n], known[e]) for n, e in pairs if n in known and e in known]
    place = next((each for each in found if isinstance(each, Place)), None)
    note = f"its place cannot be used: {found[0]}" if found and place is None else ""
    return place, note


def _own_month(known: Mapping[str, Any], columns: Sequence[str]) -> tuple[int | None, str]:
    """Return the first month, and a note where there are values and none of them is a date."""
    values = [known[name] for name in map(bare, columns) if name in known]
    month = next((found for value in values if (found := _month(value)) is not None), None)
    unusable = values and month is None
    return month, f"its date cannot be used: {str(values[0])[:SHOWN]!r}" if unusable else ""


def _place(latitude: Any, longitude: Any) -> Place | str:
    """Return a place, or what is wrong."""
    try:
        degrees = float(latitude), float(longitude)
    except (TypeError, ValueError, OverflowError):
        return "latitude and longitude are no numbers"
    north, east = degrees
    if is_on_earth(north, east):
        return Place(north, east - 360 if east > 180 else east)
    return _NULL_ISLAND if degrees == (0, 0) else f"{north:g},{east:g} is not on the earth"


def _month(value: Any) -> int | None:
    found = _DATE.match(str(value).strip())
    if found is None:
        return None
    year, month, day = (int(part or 1) for part in found.groups())
    try:
        return datetime.date(year, month, day).month
    except ValueError:
        return None


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
