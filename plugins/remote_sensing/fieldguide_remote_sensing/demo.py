"""Scenes for ``fieldguide demo``: drawn, so that what they show is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import Affine

from fieldguide.demo_set import DemoImage, DemoSet
from fieldguide_remote_sensing import built_scenes, scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

ORIGIN = "drawn by fieldguide"
PICTURES: Mapping[str, Callable[[], NDArray[np.uint8]]] = {
    "forest": scenes.forest,
    "farmland": scenes.farmland,
    "desert": scenes.desert,
    "beach": scenes.beach,
    "dense residential": built_scenes.dense_residential,
    "baseball field": built_scenes.baseball_field,
    "storage tanks": built_scenes.storage_tanks,
    "parking": built_scenes.parking,
    "airport": built_scenes.airport,
}
RIVER = "river"
DISTRACTORS = ("bridge", "meadow", "mountain", "playground", "port", "railway station",
               "sparse residential", "stadium")  # fmt: skip
NOTE = (
    "Drawn by rule, so that the truth is known: this shows how the tool works and proves nothing "
    "about real imagery. The river is a 16-bit GeoTIFF of four bands with a nodata corner; the "
    "last file holds heights instead of a picture and has to be refused."
)


def demo_sets(folder: Path) -> Sequence[DemoSet]:
    """Draw the scenes below a folder; the same files at every call.

    Args:
        folder: made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for truth, draw in PICTURES.items():
        path = folder / f"{truth.replace(' ', '_')}.jpg"
        Image.fromarray(draw()).save(path, quality=92)
        images.append(DemoImage(path, truth, ORIGIN))
    images.append(DemoImage(_write_river(folder / "river.tif"), RIVER, ORIGIN))
    images.append(DemoImage(_write_elevation(folder / "elevation.tif"), None, ORIGIN))
    labels = tuple(sorted((*PICTURES, RIVER, *DISTRACTORS)))
    query = "many planes at an airport"
    return (DemoSet("Aerial scenes", "rgb_scene", tuple(images), labels, query, NOTE),)


def _write_river(path: Path) -> Path:
    """Write numbers as satellites deliver them: 16 bits, blue first, near infrared last."""
    display = scenes.river().astype(np.float32) / 255
    red, green, blue = np.moveaxis(0.4 * display**1.2, -1, 0)
    infrared = 0.03 + 5 * np.clip(green - blue, 0, None)  # leaves reflect it, water does not
    stack = np.stack([blue, green, red, infrared]) * 10_000
    numbers = np.clip(stack, 1, 10_000).astype(np.uint16)
    row, column = np.indices(red.shape)
    numbers[:, column * 0.4 + (red.shape[0] - row) < 75] = 0  # beyond the edge of the swath
    _write(path, numbers, ("blue", "green", "red", "nir"), metres_per_px=1.4, nodata=0)
    return path


def _write_elevation(path: Path) -> Path:
    """Write heights in metres: one band that no model of pictures can take."""
    _write(path, scenes.elevation_m()[None], ("elevation",), metres_per_px=30, nodata=-9999)
    return path


def _write(
    path: Path,
    values: NDArray[np.uint16] | NDArray[np.float32],
    bands: Sequence[str],
    *,
    metres_per_px: float,
    nodata: float,
) -> None:
    """Write (C, H, W) somewhere in UTM zone 32 north."""
    count, height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=values.dtype,
        crs="EPSG:32632",
        transform=Affine(metres_per_px, 0, 640_000, 0, -metres_per_px, 5_320_000),
        nodata=nodata,
        compress="deflate",
    ) as target:
        target.write(values)
        target.descriptions = tuple(bands)
