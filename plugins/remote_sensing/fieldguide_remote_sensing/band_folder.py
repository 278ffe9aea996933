"""A folder that holds the single-band files of one scene: Landsat, HLS or Sentinel-2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.errors import ContractError, LoadError
from fieldguide_remote_sensing.landsat_mtl import LandsatFacts, read_mtl
from fieldguide_remote_sensing.products import ProductFile, product_file
from fieldguide_remote_sensing.scene_vrt import BandFile, SceneParts

if TYPE_CHECKING:
    from pathlib import Path

NODATA = {"sentinel2_l1c": 0.0, "sentinel2_l2a": 0.0, "hls_sentinel2": -9999.0,
          "hls_landsat": -9999.0}  # fmt: skip
"""Of products whose files need not say so; that of Landsat is 0."""
LEVELS = {"sentinel2_l1c": "L1C", "sentinel2_l2a": "L2A"}


def read_band_folder(folder: Path) -> SceneParts:
    """Find the bands of the one scene in a folder, each in its finest resolution.

    Args:
        folder: absolute.

    Raises:
        LoadError: it cannot be listed, or holds no band whose name is known.
        ContractError: it holds bands of several scenes.
    """
    found = _files(folder)
    scenes = sorted({file.scene for file in found})
    if len(scenes) > 1:
        raise ContractError(
            f"it holds bands of {len(scenes)} scenes ({', '.join(scenes[:3])} ...). Put the files "
            "of each scene into a folder of its own."
        )
    facts = read_mtl(folder, scenes[0]) if _is_landsat(next(iter(found))) else LandsatFacts()
    by_name: dict[str, ProductFile] = {}
    for file in sorted(found, key=lambda file: (file.order, file.pixel_m, found[file].name)):
        by_name.setdefault(file.band, file)
    bands = tuple(_band(file, found[file], facts) for file in by_name.values())
    first = next(iter(by_name.values()))
    moment = facts.moment or first.moment
    imagery = {} if moment is None else {"ACQUISITIONDATETIME": moment}
    if facts.cloud_percent is not None:
        imagery["CLOUDCOVER"] = f"{facts.cloud_percent:g}"
    return SceneParts(bands, _tags(first), imagery)


def _files(folder: Path) -> dict[ProductFile, Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise LoadError(f"its files cannot be listed: {error.strerror}. Check it.") from error
    found = {file: path for path in paths if (file := product_file(path.name)) is not None}
    if not found:
        raise LoadError(
            "it holds no band of a scene that is known by its file name (Landsat, HLS, "
            "Sentinel-2). Name the file to read itself."
        )
    return found


def _band(file: ProductFile, path: Path, facts: LandsatFacts) -> BandFile:
    scale, offset = facts.scaling.get(file.band, (None, None))
    return BandFile(file.band, path, 1, scale, offset, NODATA.get(file.sensor, 0.0))


def _is_landsat(file: ProductFile) -> bool:
    return file.sensor.startswith("landsat_")


def _tags(file: ProductFile) -> dict[str, str]:
    if not _is_landsat(file):
        level = LEVELS.get(file.sensor)
        return {"SENSOR": file.sensor} | ({} if level is None else {"PROCESSING_LEVEL": level})
    # The catalogue's Landsat sensors are of Level 2; Level 1 has a scale in its metadata only.
    stage = file.scene.split("_")[1]
    return {"PROCESSING_LEVEL": stage} | ({"SENSOR": file.sensor} if stage[1] == "2" else {})
