"""What a raster's file says of itself: place, scale and date, without reading a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.data.files import exists, require_file
from fieldguide_remote_sensing.gdal import open_raster
from fieldguide_remote_sensing.georeference import captured_at, place_metadata
from fieldguide_remote_sensing.vrt import check_vrt

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt")


def file_facts(path: Path) -> dict[str, Any]:
    """Return ``captured_at``, ``ground_sample_distance_m``, ``south_deg`` ... as far as known.

    Args:
        path: of an image; one that is not there or is no raster says nothing.

    Raises:
        LoadError: the raster cannot be read.
        ContractError: a virtual raster refers to the network.
    """
    path = path.absolute()
    if path.suffix.lower() not in SUFFIXES or not exists(path):
        return {}
    require_file(path)
    if path.suffix.lower() == ".vrt":
        check_vrt(path)
    with open_raster(path) as dataset:
        facts = place_metadata(dataset)
        if moment := captured_at(dataset):
            facts["captured_at"] = moment
    return facts
