"""The loss of CLIP and, with another weight of the directions, that of ConVIRT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.losses.keys import SharedKeys
from fieldguide.losses.targets import OwnPartner, SharedKeyTargets
from fieldguide.losses.tiles import cross_entropy

if TYPE_CHECKING:
    from torch import Tensor

    from fieldguide.losses.sides import Side
    from fieldguide.losses.tiles import Targets


@dataclass(frozen=True)
class InfoNCE:
    """Find the own text among all texts, and the own image among all images.

    Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision",
    figure 3, arXiv:2103.00020; the directions weighted as in Zhang et al. 2020, "Contrastive
    Learning of Medical Visual Representations from Paired Images and Text", equation 4,
    arXiv:2010.00747.

    In a batch of pairs, where row i of the images belongs to row i of the texts, only the own
    partner is a target, and an equal caption beside it counts as a negative. In other batches, such
    as images and class prompts, all that share a key are targets with equal shares.

    Attributes:
        image_to_text_weight: of the search for the text; that for the image has the rest to 1.

    Raises:
        ValueError: the weight is not between 0 and 1.
    """

    image_to_text_weight: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.image_to_text_weight <= 1:
            raise ValueError(f"{self.image_to_text_weight} is no weight between 0 and 1")

    def __call__(self, images: Side, texts: Side, scale: Tensor, bias: Tensor) -> Tensor:
        """Return the loss, see :class:`~fieldguide.losses.sides.Loss`; the bias has no part in it.

        Raises:
            ValueError: the shapes of the sides do not fit.
        """
        keys = SharedKeys.of(images, texts)
        targets: Targets = SharedKeyTargets(keys)
        if keys.is_paired():
            targets = OwnPartner(len(images.vectors), images.vectors.device)
        weights = (self.image_to_text_weight, 1 - self.image_to_text_weight)
        return cross_entropy(images.vectors, texts.vectors, scale, targets, weights)


def convirt() -> InfoNCE:
    """Return ConVIRT's weights: three quarters for the text of an image (section 4.2)."""
    return InfoNCE(image_to_text_weight=0.75)
