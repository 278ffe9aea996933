"""An empty tile, two dyes to put on it, and the light that comes through.

Colours follow the law of Beer and Lambert. The absorption of haematoxylin is that of Ruifrok and
Johnston 2001, "Quantification of histochemical staining by color deconvolution"; that of eosin, of
Macenko et al. 2009, "A method for normalizing histology slides for quantitative analysis".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Map = NDArray[np.float64]
Place = tuple[slice, slice]
"""Rows and columns of the drawing."""

HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.2159, 0.8012, 0.5581])
LIGHT = np.array([245.0, 240.0, 246.0])

OVERSAMPLING = 2


class StainedTile:
    """A tile while it is drawn, at twice its final size.

    Attributes:
        side_px: of the drawing; the picture has half of it.
        random: source of every choice.
        haematoxylin: (side, side) optical density of the blue dye.
        eosin: (side, side) optical density of the pink dye.
        grain: (side, side) around 1, how coarse the inside of a nucleus is.
    """

    def __init__(self, size_px: int, seed: int) -> None:
        self.side_px = size_px * OVERSAMPLING
        self.random = np.random.default_rng(seed)
        self.haematoxylin: Map = np.zeros((self.side_px, self.side_px))
        self.eosin: Map = np.zeros((self.side_px, self.side_px))
        self.grain: Map = np.clip(self.noise(6, 0.35), 0.5, 1.5)

    def noise(self, grain_px: float, spread: float) -> Map:
        """Return (side, side) smooth noise around 1, never negative."""
        cells = max(2, round(self.side_px / grain_px))
        coarse = self.random.normal(0, 1, (cells, cells)).astype(np.float32)
        fine = Image.fromarray(coarse).resize((self.side_px,) * 2, Image.Resampling.BICUBIC)
        return np.maximum(1 + spread * np.asarray(fine, dtype=np.float64), 0)

    def fibres(self, angle: float, width_px: float) -> Map:
        """Return (side, side) from 0 to 1: wavy parallel fibres."""
        rows, columns = np.mgrid[: self.side_px, : self.side_px]
        across = columns * math.sin(angle) + rows * math.cos(angle)
        across = across + 35 * self.noise(110, 1) + 6 * self.noise(25, 1)
        return np.asarray(0.5 + 0.5 * np.sin(across * math.pi / width_px))

    def points(self, count: int) -> Map:
        """Return about ``count`` points (N, 2), x and y, that keep apart; some lie off the tile."""
        margin = 0.15 * self.side_px
        apart_px = 0.72 * (self.side_px + 2 * margin) / math.sqrt(count)
        kept = np.empty((0, 2))
        for point in self.random.uniform(-margin, self.side_px + margin, (40 * count, 2)):
            if (np.hypot(*(kept - point).T) > apart_px).all():
                kept = np.vstack([kept, point])
        return kept

    def border_distance(self, seeds: Map) -> Map:
        """Return (side, side): how far it is to the border of the seed's cell, in pixels."""
        rows, columns = np.mgrid[: self.side_px, : self.side_px]
        x = (columns + 10 * self.noise(60, 1)).astype(np.float32)
        y = (rows + 10 * self.noise(60, 1)).astype(np.float32)
        nearest = np.full(x.shape, np.inf, dtype=np.float32)
        second = nearest.copy()
        for seed_x, seed_y in seeds.astype(np.float32):
            distance = np.sqrt((x - seed_x) ** 2 + (y - seed_y) ** 2)
            second = np.minimum(second, np.maximum(nearest, distance))
            nearest = np.minimum(nearest, distance)
        return ((second - nearest) / 2).astype(np.float64)

    def blob(
        self, centre: Map, radii: tuple[float, float], angle: float, rough: float
    ) -> tuple[Place, Map]:
        """Draw a soft, uneven ellipse.

        Args:
            centre: x, y.
            radii: along and across ``angle``, in pixels.
            angle: in radians.
            rough: how far the outline strays, as a share of the radius.

        Returns:
            The part of the tile that it lies in, and its values there, 0 to 1.
        """
        turns = np.linspace(0, 2 * math.pi, 48, endpoint=False)
        stray = np.ones_like(turns)
        for wave, (a, b) in enumerate(self.random.normal(0, rough, (3, 2)), 2):
            stray += a * np.cos(wave * turns) + b * np.sin(wave * turns)
        x, y = radii[0] * stray * np.cos(turns), radii[1] * stray * np.sin(turns)
        cosine, sine = math.cos(angle), math.sin(angle)
        outline = np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=1) + centre
        left, top = np.clip(np.floor(outline.min(axis=0)) - 4, 0, self.side_px).astype(int)
        right, bottom = np.clip(np.ceil(outline.max(axis=0)) + 4, 0, self.side_px).astype(int)
        image = Image.new("L", (max(1, right - left), max(1, bottom - top)))
        ImageDraw.Draw(image).polygon([tuple(point) for point in outline - (left, top)], fill=255)
        soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2)), dtype=np.float64) / 255
        place = (slice(top, bottom), slice(left, right))
        return place, soft[: bottom - top, : right - left]

    def add_nucleus(
        self, centre: Map, radii: tuple[float, float], angle: float, density: float
    ) -> None:
        """Put a nucleus on the tile: blue, with a dark rim and coarse chromatin."""
        place, shape = self.blob(centre, radii, angle, 0.05)
        rows, columns = np.mgrid[place]
        along = (columns - centre[0]) * math.cos(angle) + (rows - centre[1]) * math.sin(angle)
        across = (rows - centre[1]) * math.cos(angle) - (columns - centre[0]) * math.sin(angle)
        depth = np.clip(np.hypot(along / radii[0], across / radii[1]), 0, 1)
        chromatin = density * shape * (0.6 + 0.4 * depth**3) * self.grain[place]
        self.haematoxylin[place] = np.maximum(self.haematoxylin[place] * (1 - shape), chromatin)
        self.eosin[place] *= 1 - 0.5 * shape

    def add_red_cell(self, centre: Map, radius_px: float) -> None:
        """Put a red blood cell on the tile: a small disc that takes eosin only."""
        squeeze = float(self.random.uniform(0.5, 1))
        angle = float(self.random.uniform(0, math.pi))
        place, disc = self.blob(centre, (radius_px, radius_px * squeeze), angle, 0.03)
        self.eosin[place] = np.maximum(self.eosin[place], 0.7 * disc)

    def fill(self, where: tuple[Place, Map], *, haematoxylin: Map, eosin: Map) -> None:
        """Replace both dyes in a blob; the maps cover the whole tile."""
        place, shape = where
        for dye, new in ((self.haematoxylin, haematoxylin), (self.eosin, eosin)):
            dye[place] = dye[place] * (1 - shape) + new[place] * shape

    def picture(self) -> Image.Image:
        """Return the light that comes through, as an RGB picture of the final size."""
        density = self.haematoxylin[..., None] * HAEMATOXYLIN + self.eosin[..., None] * EOSIN
        density = density + 0.012 * self.random.normal(0, 1, (*self.eosin.shape, 1))
        light = np.clip(LIGHT * 10**-density, 0, 255).round().astype(np.uint8)
        image = Image.fromarray(light).filter(ImageFilter.GaussianBlur(0.8))
        return image.reduce(OVERSAMPLING)
