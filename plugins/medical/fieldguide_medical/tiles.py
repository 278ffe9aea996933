"""Drawn tiles that imitate three textures of lung stained with H&E. They are not tissue.

Each recipe is a short list of what is drawn. A picture shows nothing but its recipe, so it can
show that a program runs, and not how good it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fieldguide_medical.stain import Map, StainedTile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from PIL import Image

SIZE_PX = 256


def draw_benign(seed: int) -> Image.Image:
    """Draw thin pink walls around white air spaces, with flat nuclei and a few red cells."""
    tile = StainedTile(SIZE_PX, seed)
    border_px = tile.border_distance(tile.points(8))
    half_wall_px = 13 * tile.noise(90, 0.4)
    walls = np.clip((half_wall_px - border_px) / 3, 0, 1)
    tile.eosin += walls * 0.24 * tile.noise(10, 0.3)
    tile.haematoxylin += walls * 0.12 * tile.noise(25, 0.3)
    slope_y, slope_x = (np.asarray(slope) for slope in np.gradient(border_px))
    for x, y in _picks(tile, (walls > 0.9) & (border_px > 3), 40):
        along = math.atan2(slope_y[y, x], slope_x[y, x]) + math.pi / 2
        tile.add_nucleus(np.array([x, y]), _radii(tile, 17, 9), along, 0.85)
    crowd = tile.noise(110, 1)
    for x, y in _picks(tile, (border_px > 25) & (crowd > np.percentile(crowd, 75)), 40):
        tile.add_red_cell(np.array([x, y]), 11)
    return tile.picture()


def draw_adenocarcinoma(seed: int) -> Image.Image:
    """Draw glands: crowded long nuclei that stand around pale openings, in fibrous stroma."""
    tile = StainedTile(SIZE_PX, seed)
    fibres = tile.fibres(float(tile.random.uniform(0, math.pi)), 11)
    tile.eosin += (0.10 + 0.10 * fibres) * tile.noise(30, 0.15)
    tile.haematoxylin += 0.10 * tile.noise(40, 0.3)
    for x, y in _picks(tile, fibres > 0.5, 30):
        angle = float(tile.random.uniform(0, math.pi))
        tile.add_nucleus(np.array([x, y]), _radii(tile, 18, 6), angle, 0.9)
    for centre in tile.points(10):
        _add_gland(tile, centre, float(tile.random.uniform(95, 135)))
    return tile.picture()


def _add_gland(tile: StainedTile, centre: Map, radius_px: float) -> None:
    angle = float(tile.random.uniform(0, math.pi))
    radii = (radius_px, radius_px * float(tile.random.uniform(0.65, 0.95)))
    cytoplasm = tile.blob(centre, radii, angle, 0.05)
    tile.fill(cytoplasm, haematoxylin=0.26 * tile.noise(14, 0.2), eosin=0.14 * tile.noise(14, 0.2))
    opening = tile.blob(centre, (radii[0] * 0.45, radii[1] * 0.4), angle, 0.10)
    faint = 0.02 * tile.noise(14, 0.8)
    tile.fill(opening, haematoxylin=faint, eosin=faint)
    count = round(2 * math.pi * radius_px * 0.75 / 19)
    for turn in np.linspace(0, 2 * math.pi, count, endpoint=False):
        reach = tile.random.uniform(0.62, 0.88)
        x, y = radii[0] * reach * math.cos(turn), radii[1] * reach * math.sin(turn)
        cosine, sine = math.cos(angle), math.sin(angle)
        place = centre + np.array([x * cosine - y * sine, x * sine + y * cosine])
        outward = math.atan2(place[1] - centre[1], place[0] - centre[0])
        density = float(tile.random.uniform(0.65, 0.95))
        tile.add_nucleus(place, _radii(tile, 20, 11), outward, density)


def draw_squamous(seed: int) -> Image.Image:
    """Draw a solid sheet of polygonal cells with round nuclei, and a whorl of keratin."""
    tile = StainedTile(SIZE_PX, seed)
    seeds = tile.points(110)
    body = np.clip(tile.border_distance(seeds) / 4, 0.5, 1)
    tile.eosin += 0.17 * body * tile.noise(18, 0.2)
    tile.haematoxylin += 0.24 * body * tile.noise(60, 0.25)
    whorl_at = tile.random.uniform(0.25, 0.75, 2) * tile.side_px
    whorl_px = float(tile.random.uniform(75, 105))
    for place in seeds:
        if np.hypot(*(place - whorl_at)) > whorl_px * 1.1:
            angle = float(tile.random.uniform(0, math.pi))
            tile.add_nucleus(place, _radii(tile, 21, 16), angle, 0.7)
            tile.add_nucleus(place + tile.random.normal(0, 4, 2), (4, 4), 0, 1.0)
    _add_whorl(tile, whorl_at, whorl_px)
    return tile.picture()


def _add_whorl(tile: StainedTile, centre: Map, radius_px: float) -> None:
    rows, columns = np.mgrid[: tile.side_px, : tile.side_px]
    distance_px = np.hypot(columns - centre[0], 1.2 * (rows - centre[1]))
    layers = 0.8 + 0.2 * np.sin(distance_px / 3.5 + 6 * tile.noise(45, 0.6))
    whorl = tile.blob(centre, (radius_px, radius_px * 0.85), 0.0, 0.04)
    tile.fill(
        whorl, haematoxylin=0.04 * tile.noise(20, 0.3), eosin=0.42 * layers * tile.noise(25, 0.15)
    )
    for turn in tile.random.uniform(0, 2 * math.pi, 12):
        reach = radius_px * tile.random.uniform(0.55, 1.0)
        place = centre + reach * np.array([math.cos(turn), 0.85 * math.sin(turn)])
        tile.add_nucleus(place, _radii(tile, 17, 5), turn + math.pi / 2, 0.95)


RECIPES: Mapping[str, Callable[[int], Image.Image]] = {
    "benign lung tissue": draw_benign,
    "lung adenocarcinoma": draw_adenocarcinoma,
    "lung squamous cell carcinoma": draw_squamous,
}
"""A drawing for each label of the class set ``lung_histology``."""


def _radii(tile: StainedTile, along_px: float, across_px: float) -> tuple[float, float]:
    scale = tile.random.uniform(0.8, 1.2, 2)
    return float(along_px * scale[0]), float(across_px * scale[1])


def _picks(tile: StainedTile, allowed: NDArray[np.bool_], count: int) -> list[tuple[int, int]]:
    """Return up to ``count`` places x, y where drawing is allowed."""
    rows, columns = np.nonzero(allowed)
    if len(rows) == 0:
        return []
    chosen = tile.random.choice(len(rows), size=min(count, len(rows)), replace=False)
    return [(int(columns[index]), int(rows[index])) for index in chosen]
