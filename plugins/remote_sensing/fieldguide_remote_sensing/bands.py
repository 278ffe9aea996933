"""What the bands of a raster are called: STAC common names from names that files carry.

Names are looked up whole, never by a part of them: "Red Edge 1" is not red. A bare number such as
"B4" is red for Sentinel-2 and Landsat 8, but near infrared for Landsat 7: it is only understood
when the other names of the file leave one meaning.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from fieldguide.errors import ContractError, UsageError
from fieldguide.samples import RGB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Common names: STAC electro-optical extension 2.0, with the numbered red edges and nir08/nir09 of
# the Earth Search catalogue (https://earth-search.aws.element84.com/v1).
COMMON_NAMES = {
    **{name: name for name in ("blue", "cirrus", "coastal", "gray", "green", "lwir", "lwir11")},
    **{name: name for name in ("lwir12", "nir", "nir08", "nir09", "pan", "red", "rededge")},
    **{name: name for name in ("rededge1", "rededge2", "rededge3", "swir16", "swir22", "yellow")},
    "coastalaerosol": "coastal",
    "grey": "gray",
    "nearinfrared": "nir",
    "panchromatic": "pan",
    "swir1": "swir16",
    "swir2": "swir22",
}

_SENTINEL_2 = {  # ESA, Sentinel-2 MSI: https://sentiwiki.copernicus.eu/web/s2-mission
    "1": "coastal",
    "2": "blue",
    "3": "green",
    "4": "red",
    "5": "rededge1",
    "6": "rededge2",
    "7": "rededge3",
    "8": "nir",
    "8a": "nir08",
    "9": "nir09",
    "10": "cirrus",
    "11": "swir16",
    "12": "swir22",
}
_LANDSAT_8 = {  # USGS, https://www.usgs.gov/faqs/what-are-band-designations-landsat-satellites
    "1": "coastal",
    "2": "blue",
    "3": "green",
    "4": "red",
    "5": "nir08",
    "6": "swir16",
    "7": "swir22",
    "8": "pan",
    "9": "cirrus",
    "10": "lwir11",
    "11": "lwir12",
}
_LANDSAT_7 = {  # as above; also Landsat 4 and 5, which lack band 8
    "1": "blue",
    "2": "green",
    "3": "red",
    "4": "nir08",
    "5": "swir16",
    "6": "lwir",
    "7": "swir22",
    "8": "pan",
}
_HLS_LANDSAT = {  # NASA, Harmonized Landsat Sentinel-2 product user guide 2.0, table 5
    "01": "coastal",
    "02": "blue",
    "03": "green",
    "04": "red",
    "05": "nir08",
    "06": "swir16",
    "07": "swir22",
    "09": "cirrus",
    "10": "lwir11",
    "11": "lwir12",
}


def _spelled(numbers: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    return {prefix + number: name for number, name in numbers.items() for prefix in prefixes}


SENSOR_NAMES: Mapping[str, Mapping[str, str]] = {
    "Sentinel-2": _spelled(
        _SENTINEL_2 | {number.zfill(2): name for number, name in _SENTINEL_2.items()}, "b"
    ),
    "Landsat 8 and 9": _spelled(_LANDSAT_8, "b", "srb"),
    # Surface reflectance of Landsat 4 to 7 has no thermal and no panchromatic band.
    "Landsat 4 to 7": _spelled(_LANDSAT_7, "b")
    | _spelled({n: name for n, name in _LANDSAT_7.items() if n not in "68"}, "srb"),
    "HLS Landsat": _spelled(_HLS_LANDSAT, "b"),
}

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACE_ONLY = re.compile(r"band[\s_-]*\d+", re.IGNORECASE)  # software writes it; it says nothing
_COLOURS_THAT_NAME = frozenset(COMMON_NAMES) - {"gray", "grey", "yellow"}  # yellow: of CMYK


def parse_bands(text: str) -> tuple[str, ...]:
    """Return the names in a ``--bands`` option, in order.

    >>> parse_bands("Red, green,blue,NIR")
    ('red', 'green', 'blue', 'nir')

    Raises:
        UsageError: a name is empty, malformed, given twice or of several meanings.
    """
    example = "Give the names of all bands of the file in order: --bands red,green,blue,nir"
    written = [name.strip() for name in text.split(",")]
    if bad := [name for name in written if not _NAME.fullmatch(name.lower())]:
        raise UsageError(f"--bands: {bad[0]!r} is not the name of a band. {example}")
    names, unclear = common_names(written)
    if unclear:
        raise UsageError(f"--bands: {text!r} means other colours by sensor. {example}")
    if doubled := _doubled(names):
        raise UsageError(f"--bands names {doubled!r} twice. {example}")
    return names


def common_names(written: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Translate the names of one file.

    Args:
        written: names as the file has them, none empty.

    Returns:
        Common names where known, else the names in lower case; and whether a name of red, green
        or blue has several meanings, one for each sensor that has all these names.
    """
    keys = [re.sub(r"[\s_-]", "", name.lower()) for name in written]
    tables = [table for _, table in _sensors_with(keys)]
    names, unclear = [], False
    for name, key in zip(written, keys, strict=True):
        meanings = {table[key] for table in tables if key in table}
        if key in COMMON_NAMES:
            meanings = {COMMON_NAMES[key]}
        unclear |= len(meanings) > 1 and not meanings.isdisjoint(RGB)
        names.append(meanings.pop() if len(meanings) == 1 else name.strip().lower())
    return tuple(names), unclear


