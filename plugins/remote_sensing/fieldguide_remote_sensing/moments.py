"""Moments in time as products, catalogues and users write them: ISO 8601."""

from __future__ import annotations

import datetime


def moment_of(text: str) -> datetime.datetime | None:
    """Return a moment in UTC, or None when the text is none; without a zone it counts as UTC.

    >>> moment_of("2020-01-01T12:00:00+02:00")
    datetime.datetime(2020, 1, 1, 10, 0, tzinfo=datetime.timezone.utc)
    >>> moment_of("yesterday")
    """
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            return moment.replace(tzinfo=datetime.UTC)
        return moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):  # OverflowError: the zone leads out of years 1 to 9999
        return None


def imagery_moment(text: str | None) -> str | None:
    """Return a moment as GDAL's IMAGERY domain writes it, in UTC and whole seconds (RFC 43).

    >>> imagery_moment("2022-07-11T10:15:59.024Z")
    '2022-07-11 10:15:59'
    """
    moment = moment_of(text or "")
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")
