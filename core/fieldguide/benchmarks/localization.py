"""How well a heat map of a text marks the regions that the text is about.

Yuan et al. 2022, "Learning to Evaluate Performance of Multi-modal Semantic Localization",
arXiv:2209.06515, with the constants of the authors' code (``SLM.py``, MIT licence), which
GeoRSCLIP's evaluation uses unchanged (Zhang et al. 2023, arXiv:2306.11300).

- ``Rsu``, higher is better: how much of the heat lies inside the regions, for their size.
- ``Ras``, lower is better: how far the centres of attention are from the regions' middles.
- ``Rda``, higher is better: whether the attention on a region is one point.
- ``Rmi``, higher is better: ``0.4 Rsu + 0.35 (1 - Ras) + 0.25 Rda``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from fieldguide.benchmarks.attention import attention_centres

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Polygon = Sequence[tuple[float, float]]
    Point = tuple[int, int]

SALIENT_AREA_RATE = 0.707
NO_HEAT_OUTSIDE = 1e-7
RADIUS_FACTOR = 1.5
SHIFT_RATE = 3.0
MANY_CENTRES_RATE = 0.5
SALIENT_AREA_WEIGHT, SHIFT_WEIGHT, CONCENTRATION_WEIGHT = 0.4, 0.35, 0.25


@dataclass(frozen=True, slots=True)
class Disc:
    """The surroundings of a region, within which attention counts as attention on it.

    Attributes:
        x_px: column of the middle.
        y_px: row of the middle.
        radius_px: 1.5 times the mean distance of the region's corners from the middle.
    """

    x_px: int
    y_px: int
    radius_px: int

    def distance_px(self, point: Point) -> float:
        """Return how far a point (x, y) is from the middle."""
        return math.hypot(self.x_px - point[0], self.y_px - point[1])


@dataclass(frozen=True, slots=True)
class LocalizationScores:
    """The four figures of one heat map, 0 to 1; of ``ras`` less is better."""

    rsu: float
    ras: float
    rda: float

    @property
    def rmi(self) -> float:
        """The weighted mean of the other three."""
        return (
            SALIENT_AREA_WEIGHT * self.rsu
            + SHIFT_WEIGHT * (1 - self.ras)
            + CONCENTRATION_WEIGHT * self.rda
        )


def localization_scores(
    heat: NDArray[np.floating], regions: Sequence[Polygon]
) -> LocalizationScores:
    """Return the figures of one heat map.

    Args:
        heat: (H, W), 0 to 1.
        regions: one or more polygons, corners as (x, y) in pixels of the map.

    Raises:
        ValueError: the map is not 0 to 1, or a region is missing, a point, or outside the map.
    """
    if heat.ndim != 2 or not heat.size or np.isnan(heat).any():
        raise ValueError(f"a heat map of {heat.shape} must be (H, W) without NaN")
    if heat.min() < 0 or heat.max() > 1:
        raise ValueError(f"a heat map from {heat.min()} to {heat.max()} must be from 0 to 1")
    if not regions:
        raise ValueError("there is no region")
    discs = [region_disc(region) for region in regions]
    mask = region_mask(regions, (heat.shape[0], heat.shape[1]))
    if not mask.any():
        raise ValueError("the regions lie outside the heat map")
    centres = attention_centres(heat)
    return LocalizationScores(
        rsu=salient_area(heat, mask),
        ras=attention_shift(discs, centres),
        rda=attention_concentration(discs, centres),
    )


def salient_area(heat: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """Return Rsu: ``1 - exp(-0.707 (in / (out + 1e-7)) ((HW - A) / A))``, equation 3 of the paper.

    Args:
        heat: (H, W), 0 to 1.
        mask: (H, W), True inside the regions, of area A.
    """
    inside = float(heat[mask].sum(dtype=np.float64))
    outside = float(heat.sum(dtype=np.float64)) - inside
    area = int(mask.sum())
    return 1 - math.exp(
        -SALIENT_AREA_RATE * (inside / (outside + NO_HEAT_OUTSIDE)) * (mask.size - area) / area
    )


def attention_shift(discs: Sequence[Disc], centres: Sequence[Point]) -> float:
    """Return Ras: ``(exp(3 d) - 1) / (exp(3) - 1)``, d the mean offset in radii.

    The offset of a region is the mean distance of the centres on its disc; a whole radius where
    there is none.
    """
    shifts = []
    for disc in discs:
        near = [d for d in map(disc.distance_px, centres) if d <= disc.radius_px]
        shifts.append(float(np.mean(near)) / disc.radius_px if near else 1.0)
    return math.expm1(SHIFT_RATE * float(np.mean(shifts))) / math.expm1(SHIFT_RATE)


def attention_concentration(discs: Sequence[Disc], centres: Sequence[Point]) -> float:
    """Return Rda: the mean over regions of 0 without a centre, 1 with one, less with several.

    n centres on a disc give ``0.5 (1 - their mean distance from their middle, in radii)
    + exp(-0.5 (n + 2))``.
    """
    found = []
    for disc in discs:
        near = np.array([c for c in centres if disc.distance_px(c) <= disc.radius_px], dtype=float)
        if len(near) <= 1:
            found.append(float(len(near)))
            continue
        spread = float(np.linalg.norm(near - near.mean(axis=0), axis=1).mean()) / disc.radius_px
        found.append(0.5 * (1 - spread) + math.exp(-MANY_CENTRES_RATE * (len(near) + 2)))
    return float(np.mean(found))


def region_disc(region: Polygon) -> Disc:
    """Return the disc around a polygon.

    Raises:
        ValueError: its corners are one point.
    """
    corners = np.array(region, dtype=np.float64).reshape(-1, 2)
    if not len(corners) or not np.isfinite(corners).all():
        raise ValueError(f"{region} is no polygon")
    x, y = (int(corners[:, axis].sum() / len(corners)) for axis in (0, 1))
    mean_px = float(np.linalg.norm(corners - (x, y), axis=1).mean())
    radius_px = int(mean_px * RADIUS_FACTOR)
    if radius_px < 1:
        raise ValueError(f"a region at {x}, {y} is smaller than a pixel")
    return Disc(x, y, radius_px)


def region_mask(regions: Sequence[Polygon], size_px: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (H, W), True inside the polygons and on their edges.

    Args:
        regions: polygons of (x, y); fractions of a pixel are cut off.
        size_px: H and W.
    """
    height, width = size_px
    picture = Image.new("1", (width, height))
    draw = ImageDraw.Draw(picture)
    for region in regions:
        draw.polygon([(int(x), int(y)) for x, y in region], fill=1, outline=1)
    return np.array(picture, dtype=bool)