def band_names(
    descriptions: Sequence[str | None], colours: Sequence[str], given: Sequence[str] | None
) -> tuple[str, ...]:
    """Name the bands of a file: by ``--bands``, else by description, else by colour.

    Args:
        descriptions: the file's own names; None or empty where it has none.
        colours: the file's colour interpretation; "gray" does not count as a name, because it
            is what every first band is called by default.
        given: the names of ``--bands``, or None.

    Raises:
        ContractError: the file does not say what its bands are, or the option does not fit it.
    """
    count = len(descriptions)
    if given is not None:
        if len(given) != count:
            raise ContractError(
                f"it has {_bands(count)} and --bands names {len(given)}. Name every band of the "
                "file in order, or run other files on their own."
            )
        return tuple(given)
    words = [_PLACE_ONLY.sub("", text or "").strip() for text in descriptions]
    described = [word for word in words if word]
    translated, unclear = common_names(described)
    if unclear:
        raise ContractError(_several_meanings(described))
    by_word = iter(translated)
    names = [next(by_word) if word else _colour_name(colours[i]) for i, word in enumerate(words)]
    if not any(names):
        raise ContractError(_unnamed(count))
    named = tuple(name or f"band_{i}" for i, name in enumerate(names, start=1))
    if doubled := _doubled(named):
        raise ContractError(
            f"two of its bands are named {doubled}. Name all {count} in order: --bands NAME,..."
        )
    return named


def _colour_name(colour: str) -> str | None:
    return COMMON_NAMES[colour] if colour in _COLOURS_THAT_NAME else None


def _sensors_with(keys: Sequence[str]) -> list[tuple[str, Mapping[str, str]]]:
    numbered = [key for key in keys if any(key in table for table in SENSOR_NAMES.values())]
    return [
        (sensor, table)
        for sensor, table in SENSOR_NAMES.items()
        if numbered and all(key in table for key in numbered)
    ]


def _several_meanings(described: Sequence[str]) -> str:
    keys = [re.sub(r"[\s_-]", "", name.lower()) for name in described]
    lines = {
        sensor: ",".join(table.get(key, key) for key in keys)
        for sensor, table in _sensors_with(keys)
    }
    choices = "; ".join(f"{sensor}: --bands {line}" for sensor, line in lines.items())
    return f"its bands {', '.join(described)} mean other colours by sensor. Name them. {choices}"


def _unnamed(count: int) -> str:
    example = {1: "NAME", 3: "red,green,blue", 4: "red,green,blue,nir"}.get(count, "NAME,NAME,...")
    if count == len(_SENTINEL_2) - 1:
        names = ",".join(name for name in _SENTINEL_2.values() if name != "cirrus")
        example += f" (Sentinel-2 L2A in its usual order: --bands {names})"
    return (
        f"it has {_bands(count)} without names or colours, so it does not say what they show. "
        f"Name {'it' if count == 1 else 'them in order'}: --bands {example}"
    )


def _bands(count: int) -> str:
    return "one band" if count == 1 else f"{count} bands"


def _doubled(names: Sequence[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)
