"""What a raster's file says of itself: place, scale and date, without reading a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.data.files import exists
from fieldguide_remote_sensing.georeference import captured_at, place_metadata
from fieldguide_remote_sensing.scene_files import open_scene
from fieldguide_remote_sensing.windows import Grid

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
    with open_scene(path) as dataset:
        facts = place_metadata(Grid.of(dataset))
        if moment := captured_at(dataset):
            facts["captured_at"] = moment
    return facts
