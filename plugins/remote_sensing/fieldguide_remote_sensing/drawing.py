"""A patch of ground to draw on: colours and heights in metres, lit by a low sun from the south.

Everything is deterministic for a seed. Lengths are metres from the upper left corner, x to the
right and y down; colours are reflectances of red, green and blue, 0 to 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
Colour = tuple[float, float, float]
Point = tuple[float, float]

OVERSAMPLING = 2
SUN_AZIMUTH_DEG = 152.0
SUN_ELEVATION_DEG = 48.0
HAZE: Colour = (0.52, 0.60, 0.68)


class Ground:
    """A square of ground.

    Args:
        side_px: side of the finished picture.
        metres_per_px: of the finished picture.
        colour: of the bare ground.
        seed: of all that is random.

    Attributes:
        colour: (S, S, 3) reflectance, at ``OVERSAMPLING`` times the finished size.
        height: (S, S) metres.
        rng: the generator for the scene's own choices.
    """

    def __init__(self, side_px: int, metres_per_px: float, colour: Colour, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.size = side_px * OVERSAMPLING
        self.step_m = metres_per_px / OVERSAMPLING
        self.side_m = side_px * metres_per_px
        self.colour: Field = np.empty((self.size, self.size, 3), np.float32)
        self.colour[:] = colour
        self.height: Field = np.zeros((self.size, self.size), np.float32)
        self.y_m, self.x_m = (
            np.indices((self.size, self.size), dtype=np.float32) + 0.5
        ) * self.step_m

    def noise(self, cell_m: float, octaves: int = 4, gain: float = 0.5) -> Field:
        """Return a smooth random field around 0, about -1 to 1, with details down from a cell."""
        total = np.zeros((self.size, self.size), np.float32)
        amplitude = 1.0
        for _ in range(octaves):
            cells = max(2, math.ceil(self.side_m / max(cell_m, self.step_m)) + 1)
            coarse = self.rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
            image = Image.fromarray(coarse).resize((self.size, self.size), Image.Resampling.BICUBIC)
            total += amplitude * np.asarray(image)
            amplitude, cell_m = amplitude * gain, cell_m / 2
        return total

    def polygon(self, corners: Sequence[Point]) -> Mask:
        """Return the inside of a polygon."""
        image = Image.new("L", (self.size, self.size))
        ImageDraw.Draw(image).polygon(self._pixels(corners), fill=1)
        return np.asarray(image) > 0

    def lines(self, paths: Iterable[Sequence[Point]], width_m: float) -> Mask:
        """Return several lines of one width."""
        image = Image.new("L", (self.size, self.size))
        draw, width = ImageDraw.Draw(image), max(1, round(width_m / self.step_m))
        for points in paths:
            draw.line(self._pixels(points), fill=1, width=width, joint="curve")
        return np.asarray(image) > 0

    def line(self, points: Sequence[Point], width_m: float) -> Mask:
        """Return a line of that width."""
        return self.lines([points], width_m)

    def disc(self, centre: Point, radius_m: float) -> Mask:
        """Return a disc."""
        x, y = centre
        return np.asarray(np.hypot(self.x_m - x, self.y_m - y) < radius_m)

    def box(self, centre: Point, length_m: float, width_m: float, turn_deg: float = 0) -> Mask:
        """Return a rectangle, turned about its centre."""
        return self.polygon(box_corners(centre, length_m, width_m, turn_deg))

    def paint(self, where: Mask, colour: Colour, grain: float = 0.04) -> None:
        """Colour a region, with a little variation from pixel to pixel."""
        count = int(where.sum())
        shade = 1 + grain * self.rng.standard_normal((count, 1), dtype=np.float32)
        self.colour[where] = np.asarray(colour, np.float32) * shade

    def tint(self, field: Field, colour: Colour, strength: float = 1.0) -> None:
        """Blend towards a colour where the field (0 to 1) is high."""
        weight = np.clip(field * strength, 0, 1)[..., None]
        self.colour += (np.asarray(colour, np.float32) - self.colour) * weight

    def mottle(self, field: Field, strength: float) -> None:
        """Make the ground lighter where the field is high and darker where it is low."""
        self.colour *= np.clip(1 + strength * field, 0.2, 2)[..., None]

    def trees(self, places: Sequence[Point], radius_m: tuple[float, float], colour: Colour) -> None:
        """Grow round crowns, each of its own size and green."""
        for x, y in places:
            radius = self.rng.uniform(*radius_m)
            tone = np.asarray(colour) * self.rng.uniform(0.7, 1.3, 3) ** (1, 0.6, 1)
            self._crown(x, y, radius, tone.astype(np.float32))

    def roof(
        self,
        centre: Point,
        size_m: tuple[float, float, float],
        turn_deg: float,
        colour: Colour,
        pitch: float = 0.0,
    ) -> None:
        """Build a house.

        Args:
            centre: of its ground plan.
            size_m: length, width and height of the eaves.
            turn_deg: of the length, below the x axis.
            colour: of the roof.
            pitch: rise of the hipped roof per metre from the eaves; 0 is flat.
        """
        length, width, eaves = size_m
        x, y, turn = *centre, math.radians(turn_deg)
        rows, columns = self._around(x, y, (length + width) / 2 + self.step_m)
        away_x, away_y = self.x_m[rows, columns] - x, self.y_m[rows, columns] - y
        along = np.abs(away_x * math.cos(turn) + away_y * math.sin(turn))
        aside = np.abs(away_y * math.cos(turn) - away_x * math.sin(turn))
        inward = np.minimum(length / 2 - along, width / 2 - aside)
        top = eaves + pitch * inward
        inside = (inward > 0) & (top > self.height[rows, columns])
        self.height[rows, columns][inside] = top[inside]
        shade = 1 + 0.05 * self.rng.standard_normal((int(inside.sum()), 1))
        self.colour[rows, columns][inside] = np.asarray(colour) * shade

    def render(self) -> NDArray[np.uint8]:
        """Return (side, side, 3): lit, with cast shadows, haze and a camera's tone curve."""
        light = np.where(self._in_shadow(), np.float32(0.32), self._lambert())[..., None]
        lit = self.colour * light * (1.12, 1.06, 1.0) + self.colour * (0.0, 0.02, 0.06)
        hazy = lit * 0.93 + 0.045 * np.asarray(HAZE)
        display = np.clip(hazy, 0, 1) ** (1 / 1.9)
        image = Image.fromarray((display * 255).round().astype(np.uint8))
        side = self.size // OVERSAMPLING
        return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [(x / self.step_m, y / self.step_m) for x, y in points]

    def _around(self, x: float, y: float, radius_m: float) -> tuple[slice, slice]:
        reach = math.ceil(radius_m / self.step_m)
        row, column = int(y / self.step_m), int(x / self.step_m)
        return (
            slice(max(0, row - reach), max(0, row + reach + 1)),
            slice(max(0, column - reach), max(0, column + reach + 1)),
        )

    def _crown(self, x: float, y: float, radius: float, tone: Field) -> None:
        rows, columns = self._around(x, y, radius)
        away = (self.x_m[rows, columns] - x) ** 2 + (self.y_m[rows, columns] - y) ** 2
        rough = self.rng.uniform(0.75, 1.25, away.shape)
        top = 1.5 * radius + np.sqrt(np.maximum(radius**2 - away * rough, 0))
        grown = (away * rough < radius**2) & (top > self.height[rows, columns])
        self.height[rows, columns][grown] = top[grown]
        leaves = tone * self.rng.uniform(0.8, 1.2, (*away.shape, 1)).astype(np.float32)
        self.colour[rows, columns][grown] = leaves[grown]

    def _sun(self) -> tuple[float, float, float]:
        """Return the direction to the sun: right, down and up."""
        azimuth, elevation = math.radians(SUN_AZIMUTH_DEG), math.radians(SUN_ELEVATION_DEG)
        flat = math.cos(elevation)
        return flat * math.sin(azimuth), -flat * math.cos(azimuth), math.sin(elevation)

    def _lambert(self) -> Field:
        right, down, up = self._sun()
        slope_y, slope_x = np.gradient(self.height, self.step_m)
        facing = (up - right * slope_x - down * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
        return np.asarray(0.28 + 0.95 * np.clip(facing, 0, 1), np.float32)

    def _in_shadow(self) -> Mask:
        right, down, up = self._sun()
        flat = math.hypot(right, down)
        shadow = np.zeros(self.height.shape, bool)
        steps = math.ceil(float(np.ptp(self.height)) * flat / up / self.step_m)
        for step in range(1, steps + 1):
            columns, rows = round(step * right / flat), round(step * down / flat)
            sunward = shifted(self.height, -rows, -columns)
            shadow |= sunward > self.height + step * self.step_m * up / flat + 0.2
        return shadow


def shifted(field: Field, rows: int, columns: int) -> Field:
    """Return the field moved down and right; what moves in repeats the edge."""
    height, width = field.shape
    row_places = np.clip(np.arange(height) - rows, 0, height - 1)
    column_places = np.clip(np.arange(width) - columns, 0, width - 1)
    return field[row_places][:, column_places]


def box_corners(centre: Point, length_m: float, width_m: float, turn_deg: float) -> list[Point]:
    """Return the corners of a rectangle whose length points ``turn_deg`` below the x axis."""
    (x, y), turn = centre, math.radians(turn_deg)
    ahead = (math.cos(turn) * length_m / 2, math.sin(turn) * length_m / 2)
    aside = (-math.sin(turn) * width_m / 2, math.cos(turn) * width_m / 2)
    return [
        (x + a * ahead[0] + b * aside[0], y + a * ahead[1] + b * aside[1])
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
