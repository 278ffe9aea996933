"""Opens whatever is one scene as one dataset: a raster, a .SAFE folder, bands, a STAC Item."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import exists, is_folder, require_file
from fieldguide.errors import LoadError
from fieldguide_remote_sensing.band_folder import read_band_folder
from fieldguide_remote_sensing.gdal import open_raster, open_vrt_text
from fieldguide_remote_sensing.safe import read_safe
from fieldguide_remote_sensing.scene_vrt import scene_vrt
from fieldguide_remote_sensing.stac import read_stac_item
from fieldguide_remote_sensing.vrt import check_vrt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide_remote_sensing.scene_vrt import SceneParts

SAFE_SUFFIX = ".safe"
STAC_SUFFIX = ".json"


@contextmanager
def open_scene(path: Path) -> Iterator[Any]:
    """Open a scene as a rasterio dataset, from any thread; nothing is read over a network.

    The files of a scene become the bands of one virtual raster on the finest grid among them,
    each with its name as description, and scale, offset and nodata where the product states them.
    The dataset's tags say what else is known: ``SENSOR`` (a name of the catalogue of sensors),
    ``PROCESSING_LEVEL``, ``PROCESSING_BASELINE``; in the domain IMAGERY ``ACQUISITIONDATETIME``
    (UTC) and ``CLOUDCOVER`` (percent).

    Args:
        path: a GeoTIFF, JPEG 2000 or VRT; a .SAFE folder of Sentinel-2; a folder with the
            single-band files of one scene of Landsat, HLS or Sentinel-2; or a local STAC Item.

    Raises:
        LoadError: something is missing or broken.
        ContractError: a file lies on the network or outside the scene's folder, or the files are
            not on grids that fit.
    """
    path = Path(path).absolute()
    if not exists(path):
        raise LoadError("no such file. Check the path.")
    parts = scene_parts(path)
    if parts is None:
        require_file(path)
        if path.suffix.lower() == ".vrt":
            check_vrt(path)
        with open_raster(path) as dataset:
            yield dataset
    else:
        with open_vrt_text(scene_vrt(parts), path) as dataset:
            yield dataset


def scene_parts(path: Path) -> SceneParts | None:
    """Return the files of a scene, or None for a raster that is one file.

    Raises:
        LoadError: something is missing or broken.
        ContractError: it is not one scene, or names files that are not to be read.
    """
    if is_folder(path):
        names = (path.name.lower(), path.resolve().name.lower())  # either may be a link
        is_safe = any(name.endswith(SAFE_SUFFIX) for name in names)
        return read_safe(path) if is_safe else read_band_folder(path)
    return read_stac_item(path) if path.suffix.lower() == STAC_SUFFIX else None
