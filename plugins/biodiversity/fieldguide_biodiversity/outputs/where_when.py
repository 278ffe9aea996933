"""Where and when a picture was taken, as Darwin Core writes it."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

from fieldguide.data.place_and_date import Circumstances, circumstances_of
from fieldguide_biodiversity.prior_offers import PLACE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

DATES = ("eventDate", "observed_on", "DateTimeOriginal", "date", "datetime", "captured_at")
"""The last is that of EXIF."""
UNCERTAINTY = (
    "coordinateUncertaintyInMeters", "public_positional_accuracy", "positional_accuracy",
)  # fmt: skip
DATUM = "WGS84"
"""What GPS measures, and what EXIF and manifests mean unless a column says otherwise."""

_DAY = re.compile(r"(\d{4})[-:](\d{2})(?:[-:](\d{2})(?:[T ](.+))?)?")


def location(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the terms of Darwin Core for a place; none where it is not known.

    0,0 is no place: it is what devices write that know none.

    >>> location({"latitude_deg": 51.5, "longitude_deg": -0.1})
    {'decimalLatitude': 51.5, 'decimalLongitude': -0.1, 'geodeticDatum': 'WGS84'}
    """
    place = circumstances_of(metadata, Circumstances(), places=PLACE_COLUMNS).place
    if place is None:
        return {}
    datum = str(metadata.get("geodeticDatum") or DATUM)
    found: dict[str, Any] = {
        "decimalLatitude": place.latitude_deg,
        "decimalLongitude": place.longitude_deg,
        "geodeticDatum": datum,
    }
    for name in UNCERTAINTY:
        value = metadata.get(name)
        if isinstance(value, int | float) and 0 < value < float("inf"):
            return found | {"coordinateUncertaintyInMeters": value}
    return found


def event_date(metadata: Mapping[str, Any]) -> str:
    """Return when a picture was taken as ISO 8601; empty where that is not known or no date.

    >>> event_date({"eventDate": "2026-05-17 10:20:30"}), event_date({"date": "2026:05:17"})
    ('2026-05-17T10:20:30', '2026-05-17')
    >>> event_date({"date": "2026-05"}), event_date({"date": "0000:00:00"})
    ('2026-05', '')
    """
    value = next((metadata[n] for n in DATES if metadata.get(n)), "")
    found = _DAY.fullmatch(str(value).strip())
    if found is None:
        return ""
    year, month, day, time = found.groups()
    try:
        if day is None:
            return datetime.date(int(year), int(month), 1).isoformat()[:7]
        if time is None:
            return datetime.date(int(year), int(month), int(day)).isoformat()
        return datetime.datetime.fromisoformat(f"{year}-{month}-{day}T{time.strip()}").isoformat()
    except ValueError:
        return ""
