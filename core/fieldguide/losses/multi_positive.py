"""Losses that know when several texts fit an image, and several images a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.losses.keys import SharedKeys
from fieldguide.losses.targets import SharedKeyTargets
from fieldguide.losses.tiles import cross_entropy

if TYPE_CHECKING:
    from torch import Tensor

    from fieldguide.losses.sides import Side


@dataclass(frozen=True)
class MultiPositive:
    """InfoNCE in which everything that shares a key is right, each with the same share.

    The target of a row is spread evenly over its positives: the form "out" of Khosla et al. 2020,
    "Supervised Contrastive Learning", equation 2, arXiv:2004.11362, between two modalities. Where
    no key occurs twice on a side it equals :class:`~fieldguide.losses.infonce.InfoNCE`.

    The sides may differ in length. With N images and the prompts of all classes, the direction
    image to text is the cross-entropy of a classifier whose weights are the prompts.

    Attributes:
        weights: of image to text and text to image.
    """

    weights: tuple[float, float] = (0.5, 0.5)

    def __call__(self, images: Side, texts: Side, scale: Tensor, bias: Tensor) -> Tensor:
        """Return the loss, see :class:`~fieldguide.losses.sides.Loss`; the bias has no part in it.

        Raises:
            ValueError: the shapes of the sides do not fit.
        """
        targets = SharedKeyTargets(SharedKeys.of(images, texts))
        return cross_entropy(images.vectors, texts.vectors, scale, targets, self.weights)


def class_level() -> MultiPositive:
    """Return the loss of AdaptCLIPZS: the sum, not the mean, of both directions.

    Saha et al. 2024, "Improved Zero-Shot Classification by Adapting VLMs with Text Descriptions",
    arXiv:2401.02460. Each image comes with one description of its class, keys are classes.
    """
    return MultiPositive(weights=(1.0, 1.0))
