"""Where and in which month a picture was taken: by its own metadata, or as the user says."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

PLACE_COLUMNS = (
    ("latitude", "longitude"),
    ("lat", "lon"),
    ("lat", "lng"),
    ("lat", "long"),
    ("decimallatitude", "decimallongitude"),
    ("latitude_deg", "longitude_deg"),
)
"""Pairs of names, without capitals; the last pair is that of EXIF, so that a manifest wins."""
DATE_COLUMNS = ("date", "eventdate", "event_date", "observed_on", "datetime", "captured_at")
"""The last name is that of EXIF."""

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


def circumstances_of(metadata: Mapping[str, Any], usual: Circumstances) -> Circumstances:
    """Return place and month of a picture: its own where it has them, else what is usual.

    A value of its own that cannot be used is told of, and nothing is put in its place: what is
    usual need not hold for a picture that says something else.

    Args:
        metadata: of a row: columns of a manifest, else what EXIF says; empty values count as none.
        usual: what the user says of all pictures.
    """
    known = {_bare(name): value for name, value in metadata.items() if not _is_empty(value)}
    place, place_note = _own_place(known)
    month, month_note = _own_month(known)
    return Circumstances(
        place if place or place_note else usual.place,
        month if month or month_note else usual.month,
        own_place=place is not None,
        own_month=month is not None,
        notes=tuple(filter(None, (place_note, month_note))),
    )


def _own_place(known: Mapping[str, Any]) -> tuple[Place | None, str]:
    """Return the place, and a note where there are values that are none."""
    pair = next((p for p in PLACE_COLUMNS if p[0] in known and p[1] in known), None)
    if pair is None:
        return None, ""
    place = _place(known[pair[0]], known[pair[1]])
    return (None, f"its place cannot be used: {place}") if isinstance(place, str) else (place, "")


def _own_month(known: Mapping[str, Any]) -> tuple[int | None, str]:
    value = next((known[name] for name in DATE_COLUMNS if name in known), None)
    if value is None:
        return None, ""
    month = _month(value)
    note = f"its date cannot be used: {str(value)[:SHOWN]!r}" if month is None else ""
    return month, note


def _place(latitude: Any, longitude: Any) -> Place | str:
    """Return a place, or what is wrong."""
    try:
        degrees = float(latitude), float(longitude)
    except (TypeError, ValueError, OverflowError):
        return "latitude and longitude are no numbers"
    if not (abs(degrees[0]) <= 90 and abs(degrees[1]) <= 180):  # also for NaN
        return f"{degrees[0]:g},{degrees[1]:g} is not on the earth"
    return _NULL_ISLAND if degrees == (0, 0) else Place(*degrees)


def _month(value: Any) -> int | None:
    found = _DATE.match(str(value).strip())
    if found is None:
        return None
    year, month, day = (int(part or 1) for part in found.groups())
    try:
        return datetime.date(year, month, day).month
    except ValueError:
        return None


def _bare(name: str) -> str:
    return str(name).strip().lower().replace(" ", "_")


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
