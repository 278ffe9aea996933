"""Natural scenes as from an aircraft or satellite, drawn by rule: forest, farmland, desert ..."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fieldguide_remote_sensing.drawing import Ground, Mask, Point

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE_PX = 384
GRASS = (0.115, 0.155, 0.06)
WOOD = (0.05, 0.085, 0.035)
SAND = (0.62, 0.53, 0.38)


def scatter(ground: Ground, spacing_m: float, where: Mask | None = None) -> list[Point]:
    """Return places about ``spacing_m`` apart, only inside the mask, in random order."""
    cells = int(ground.side_m / spacing_m) + 1
    rows, columns = np.indices((cells, cells)).reshape(2, -1)
    xy = np.stack([columns, rows], axis=1) + ground.rng.uniform(-0.1, 1.1, (cells**2, 2))
    places = ground.rng.permutation(xy * spacing_m)
    pixels = np.clip((places / ground.step_m).astype(int), 0, ground.size - 1)
    kept = np.ones(len(places), bool) if where is None else where[pixels[:, 1], pixels[:, 0]]
    return [(float(x), float(y)) for x, y in places[kept]]


def forest() -> NDArray[np.uint8]:
    """Draw a closed canopy with a few clearings."""
    ground = Ground(SIDE_PX, 0.8, (0.07, 0.09, 0.04), seed=11)
    clearing = ground.noise(120, 3) > 1.05
    ground.paint(clearing, (0.13, 0.15, 0.07), 0.1)
    ground.trees(scatter(ground, 5.2, ~clearing), (2.6, 5.2), WOOD)
    ground.mottle(ground.noise(90, 3), 0.12)
    return ground.render()


def farmland() -> NDArray[np.uint8]:
    """Draw fields in strips, with furrows, lanes and a few trees on the borders."""
    ground = Ground(SIDE_PX, 1.3, (0.3, 0.26, 0.18), seed=5)
    turn = math.radians(12)
    along = ground.x_m * math.cos(turn) + ground.y_m * math.sin(turn)
    across = ground.y_m * math.cos(turn) - ground.x_m * math.sin(turn)
    crops = (
        (0.10, 0.17, 0.05), (0.15, 0.20, 0.07), (0.30, 0.26, 0.13), (0.25, 0.18, 0.12),
        (0.07, 0.13, 0.04), (0.35, 0.31, 0.20), (0.19, 0.22, 0.09), (0.20, 0.145, 0.10),
    )  # fmt: skip
    edges: Mask = np.zeros(across.shape, bool)
    top = -150.0
    while top < ground.side_m * 1.1:
        depth = ground.rng.uniform(70, 130)
        left = -60.0 - ground.rng.uniform(0, 60)
        while left < ground.side_m * 1.3:
            width = ground.rng.uniform(35, 120)
            field = (
                (across > top) & (across < top + depth) & (along > left) & (along < left + width)
            )
            ground.paint(field, crops[ground.rng.integers(len(crops))], 0.05)
            upright = ground.rng.random() < 0.6
            rows = np.sin((along if upright else across) * (2 * math.pi / ground.rng.uniform(3, 6)))
            ground.colour[field] *= 1 + 0.10 * rows[field][:, None]
            edges |= field & ((along - left < 1.6) | (across - top < 1.6))
            left += width
        lane = (across > top + depth) & (across < top + depth + 5)
        ground.paint(lane, (0.38, 0.34, 0.27))
        top += depth + 5
    ground.paint(edges, (0.12, 0.15, 0.07), 0.2)
    ground.mottle(ground.noise(60, 5), 0.10)
    hedge = scatter(ground, 7, edges & (ground.noise(50, 2) > 0.45))
    ground.trees(hedge, (2, 4.2), WOOD)
    return ground.render()


def desert() -> NDArray[np.uint8]:
    """Draw transverse dunes: gentle windward slopes, steep slip faces, ripples."""
    ground = Ground(SIDE_PX, 1.6, (0.66, 0.43, 0.22), seed=3)
    bend = 38 * ground.noise(210, 3)
    phase = (0.35 * ground.x_m + ground.y_m + bend) / 68
    rise = phase - np.floor(phase)
    slip = np.where(rise < 0.78, rise / 0.78, (1 - rise) / 0.22)
    tall = np.clip(0.75 + 0.5 * ground.noise(160, 2), 0.15, 1.4)
    ripples = np.sin((ground.x_m * 0.25 + ground.y_m + 0.6 * bend) * 0.9)
    ground.height[:] = 11 * tall * slip**1.3 + 0.09 * ripples + 0.25 * ground.noise(12, 3)
    ground.tint(slip * 0.5, (0.74, 0.53, 0.30))
    ground.mottle(ground.noise(140, 4), 0.05)
    return ground.render()


def beach() -> NDArray[np.uint8]:
    """Draw the sea with swell, two lines of surf, wet and dry sand and a strip of scrub."""
    ground = Ground(SIDE_PX, 1.2, SAND, seed=21)
    shore = ground.x_m * 0.28 - ground.y_m + 0.52 * ground.side_m + 9 * ground.noise(120, 3)
    depth = np.clip(-shore / 150, 0, 1)  # 0 at the waterline, 1 far out
    sea = shore < 0
    deep, shallow = np.array((0.015, 0.10, 0.15)), np.array((0.13, 0.36, 0.36))
    water = shallow + (deep - shallow) * (depth[..., None] ** 0.6)
    swell = np.sin((shore + 7 * ground.noise(80, 3)) / 4.2) * 0.05 + 0.03 * ground.noise(6, 3)
    ground.colour[sea] = (water * (1 + swell[..., None]))[sea]
    ground.tint(np.clip(1 - shore / 14, 0, 1) * (shore >= 0), (0.34, 0.28, 0.20), 0.85)
    ragged = 5 * ground.noise(28, 4)
    for distance, width, strength in ((2, 6, 1.0), (24, 5, 0.8), (47, 3.5, 0.5)):
        band = np.exp(-(((shore + distance + ragged) / width) ** 2))
        foam = band * np.clip(0.75 + 0.7 * ground.noise(9, 4), 0, 1)
        ground.tint(foam, (0.93, 0.95, 0.95), strength)
    ground.mottle(np.where(sea, 0, ground.noise(14, 4)), 0.045)
    scrub = shore + 12 * ground.noise(40, 3) > 120
    ground.paint(scrub, (0.17, 0.17, 0.09), 0.15)
    ground.trees(scatter(ground, 5.5, scrub), (1.5, 3.6), (0.07, 0.10, 0.045))
    return ground.render()


def river_course(ground: Ground) -> NDArray[np.float32]:
    """Return the distance in metres from the middle of a meandering river.

    Its direction is a sine of the way along it (Langbein and Leopold 1966, "River Meanders").
    """
    side, coarse = ground.side_m, slice(None, None, 4)  # a smooth field: a quarter is enough
    way = np.linspace(0, 2.6, 320) * side
    bearing = 1.45 * np.sin(way * (2 * math.pi / (1.25 * side)))
    x = 0.26 * side + np.cumsum(np.sin(bearing)) * (way[1] - way[0])
    y = -0.15 * side + np.cumsum(np.cos(bearing)) * (way[1] - way[0])
    x_m, y_m = ground.x_m[coarse, coarse], ground.y_m[coarse, coarse]
    distance = np.full(x_m.shape, np.inf, np.float32)
    for px, py in zip(x, y, strict=True):
        np.minimum(distance, np.hypot(x_m - px, y_m - py), out=distance)
    size = (ground.size, ground.size)
    return np.asarray(Image.fromarray(distance).resize(size, Image.Resampling.BICUBIC))


def river() -> NDArray[np.uint8]:
    """Draw a meandering river with sandy banks through meadows and riverside trees."""
    ground = Ground(SIDE_PX, 1.4, GRASS, seed=8)
    ground.tint(np.clip(0.5 + 0.6 * ground.noise(110, 4), 0, 1), (0.17, 0.20, 0.09))
    distance = river_course(ground) + 4 * ground.noise(45, 3)
    bank = (distance < 31) & (ground.noise(90, 2) > -0.1)
    ground.paint(bank, (0.42, 0.37, 0.27), 0.06)
    water = distance < 24
    ground.paint(water, (0.075, 0.105, 0.085), 0.015)
    ground.tint(water * np.clip(0.5 - distance / 40 + 0.15 * ground.noise(25, 3), 0, 1),
                (0.045, 0.075, 0.07), 0.9)  # fmt: skip
    wood = (distance > 34) & (ground.noise(75, 3) + 18 / distance > 0.42)
    ground.trees(scatter(ground, 6.4, wood), (2.4, 5), WOOD)
    ground.mottle(np.where(water, 0, ground.noise(8, 3)), 0.06)
    return ground.render()


def elevation_m(side: int = 256) -> NDArray[np.float32]:
    """Return (side, side) heights of hills above the sea, no picture at all."""
    ground = Ground(side // 2, 60, (0, 0, 0), seed=2)
    ridges = 1 - np.abs(ground.noise(2600, 5))
    return np.asarray(900 + 420 * ridges + 60 * ground.noise(900, 4), np.float32)
