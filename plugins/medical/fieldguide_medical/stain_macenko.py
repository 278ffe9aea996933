"""Stain normalisation by the two dyes of a picture.

Macenko et al. 2009, "A method for normalizing histology slides for quantitative analysis" (ISBI,
doi:10.1109/ISBI.2009.5193250): in optical density every pixel is a mix of two dyes, so all lie in a
plane and their extreme directions are the dyes. The amounts of both are kept and drawn with the
dyes of a target. Percentiles and limits are those of the authors' colleague's public code
(github.com/mitkovetta/staining-normalization). Other than that code, the plane is turned towards
the tissue, so that no angle wraps around, and pixels are rounded and not cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field

from fieldguide.specs import Record
from fieldguide_medical.stain_density import (
    MAX_GAIN,
    MIN_DENSITY,
    NotStainedError,
    Pixels,
    Three,
    Values,
    density,
    light,
    measured,
    require_tissue,
    three,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ALPHA = 1.0
"""Percent of the pixels whose directions are more extreme than the dyes."""
MOST = 99.0
"""Percentile of the amounts that stands for the most of a dye."""
MIN_ANGLE = 5.0
"""Degrees between both dyes: below it there is one colour only."""


class Dyes(Record):
    """Two dyes and how much there is of them.

    Attributes:
        haematoxylin: unit direction in optical density; takes more red than the other.
        eosin: unit direction in optical density.
        most: 99th percentile of the amount of each.
        source: where published values come from.
    """

    haematoxylin: Three
    eosin: Three
    most: tuple[float, float] = Field(description="in natural logarithms")
    source: str = ""

    @classmethod
    def of(cls, pixels: Pixels) -> Self:
        """Measure the dyes of pixels.

        Raises:
            NotStainedError: too little tissue, or one colour only.
        """
        densities = density(measured(pixels))
        tissue = densities[(densities >= MIN_DENSITY).all(axis=1)]
        require_tissue(len(tissue))
        first, second = _extremes(tissue)
        if first[0] < second[0]:
            first, second = second, first
        amounts = _amounts(densities, np.stack([first, second]))
        most = np.percentile(amounts, MOST, axis=0)
        return cls(haematoxylin=three(first), eosin=three(second),
                   most=(float(most[0]), float(most[1])))  # fmt: skip

    @property
    def directions(self) -> Values:
        """(2, 3), haematoxylin first."""
        return np.array([self.haematoxylin, self.eosin])


@dataclass(frozen=True)
class Macenko:
    """Redraws pictures with the dyes of a target.

    Attributes:
        target: the dyes to draw with.
    """

    target: Dyes

    @classmethod
    def like(cls, pixels: Pixels) -> Self:
        """Return what makes pictures look like these pixels.

        Raises:
            NotStainedError: their dyes cannot be told.
        """
        return cls(Dyes.of(pixels))

    def fit(self, pixels: Pixels) -> Callable[[Pixels], Pixels]:
        """Return what redraws pixels that were stained as these were.

        Args:
            pixels: (..., 3), all of a slide's sample or of a tile.

        Raises:
            NotStainedError: their dyes cannot be told, or are too faint to be drawn anew.
        """
        own = Dyes.of(pixels)
        gain = np.array(self.target.most) / np.maximum(own.most, 1e-9)
        if gain.max() > MAX_GAIN:
            raise NotStainedError("one of its stains is too faint")
        to_own = np.linalg.pinv(own.directions)  # (3, 2)
        change = to_own @ (gain[:, None] * self.target.directions)  # (3, 3)
        return lambda part: light(density(part) @ change)


def _extremes(tissue: Values) -> tuple[Values, Values]:
    """Return the unit directions at both ends of the plane of the dyes."""
    _, vectors = np.linalg.eigh(np.cov(tissue.T))
    plane = vectors[:, 1:]  # (3, 2)
    middle = tissue.mean(axis=0) @ plane
    flat = tissue @ plane
    angles = np.arctan2(middle[0] * flat[:, 1] - middle[1] * flat[:, 0], flat @ middle)
    low, high = np.percentile(angles, (ALPHA, 100 - ALPHA))
    if np.degrees(high - low) < MIN_ANGLE:
        raise NotStainedError("it has one colour only")
    along = middle / np.linalg.norm(middle)
    across = np.array([-along[1], along[0]])
    first, second = (plane @ (np.cos(a) * along + np.sin(a) * across) for a in (low, high))
    return first, second


def _amounts(densities: Values, directions: Values) -> Values:
    """Return (N, 2): how much of each dye there is, by least squares."""
    return np.asarray(densities @ np.linalg.pinv(directions))
