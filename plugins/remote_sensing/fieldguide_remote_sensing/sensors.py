"""The catalogue of sensors: bands, wavelengths, scale and offset, read from data files.

``sensors/*.yaml`` beside this module holds what ships; a file of the user's has the same form.
It is named by ``--sensor FILE.yaml``, or lies in the folder ``sensors`` beside the user's own
registry and is named by its name, which is its file's. The user's replaces one that ships.
"""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from fieldguide.errors import UnknownNameError, UsageError
from fieldguide.registry import user_registry_path
from fieldguide.specs import Name, Record
from fieldguide.yaml_records import read_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Band(Record):
    """One band of a sensor.

    Attributes:
        name: the STAC common name, such as "red"; one's own where STAC has none.
        id: what the sensor's own documents call it, such as "B04" or "SR_B4".
        aliases: other spellings in files; capitals, spaces, "_" and "-" do not count.
        wavelength_nm: the centre; None where it is not one value.
        gsd_m: ground sample distance of the band as it is taken; None where it depends.
    """

    name: Name
    id: str = Field(min_length=1, max_length=40)
    aliases: tuple[str, ...] = ()
    wavelength_nm: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    gsd_m: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @property
    def keys(self) -> frozenset[str]:
        """The spellings by which a file may call it, as :func:`spelling` writes them."""
        return frozenset(map(spelling, (self.id, *self.aliases)))


class Baseline(Record):
    """From which version of a processor on which offset holds."""

    since: str = Field(pattern=r"^\d\d\.\d\d$")
    offset_dn: float = Field(allow_inf_nan=False, description="added to a DN before it is scaled")


class Scaling(Record):
    """How digital numbers (DN) become reflectance.

    Attributes:
        scale: reflectance of one DN.
        offset: in reflectance: DN * scale + offset. None where it depends on the baseline.
        baselines: in rising order: (DN + offset_dn) * scale.
    """

    scale: float = Field(gt=0, allow_inf_nan=False)
    offset: float | None = Field(default=None, allow_inf_nan=False)
    baselines: tuple[Baseline, ...] = ()

    @model_validator(mode="after")
    def _one_offset_is_said(self) -> Self:
        if (self.offset is None) == (not self.baselines):
            raise ValueError("give either an offset (0 where there is none) or baselines")
        since = [baseline.since for baseline in self.baselines]
        if since != sorted(set(since)):
            raise ValueError(f"baselines must rise: {since}")
        return self

    def offset_since(self, baseline: str) -> float | None:
        """Return the offset in DN of a processing baseline such as "04.00"; None before any."""
        fitting = [b.offset_dn for b in self.baselines if b.since <= baseline]
        return fitting[-1] if fitting else None


class Sensor(Record):
    """One product of one sensor, as its files are usually stacked.

    Attributes:
        title: for people.
        family: sensors of one family write the same names for the same bands.
        sources: documents that the values come from.
        bands: in the usual order of a stacked file.
        others: bands known by name that are not part of that order nor reflectance.
        scaling: None where the numbers are display values.
        nodata: the number of a pixel without data where the file does not say.
    """

    version: Literal[1]
    name: Name
    title: str = Field(min_length=1)
    family: str | None = None
    sources: tuple[str, ...] = Field(min_length=1)
    bands: tuple[Band, ...] = Field(min_length=1)
    others: tuple[Band, ...] = ()
    scaling: Scaling | None = None
    nodata: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _every_name_means_one_band(self) -> Self:
        bands = (*self.bands, *self.others)
        if doubled := {b.name for b in bands if [o.name for o in bands].count(b.name) > 1}:
            raise ValueError(f"two bands are named {', '.join(sorted(doubled))}")
        meanings: dict[str, str] = {}
        for band in bands:
            for key in sorted({band.name, *band.keys}):
                if meanings.setdefault(key, band.name) != band.name:
                    raise ValueError(f"{key!r} means {meanings[key]} and {band.name}")
        return self

    @property
    def order(self) -> tuple[str, ...]:
        """The common names of the bands in order."""
        return tuple(band.name for band in self.bands)

    @property
    def table(self) -> Mapping[str, str]:
        """Common names by the sensor's own spellings, other bands included."""
        return {key: band.name for band in (*self.bands, *self.others) for key in band.keys}

    def band(self, name: str) -> Band | None:
        """Return the band of a common name, or None."""
        return next((band for band in (*self.bands, *self.others) if band.name == name), None)


def spelling(name: str) -> str:
    """Return a name as names are compared: without capitals, spaces, "_" and "-".

    >>> spelling("SR_B4"), spelling("Red Edge 1")
    ('srb4', 'rededge1')
    """
    return re.sub(r"[\s_-]", "", name.lower())


def sensor_metadata(sensor: Sensor | None, names: Sequence[str]) -> dict[str, Any]:
    """Return what is known of the bands of a file: sensor, wavelengths_nm and band_gsd_m."""
    if sensor is None:
        return {}
    bands = [band for name in names if (band := sensor.band(name)) is not None]
    found: dict[str, Any] = {"sensor": sensor.name}
    if wavelengths := {b.name: b.wavelength_nm for b in bands if b.wavelength_nm is not None}:
        found["wavelengths_nm"] = wavelengths
    if sizes := {b.name: b.gsd_m for b in bands if b.gsd_m is not None}:
        found["band_gsd_m"] = sizes
    return found


@cache
def shipped_sensors() -> Mapping[str, Sensor]:
    """Return the sensors that ship, by name."""
    folder = Path(str(files("fieldguide_remote_sensing"))) / "sensors"
    found = [read_sensor(path) for path in sorted(folder.glob("*.yaml"))]
    return MappingProxyType({sensor.name: sensor for sensor in found})


def user_sensor_folder() -> Path:
    """Return where the user's own sensors are looked for: ``sensors`` beside the registry."""
    return user_registry_path().parent / "sensors"


def find_sensor(name: str) -> Sensor:
    """Return the sensor that ``--sensor`` names.

    Args:
        name: a path that ends in .yaml or .yml, or the name of a sensor.

    Raises:
        UnknownNameError: there is none; near names are told.
        UsageError: its file cannot be read or is not valid.
    """
    if name.lower().endswith(SUFFIXES):
        return read_sensor(Path(name))
    folder = user_sensor_folder()
    own = folder / f"{name}.yaml"
    if _NAME.fullmatch(name) and own.is_file():
        sensor = read_sensor(own)
        if sensor.name != name:
            raise UsageError(f"{own} names its sensor {sensor.name!r}. Rename one of them.")
        return sensor
    if name in shipped_sensors():
        return shipped_sensors()[name]
    names = sorted({*shipped_sensors(), *(path.stem for path in folder.glob("*.yaml"))})
    close = difflib.get_close_matches(name.lower().replace("-", "_"), names)
    hint = f"Did you mean {', '.join(close)}?" if close else f"There are: {', '.join(names)}."
    raise UnknownNameError(
        f"No sensor is named {name!r}. {hint} Or name a file: --sensor FILE.yaml"
    )


def read_sensor(path: Path) -> Sensor:
    """Read one sensor's file.

    Raises:
        UsageError: it cannot be read, is not YAML or does not fit; every fault is listed.
    """
    return read_record(path, Sensor, "docs/sensors.md shows the form of a sensor's file.")
