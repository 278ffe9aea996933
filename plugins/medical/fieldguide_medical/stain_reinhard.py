"""Stain normalisation by mean and spread of colours.

Reinhard et al. 2001, "Color transfer between images" (IEEE Computer Graphics and Applications 21,
doi:10.1109/38.946629): in the space l-alpha-beta, whose axes are nearly independent, each axis is
shifted and scaled to the mean and standard deviation of a target.
As in the paper all pixels count, the glass beside the tissue too; measuring tissue alone would not
be idempotent, because which pixels count as tissue changes with their colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from fieldguide.specs import Record
from fieldguide_medical.stain_density import (
    MAX_GAIN,
    MIN_DENSITY,
    NotStainedError,
    Pixels,
    Three,
    Values,
    density,
    measured,
    require_tissue,
    three,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TO_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
"""The responses of the eye's cones to red, green and blue; equation 4 of the paper."""
TO_LAB = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
"""Of logarithms of the responses; equation 6."""


class Colours(Record):
    """Mean and spread of colours.

    Attributes:
        mean: of l, alpha and beta, in natural logarithms.
        std: standard deviations.
        source: where published values come from.
    """

    mean: Three
    std: Three
    source: str = ""

    @classmethod
    def of(cls, pixels: Pixels) -> Self:
        """Measure pixels.

        Raises:
            NotStainedError: there is too little tissue among them.
        """
        seen = measured(pixels)
        require_tissue(int((density(seen).mean(axis=-1) >= MIN_DENSITY).sum()))
        lab = to_lab(seen)
        return cls(mean=three(lab.mean(axis=0)), std=three(lab.std(axis=0)))


@dataclass(frozen=True)
class Reinhard:
    """Gives pictures the colours of a target.

    Attributes:
        target: their mean and spread.
    """

    target: Colours

    @classmethod
    def like(cls, pixels: Pixels) -> Self:
        """Return what makes pictures look like these pixels.

        Raises:
            NotStainedError: they show too little tissue.
        """
        return cls(Colours.of(pixels))

    def fit(self, pixels: Pixels) -> Callable[[Pixels], Pixels]:
        """Return what recolours pixels that were stained as these were.

        Args:
            pixels: (..., 3), all of a slide's sample or of a tile.

        Raises:
            NotStainedError: they show too little tissue, or one colour only.
        """
        own = Colours.of(pixels)
        gain = np.array(self.target.std) / np.maximum(own.std, 1e-9)
        if gain.max() > MAX_GAIN:
            raise NotStainedError("it has one colour only")

        return lambda part: to_rgb((to_lab(part) - own.mean) * gain + self.target.mean)


def to_lab(pixels: Pixels) -> Values:
    """Return l, alpha, beta of RGB (..., 3); black counts as 1 of 255, for it has no logarithm."""
    return np.asarray(np.log(np.maximum(pixels, 1.0) @ TO_LMS.T) @ TO_LAB.T)


def to_rgb(lab: Values) -> Pixels:
    """Return RGB of l, alpha, beta (..., 3), clipped to what a byte holds."""
    lms = np.exp(np.clip(lab @ np.linalg.inv(TO_LAB).T, None, 20.0))  # 20: far beyond white
    return np.asarray(np.clip(lms @ np.linalg.inv(TO_LMS).T, 0, 255).round(), np.uint8)
