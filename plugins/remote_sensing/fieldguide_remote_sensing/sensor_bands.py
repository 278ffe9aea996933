"""Which bands of a file are read and what they are called, where its sensor may be known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.errors import ContractError, UsageError
from fieldguide.samples import RGB
from fieldguide_remote_sensing.bands import (
    COMMON_NAMES,
    band_names,
    check_distinct,
    colour_name,
    common_names,
    naming_tables,
    parse_bands,
    words_of,
)
from fieldguide_remote_sensing.sensors import shipped_sensors, spelling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide_remote_sensing.sensors import Sensor

ALPHA = "alpha"


@dataclass(frozen=True)
class NamedBands:
    """The bands of a file that are read.

    Attributes:
        places: their numbers in the file, from 1.
        names: common names, in the same order.
        notes: what contradicts or is left out, each a sentence.
    """

    places: tuple[int, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BandNaming:
    """Names the bands of files.

    Attributes:
        given: the names of ``--bands``, or None.
        sensor: the one of ``--sensor``, or None.
    """

    given: tuple[str, ...] | None = None
    sensor: Sensor | None = None

    def name(self, descriptions: Sequence[str | None], colours: Sequence[str]) -> NamedBands:
        """Name the bands of one file: by the option, its own names, the sensor or its colours.

        Args:
            descriptions: the file's own names; None or empty where it has none.
            colours: the file's colour interpretation, such as "red" or "alpha".

        Raises:
            ContractError: the file does not say what its bands are, or contradicts an option.
        """
        places = self._places(descriptions, colours)
        descriptions = [descriptions[place - 1] for place in places]
        colours = [colours[place - 1] for place in places]
        if self.sensor is None or self.given is not None:
            names = band_names(descriptions, colours, self.given)
        else:
            names = _names_of_sensor(descriptions, colours, self.sensor)
        notes = _swapped_colours(names, colours)
        if self.sensor is None:
            return NamedBands(tuple(places), names, notes)
        kept = [i for i, name in enumerate(names) if name in self.sensor.order]
        if not kept:
            raise ContractError(
                f"none of its bands {', '.join(names)} is a band of {self.sensor.name}, which has "
                f"{', '.join(self.sensor.order)}. Name another --sensor."
            )
        left = [name for name in names if name not in self.sensor.order]
        if left:
            notes += (f"{', '.join(left)} left out: {self.sensor.name} has no reflectance of them",)
        return NamedBands(tuple(places[i] for i in kept), tuple(names[i] for i in kept), notes)

    def _places(self, descriptions: Sequence[str | None], colours: Sequence[str]) -> list[int]:
        """Return the numbers of the bands, from 1, without the mask.

        An alpha band is the mask, unless it has a name: GDAL writes any fourth byte as alpha.
        """
        count = len(colours)
        counted = [len(self.given)] if self.given is not None else []
        if self.given is None and self.sensor is not None and not any(words_of(descriptions)):
            counted = [len(self.sensor.order)]
        if count in counted:
            return list(range(1, count + 1))
        return [
            number
            for number, (colour, name) in enumerate(zip(colours, descriptions, strict=True), 1)
            if colour != ALPHA or (name or ALPHA).strip().lower() != ALPHA
        ]


def naming(bands: str | None, sensor: Sensor | None) -> BandNaming:
    """Return how the options ``--bands`` and ``--sensor`` name the bands of files.

    Raises:
        UsageError: the names cannot be read, or the sensor has no such band.
    """
    if bands is None:
        return BandNaming(None, sensor)
    given = parse_bands(bands, sensor)
    if sensor is not None and (strange := _strangers(given, given, sensor)):
        raise UsageError(
            f"--bands names {', '.join(strange)}, which {sensor.name} does not have. Its bands: "
            f"{', '.join(sensor.order)}."
        )
    return BandNaming(given, sensor)


def _names_of_sensor(
    descriptions: Sequence[str | None], colours: Sequence[str], sensor: Sensor
) -> tuple[str, ...]:
    words = words_of(descriptions)
    named = [colour_name(colour) for colour in colours]
    if not any(words):
        if len(words) == len(sensor.order):
            return _in_order(named, sensor)
        if not all(name in sensor.order for name in named):
            raise ContractError(_another_count(len(words), sensor))
    elif not all(words):
        missing = ", ".join(str(i) for i, word in enumerate(words, start=1) if not word)
        raise ContractError(
            f"some of its bands are named and the bands {missing} are not. Name all {len(words)} "
            f"in order: --sensor {sensor.name} --bands NAME,..."
        )
    else:
        translated, _ = common_names(words, sensor)
        if strange := _strangers(words, translated, sensor):
            raise ContractError(_contradiction(words, strange, sensor))
        named = list(translated)
    names = tuple(name for name in named if name is not None)
    check_distinct(names)
    return names


def _in_order(named: Sequence[str | None], sensor: Sensor) -> tuple[str, ...]:
    """Return the sensor's order, unless the colours of the file say another."""
    for number, (colour, own) in enumerate(zip(named, sensor.order, strict=True), start=1):
        if colour is not None and colour != own:
            raise ContractError(
                f"its colour interpretation says that band {number} is {colour}, and {sensor.name} "
                f"has {own} there. Name its bands in order: --sensor {sensor.name} --bands NAME,..."
            )
    return sensor.order


def _strangers(words: Sequence[str], names: Sequence[str], sensor: Sensor) -> list[str]:
    """Return the words that name a band of light, but none of this sensor's.

    What no sensor knows, such as a classification, is no contradiction.
    """
    own = set(sensor.table.values())
    known = {key for table in naming_tables().values() for key in table} | set(COMMON_NAMES)
    return [
        word
        for word, name in zip(words, names, strict=True)
        if name not in own and spelling(word) in known
    ]


def _contradiction(words: Sequence[str], strange: Sequence[str], sensor: Sensor) -> str:
    keys = {spelling(word) for word in words}
    fitting = [s.name for s in shipped_sensors().values() if keys <= {*s.table, *s.order}]
    others = ", ".join(f"--sensor {name}" for name in fitting) or "another --sensor"
    return (
        f"its own names say {', '.join(strange)}, which {sensor.name} does not have. "
        f"Name {others}, or leave it out."
    )


def _another_count(count: int, sensor: Sensor) -> str:
    fitting = [s.name for s in shipped_sensors().values() if len(s.bands) == count]
    others = "".join(f", or --sensor {name}" for name in fitting)
    return (
        f"it has {count} bands without names, and {sensor.name} has {len(sensor.order)}. Name "
        f"those it has in order, of {', '.join(sensor.order)}: --sensor {sensor.name} "
        f"--bands NAME,...{others}"
    )


def _swapped_colours(names: Sequence[str], colours: Sequence[str]) -> tuple[str, ...]:
    """Return a note where red, green and blue are others by name than by colour.

    Another band shown as red, such as near infrared, is a choice of display and no contradiction.
    """
    by_colour = [colour_name(colour) for colour in colours]
    pairs = zip(names, by_colour, strict=True)
    if not any(name in RGB and colour in RGB and name != colour for name, colour in pairs):
        return ()
    written = ",".join(colour or name for name, colour in zip(names, by_colour, strict=True))
    return (
        f"its bands are {', '.join(names)} by name and another order by colour; the names are "
        f"taken. If the colours are right: --bands {written}",
    )
