"""What the files of known products are named: which scene, which band, when."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide_remote_sensing.sensors import shipped_sensors, spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class ProductFile:
    """What the name of one band's file says.

    Attributes:
        scene: what the files of one scene share.
        sensor: a name of the catalogue.
        band: the STAC common name.
        order: places bands as their sensor does: 8, 8A, 9.
        pixel_m: size of a pixel where the name says it, else 0.
        moment: when it was taken, as GDAL's IMAGERY domain writes it; only the day where the name
            says no more.
    """

    scene: str
    sensor: str
    band: str
    order: tuple[int, bool]
    pixel_m: int = 0
    moment: str | None = None


# USGS, Landsat Collection 2 Product Identifier; MSS (LM..) and thermal-only scenes are not read.
_LANDSAT = re.compile(
    r"(?P<scene>L[CETO]0(?P<number>[45789])_L(?P<level>[12])[A-Z]{2}_\d{6}_(?P<day>\d{8})_\d{8}_"
    r"\d\d_[A-Z0-9]{2})_(?:S[RT]_)?B(?P<band>\d\d?)\.tiff?",
    re.IGNORECASE,
)
# NASA LP DAAC, HLS User Guide 2.0, section 6.
_HLS = re.compile(
    r"(?P<scene>HLS\.(?P<kind>[SL])30\.T\w{5}\.(?P<day>\d{7})T(?P<time>\d{6})\.v\d\.\d)\."
    r"B(?P<band>\d\d|8A)\.tiff?",
    re.IGNORECASE,
)
# ESA, Sentinel-2 Products Specification Document: the compact naming of images.
_SENTINEL_2 = re.compile(
    r"(?P<scene>(?:L2A_)?T?\d\d[A-Z]{3}_(?P<time>\d{8}T\d{6}))_B(?P<band>\d\d|8A)"
    r"(?:_(?P<pixel>10|20|60)m)?\.(?:jp2|tiff?)",
    re.IGNORECASE,
)


def common_name(sensor: str, identifier: str) -> str | None:
    """Return the common name of a sensor's band.

    >>> common_name("sentinel2_l2a", "B8A"), common_name("landsat_7", "B4")
    ('nir08', 'nir08')
    """
    return shipped_sensors()[sensor].table.get(spelling(identifier))


def product_file(name: str) -> ProductFile | None:
    """Return what the name of a band's file says, or None when it is no such name."""
    for read in _READERS:
        if found := read(name):
            return found
    return None


def _landsat(name: str) -> ProductFile | None:
    match = _LANDSAT.fullmatch(name)
    if match is None:
        return None
    sensor = f"landsat_{match['number'].replace('4', '5')}"  # 4 carries the instrument of 5
    moment = _moment(match["day"], "%Y%m%d", "%Y-%m-%d")
    return _found(match, sensor, f"B{match['band']}", moment=moment)


def _hls(name: str) -> ProductFile | None:
    match = _HLS.fullmatch(name)
    if match is None:
        return None
    sensor = {"S": "hls_sentinel2", "L": "hls_landsat"}[match["kind"].upper()]
    moment = _moment(match["day"] + match["time"], "%Y%j%H%M%S", "%Y-%m-%d %H:%M:%S")
    return _found(match, sensor, f"B{match['band']}", moment=moment)


def _sentinel_2(name: str) -> ProductFile | None:
    match = _SENTINEL_2.fullmatch(name)
    if match is None:
        return None
    sensor = "sentinel2_l1c" if match["pixel"] is None else "sentinel2_l2a"
    moment = _moment(match["time"].upper(), "%Y%m%dT%H%M%S", "%Y-%m-%d %H:%M:%S")
    return _found(match, sensor, f"B{match['band']}", int(match["pixel"] or 0), moment)


_READERS: Sequence[Callable[[str], ProductFile | None]] = (_landsat, _hls, _sentinel_2)


def _found(
    match: re.Match[str], sensor: str, identifier: str, pixel_m: int = 0, moment: str | None = None
) -> ProductFile | None:
    band = common_name(sensor, identifier)
    if band is None:
        return None
    digits = identifier[1:].upper()
    order = (int(digits.rstrip("A")), digits[-1] == "A")
    return ProductFile(match["scene"].upper(), sensor, band, order, pixel_m, moment)


def _moment(text: str, written: str, wanted: str) -> str | None:
    try:
        return datetime.datetime.strptime(text, written).strftime(wanted)
    except ValueError:
        return None
