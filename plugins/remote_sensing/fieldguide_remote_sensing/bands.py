"""What the bands of a raster are called: STAC common names from names that files carry.

Names are looked up whole, never by a part of them: "Red Edge 1" is not red. A bare number such as
"B4" is red for Sentinel-2 and Landsat 8, but near infrared for Landsat 7: it is only understood
when the other names of the file leave one meaning.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from fieldguide.errors import ContractError, UsageError
from fieldguide.samples import RGB
from fieldguide_remote_sensing.sensors import shipped_sensors, spelling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide_remote_sensing.sensors import Sensor

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

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACE_ONLY = re.compile(r"band[\s_-]*\d+", re.IGNORECASE)  # software writes it; it says nothing
_COLOURS_THAT_NAME = frozenset(COMMON_NAMES) - {"gray", "grey", "yellow"}  # yellow: of CMYK


@cache
def naming_tables() -> Mapping[str, Mapping[str, str]]:
    """Return, by family of sensors, the common names of what its files call their bands."""
    tables: dict[str, dict[str, str]] = {}
    for sensor in shipped_sensors().values():
        if sensor.family is not None:
            own = {key: name for key, name in sensor.table.items() if key not in COMMON_NAMES}
            tables.setdefault(sensor.family, {}).update(own)
    return tables


def parse_bands(text: str, sensor: Sensor | None = None) -> tuple[str, ...]:
    """Return the names in a ``--bands`` option, in order.

    Args:
        text: the names, separated by commas.
        sensor: the one of ``--sensor``, whose own names may be used.

    >>> parse_bands("Red, green,blue,NIR")
    ('red', 'green', 'blue', 'nir')

    Raises:
        UsageError: a name is empty, malformed, given twice or of several meanings.
    """
    example = "Give the names of all bands of the file in order: --bands red,green,blue,nir"
    written = [name.strip() for name in text.split(",")]
    if bad := [name for name in written if not _NAME.fullmatch(name.lower())]:
        raise UsageError(f"--bands: {bad[0]!r} is not the name of a band. {example}")
    names, unclear = common_names(written, sensor)
    if unclear:
        raise UsageError(f"--bands: {text!r} means other colours by sensor. {example}")
    if doubled := _doubled(names):
        raise UsageError(f"--bands names {doubled!r} twice. {example}")
    return names


def common_names(
    written: Sequence[str], sensor: Sensor | None = None
) -> tuple[tuple[str, ...], bool]:
    """Translate the names of one file.

    Args:
        written: names as the file has them, none empty.
        sensor: the one that the file is of, where that is known: then its names have one meaning.

    Returns:
        Common names where known, else the names in lower case; and whether a name of red, green
        or blue has several meanings, one for each sensor that has all these names.
    """
    keys = [spelling(name) for name in written]
    tables = [table for _, table in _families_with(keys)]
    names, unclear = [], False
    for name, key in zip(written, keys, strict=True):
        meanings = {table[key] for table in tables if key in table}
        if key in COMMON_NAMES:
            meanings = {COMMON_NAMES[key]}
        if sensor is not None and key in sensor.table:
            meanings = {sensor.table[key]}
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
    words = words_of(descriptions)
    described = [word for word in words if word]
    translated, unclear = common_names(described)
    if unclear:
        raise ContractError(_several_meanings(described))
    by_word = iter(translated)
    names = [next(by_word) if word else colour_name(colours[i]) for i, word in enumerate(words)]
    if not any(names):
        raise ContractError(_unnamed(count))
    named = tuple(name or f"band_{i}" for i, name in enumerate(names, start=1))
    check_distinct(named)
    return named


def check_distinct(names: Sequence[str]) -> None:
    """Raise ContractError when two bands of a file have one name."""
    if doubled := _doubled(names):
        raise ContractError(
            f"two of its bands are named {doubled}. Name all {len(names)} in order: "
            "--bands NAME,..."
        )


def words_of(descriptions: Sequence[str | None]) -> list[str]:
    """Return what each description says of its band; empty where it says only the place."""
    return [_PLACE_ONLY.sub("", text or "").strip() for text in descriptions]


def colour_name(colour: str) -> str | None:
    """Return the band that a colour interpretation means, or None where it says nothing."""
    return COMMON_NAMES[colour] if colour in _COLOURS_THAT_NAME else None


def _families_with(keys: Sequence[str]) -> list[tuple[str, Mapping[str, str]]]:
    tables = naming_tables()
    numbered = [key for key in keys if any(key in table for table in tables.values())]
    return [
        (family, table)
        for family, table in tables.items()
        if numbered and all(key in table for key in numbered)
    ]


def _several_meanings(described: Sequence[str]) -> str:
    keys = [spelling(name) for name in described]
    lines = {
        family: ",".join(table.get(key, key) for key in keys)
        for family, table in _families_with(keys)
    }
    choices = "; ".join(f"{family}: --bands {line}" for family, line in lines.items())
    return f"its bands {', '.join(described)} mean other colours by sensor. Name them. {choices}"


def _unnamed(count: int) -> str:
    fitting = [s for s in shipped_sensors().values() if len(s.bands) == count]
    example = ",".join(fitting[-1].order) if fitting else "NAME,NAME,..."
    by_sensor = ", ".join(f"--sensor {sensor.name}" for sensor in fitting)
    offer = (
        f"If they are a sensor's in its usual order: {by_sensor}. Else name" if fitting else "Name"
    )
    return (
        f"it has {_bands(count)} without names or colours, so it does not say what they show. "
        f"{offer} {'it' if count == 1 else 'them in order'}: --bands "
        f"{'NAME' if count == 1 else example}"
    )


def _bands(count: int) -> str:
    return "one band" if count == 1 else f"{count} bands"


def _doubled(names: Sequence[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)
