"""Day or night at a place: from the altitude of the sun, and only where the time is sure enough.

The sun's place is that of the "Astronomical Almanac" (low-precision formulas, page C5; US Naval
Observatory), good to 0.01 degrees between 1950 and 2050. Twilight ends where the sun is 6 degrees
below the horizon (civil twilight); the day begins where its upper edge is seen, at -0.833 degrees.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
SUNRISE_DEG = -0.833
TWILIGHT_DEG = -6.0

EARLY_H, LATE_H, STEP_H = -1.5, 3.5, 0.25
"""By how much clocks are ahead of the sun: from the east edges of time zones to summer in Galicia,
and all year in the far west of China."""
_DEG_PER_HOUR = 15.0


def sun_altitude_deg(moment: datetime, latitude_deg: float, longitude_deg: float) -> float:
    """Return how high the middle of the sun is above the horizon, without refraction.

    Args:
        moment: with a time zone.
        latitude_deg: north is positive.
        longitude_deg: east is positive.

    >>> round(sun_altitude_deg(datetime(2026, 3, 20, 12, tzinfo=UTC), 0.0, 0.0))
    88
    """
    days = (moment - J2000) / timedelta(days=1)
    mean_deg = 280.460 + 0.9856474 * days
    anomaly = math.radians(357.528 + 0.9856003 * days)
    ecliptic = math.radians(mean_deg + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    tilt = math.radians(23.439 - 0.0000004 * days)
    ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    sidereal_deg = 280.46062 + 360.98564737 * days + longitude_deg
    hour_angle = math.radians(sidereal_deg) - ascension
    latitude = math.radians(latitude_deg)
    sine = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(
        declination
    ) * math.cos(hour_angle)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))


def light_at(moment: datetime, latitude_deg: float, longitude_deg: float) -> str | None:
    """Return "day", "night" or "twilight", or None where the clock could mean several of them.

    Args:
        moment: with a time zone; else the time of a clock at that place, whose zone is not known.
            It is then tried with every offset that clocks have from the sun.
        latitude_deg: north is positive.
        longitude_deg: east is positive.

    >>> light_at(datetime(2026, 1, 5, 23, 30), 51.5, -0.1)
    'night'
    >>> light_at(datetime(2026, 1, 5, 16, 30), 51.5, -0.1) is None
    True
    """
    if moment.tzinfo is not None:
        return _light(sun_altitude_deg(moment, latitude_deg, longitude_deg))
    solar = moment.replace(tzinfo=UTC) - timedelta(hours=longitude_deg / _DEG_PER_HOUR)
    count = round((LATE_H - EARLY_H) / STEP_H)
    tried = (EARLY_H + STEP_H * step for step in range(count + 1))
    lights = {
        _light(sun_altitude_deg(solar - timedelta(hours=ahead), latitude_deg, longitude_deg))
        for ahead in tried
    }
    return lights.pop() if len(lights) == 1 else None


def _light(altitude_deg: float) -> str:
    if altitude_deg >= SUNRISE_DEG:
        return "day"
    return "night" if altitude_deg < TWILIGHT_DEG else "twilight"
