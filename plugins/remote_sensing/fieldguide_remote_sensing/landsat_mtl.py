"""What the metadata file (``_MTL.txt`` or ``_MTL.json``) of a Landsat scene says of it.

Elements: USGS, Landsat 8-9 Calibration and Validation, Data Format Control Book LSDS-1822 and
LSDS-1328. Level 2: reflectance = MULT * stored + ADD. Level 1 is divided by the sine of the sun's
elevation as well (USGS, Using the USGS Landsat Level-1 Data Product).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import exists
from fieldguide.errors import LoadError
from fieldguide_remote_sensing.moments import imagery_moment
from fieldguide_remote_sensing.products import product_file
from fieldguide_remote_sensing.scene_paths import finite, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_DEPTH = 8
LEVEL_1, LEVEL_2 = "LEVEL1_RADIOMETRIC_RESCALING", "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"
Groups = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class LandsatFacts:
    """What is known of a scene.

    Attributes:
        scaling: (scale, offset) of a band to reflectance, by common name.
        moment: of the scene's centre, as GDAL's IMAGERY domain writes it.
        cloud_percent: of the scene.
    """

    scaling: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    moment: str | None = None
    cloud_percent: float | None = None


def read_mtl(folder: Path, scene: str) -> LandsatFacts:
    """Return what the metadata file beside a scene's bands says; nothing when there is none.

    Raises:
        LoadError: there is one, and it is broken.
    """
    for suffix, parse in ((".txt", _text_groups), (".json", _json_groups)):
        path = folder / f"{scene}_MTL{suffix}"
        if exists(path):
            try:
                return _facts(parse(read_text(path)), scene)
            except (ValueError, RecursionError) as error:
                raise LoadError(
                    f"its file {path.name} is broken: {error}. Copy it again, or move it away."
                ) from error
    return LandsatFacts()


def _facts(groups: Groups, scene: str) -> LandsatFacts:
    image = groups.get("IMAGE_ATTRIBUTES", {})
    level = scene.split("_")[1]
    divisor, rescaling = 1.0, groups.get(LEVEL_2 if level[1] == "2" else LEVEL_1, {})
    if level[1] == "1" and rescaling:
        divisor = math.sin(math.radians(finite(image.get("SUN_ELEVATION", ""))))
        if divisor <= 0:
            raise ValueError("the sun is below the horizon")
    day, time = image.get("DATE_ACQUIRED"), image.get("SCENE_CENTER_TIME")
    cloud = finite(image.get("CLOUD_COVER", "-1"))
    return LandsatFacts(
        {
            band: (mult / divisor, add / divisor)
            for band, (mult, add) in _factors(rescaling, scene).items()
        },
        imagery_moment(f"{day}T{time}") if day and time else None,
        cloud if 0 <= cloud <= 100 else None,
    )


def _factors(rescaling: Mapping[str, str], scene: str) -> dict[str, tuple[float, float]]:
    found = {}
    for key, value in rescaling.items():
        number = key.removeprefix("REFLECTANCE_MULT_BAND_")
        file = product_file(f"{scene}_B{number}.TIF") if number != key else None
        if file is not None:
            add = rescaling.get(f"REFLECTANCE_ADD_BAND_{number}", "")
            found[file.band] = (finite(value), finite(add))
    return found


def _text_groups(text: str) -> Groups:
    """Return the values by the innermost group that they stand in."""
    groups: Groups = {}
    inside: list[str] = []
    for line in text.splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if key == "GROUP":
            inside.append(value)
        elif key == "END_GROUP":
            inside = inside[:-1]
        elif equals and inside:
            groups.setdefault(inside[-1], {})[key] = value.strip('"')
    return groups


def _json_groups(text: str) -> Groups:
    groups: Groups = {}

    def collect(value: Any, name: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ValueError("its groups are nested too deep")
        for key, inner in value.items():
            if isinstance(inner, dict):
                collect(inner, key, depth + 1)
            else:
                groups.setdefault(name, {})[key] = str(inner)

    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("it is not an object")
    collect(content, "", 0)
    return groups
