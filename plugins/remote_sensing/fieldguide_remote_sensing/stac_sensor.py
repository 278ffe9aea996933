"""Which sensor, level and baseline a STAC Item is of, by what it says of itself."""

from __future__ import annotations

import re
from typing import Any

_BASELINE = re.compile(r"\d\d\.\d\d")
_COLLECTIONS = {
    # Earth Search, Planetary Computer, Copernicus Data Space, USGS and LP DAAC
    r"sentinel-?2-(?:c1-)?l2a(?:-cogs)?": "sentinel2_l2a",
    r"sentinel-?2-(?:c1-)?l1c": "sentinel2_l1c",
    r"hls2?-?l30(?:[._]v?2\.0)?": "hls_landsat",
    r"hls2?-?s30(?:[._]v?2\.0)?": "hls_sentinel2",
    r"naip": "naip",
}
_LANDSAT_COLLECTIONS = re.compile(r"landsat-c2-?l2(?:-sr)?")


def sensor_tags(item: dict[str, Any]) -> dict[str, str]:
    """Return SENSOR, PROCESSING_LEVEL and PROCESSING_BASELINE, each where the item says it.

    Names are compared whole; a collection that is not known gives no sensor.

    >>> sensor_tags({"collection": "sentinel-2-l2a",
    ...              "properties": {"s2:processing_baseline": "05.09"}})
    {'SENSOR': 'sentinel2_l2a', 'PROCESSING_LEVEL': 'L2A', 'PROCESSING_BASELINE': '05.09'}
    """
    properties = item["properties"]
    sensor = _sensor(str(item.get("collection") or "").lower(), properties)
    tags = {} if sensor is None else {"SENSOR": sensor}
    if sensor is not None and sensor.startswith("sentinel2_"):
        tags["PROCESSING_LEVEL"] = sensor.removeprefix("sentinel2_").upper()
        for key in ("s2:processing_baseline", "processing:version"):
            text = str(properties.get(key) or "")
            if _BASELINE.fullmatch(text):
                return tags | {"PROCESSING_BASELINE": text}
    return tags


def _sensor(collection: str, properties: dict[str, Any]) -> str | None:
    for pattern, sensor in _COLLECTIONS.items():
        if re.fullmatch(pattern, collection):
            return sensor
    if _LANDSAT_COLLECTIONS.fullmatch(collection):
        number = re.fullmatch(r"landsat[-_]([45789])", str(properties.get("platform")).lower())
        return None if number is None else f"landsat_{number[1].replace('4', '5')}"
    return None
