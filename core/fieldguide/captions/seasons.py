"""The season of a month at a latitude: meteorological, in whole months."""

from __future__ import annotations

TROPICS_DEG = 23.44
"""Between the tropics the year has no four seasons."""
NORTHERN = ("winter", "winter", "spring", "spring", "spring", "summer",
            "summer", "summer", "autumn", "autumn", "autumn", "winter")  # fmt: skip
"""By month, January first."""

_HALF_YEAR = 6


def season_of(month: int, latitude_deg: float) -> str | None:
    """Return the season of a month (1 to 12) at a latitude, or None between the tropics.

    >>> season_of(7, 48), season_of(7, -35), season_of(12, 60), season_of(7, 5)
    ('summer', 'winter', 'winter', None)
    """
    if abs(latitude_deg) < TROPICS_DEG:
        return None
    shift = 0 if latitude_deg > 0 else _HALF_YEAR
    return NORTHERN[(month - 1 + shift) % len(NORTHERN)]
