"""Sentinel-2 products as ESA delivers them: folders named ``.SAFE``, Level-1C and Level-2A.

Layout and elements: ESA, Sentinel-2 Products Specification Document, S2-PDGS-TAS-DI-PSD, 14.9.
Since processing baseline 04.00 (January 2022) stored values carry an offset of 1000, so that
reflectance = (stored + ADD_OFFSET) / QUANTIFICATION_VALUE.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from fieldguide.data.files import is_folder
from fieldguide.errors import ContractError, LoadError
from fieldguide_remote_sensing.moments import imagery_moment
from fieldguide_remote_sensing.products import common_name
from fieldguide_remote_sensing.scene_paths import finite, read_text
from fieldguide_remote_sensing.scene_vrt import BandFile, SceneParts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SENSORS = {"L1C": "sentinel2_l1c", "L2A": "sentinel2_l2a"}
"""By level, the name in the catalogue of sensors."""
BAND_IDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11",
            "B12")  # fmt: skip
"""In the order of the metadata's ``band_id``, 0 to 12."""
NODATA = 0.0
"""Special value NODATA of every product."""
_METADATA = re.compile(r"MTD_MSI(L1C|L2A)\.xml")
_BAND = re.compile(r".*_(B\d\d|B8A)(?:_(10|20|60)m)?\.jp2", re.IGNORECASE)


def read_safe(folder: Path) -> SceneParts:
    """Find the bands of a product, each in its finest resolution, and what the product says.

    Args:
        folder: absolute.

    Raises:
        LoadError: metadata or bands are missing or broken.
        ContractError: it holds several granules, as before 2016.
    """
    level, path = _metadata_file(folder)
    texts, offsets = _elements(path)
    files = _band_files(_granule(folder))
    whole = _number(texts, "BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE") or 0.0
    bands = []
    for place, identifier in enumerate(BAND_IDS):
        if identifier not in files:
            continue
        scale = offset = None
        if whole > 0:
            scale, offset = 1 / whole, offsets.get(place, 0.0) / whole
        name = common_name(SENSORS[level], identifier) or identifier.lower()
        bands.append(BandFile(name, files[identifier], 1, scale, offset, NODATA))
    return SceneParts(tuple(bands), _tags(level, texts), _imagery(texts))


def _metadata_file(folder: Path) -> tuple[str, Path]:
    found = {m[1]: folder / m[0] for name in _names(folder) if (m := _METADATA.fullmatch(name))}
    if len(found) != 1:
        raise LoadError(
            "a .SAFE folder is read by its file MTD_MSIL1C.xml or MTD_MSIL2A.xml, and it has "
            f"{'none' if not found else 'both'}. Unpack the product again."
        )
    return found.popitem()


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise LoadError(f"its folder {folder.name}: {error.strerror}. Check the path.") from error


def _granule(folder: Path) -> Path:
    inside = folder / "GRANULE"
    granules = [name for name in _names(inside) if is_folder(inside / name / "IMG_DATA")]
    if len(granules) != 1:
        raise ContractError(
            f"it holds {len(granules)} granules, and one is read as a scene. Name the folder of "
            "one granule's bands: GRANULE/.../IMG_DATA"
        )
    return inside / granules[0] / "IMG_DATA"


def _band_files(images: Path) -> dict[str, Path]:
    """Return the file of each band in its finest resolution."""
    found: dict[str, tuple[int, Path]] = {}
    for folder in (images, *(images / name for name in _names(images) if name.startswith("R"))):
        if not is_folder(folder):
            continue
        for name in _names(folder):
            if match := _BAND.fullmatch(name):
                entry = (int(match[2] or 0), folder / name)
                identifier = match[1].upper()
                found[identifier] = min(entry, found.get(identifier, entry))
    if not found:
        raise LoadError("its folder IMG_DATA holds no band (.jp2). Unpack the product again.")
    return {identifier: path for identifier, (_, path) in found.items()}


def _elements(path: Path) -> tuple[dict[str, str], dict[int, float]]:
    """Return the first text of each element by name, and the offset of each ``band_id``."""
    texts: dict[str, str] = {}
    offsets: dict[int, float] = {}
    try:
        for element in fromstring(read_text(path), forbid_dtd=True).iter():
            name, content = element.tag.rpartition("}")[2], (element.text or "").strip()
            if name in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"):
                offsets[int(element.get("band_id", ""))] = finite(content)
            elif content:
                texts.setdefault(name, content)
    except DefusedXmlException as error:
        raise LoadError(
            f"its file {path.name} declares a document type. Unpack it again."
        ) from error
    except (ParseError, ValueError) as error:
        raise LoadError(f"its file {path.name} is broken: {error}. Unpack it again.") from error
    return texts, offsets


def _number(texts: Mapping[str, str], *names: str) -> float | None:
    for name in names:
        try:
            return finite(texts[name])
        except (KeyError, ValueError):
            continue
    return None


def _tags(level: str, texts: Mapping[str, str]) -> dict[str, str]:
    tags = {"SENSOR": SENSORS[level], "PROCESSING_LEVEL": level}
    named = {"PROCESSING_BASELINE": "PROCESSING_BASELINE", "SPACECRAFT": "SPACECRAFT_NAME",
             "PRODUCT": "PRODUCT_URI"}  # fmt: skip
    return tags | {tag: texts[name] for tag, name in named.items() if name in texts}


def _imagery(texts: Mapping[str, str]) -> dict[str, str]:
    found = {}
    started = texts.get("DATATAKE_SENSING_START") or texts.get("PRODUCT_START_TIME")
    if moment := imagery_moment(started):
        found["ACQUISITIONDATETIME"] = moment
    cloud = _number(texts, "Cloud_Coverage_Assessment")
    if cloud is not None and 0 <= cloud <= 100:
        found["CLOUDCOVER"] = f"{cloud:g}"
    return found
