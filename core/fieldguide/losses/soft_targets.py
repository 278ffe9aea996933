"""Losses that do not count as a negative what means nearly the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from fieldguide.errors import TuningError
from fieldguide.losses.keys import SharedKeys
from fieldguide.losses.similarity import SimilarityTargets, mean_of_partners
from fieldguide.losses.targets import Mixture, SharedKeyTargets
from fieldguide.losses.tiles import cross_entropy, wide

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldguide.losses.sides import Side

BOTH = (0.5, 0.5)


def unit_length(labels: Tensor) -> Tensor:
    """Return (N, L) label vectors divided by their length, so that products are cosines."""
    return F.normalize(labels, dim=1)


def as_given(labels: Tensor) -> Tensor:
    """Return (N, L) label vectors as they are, so that products count the labels shared."""
    return labels


@dataclass(frozen=True)
class SemanticMatching:
    """Draw an image to each text as far as their label vectors agree; no pairing is needed.

    Wang et al. 2022, "MedCLIP: Contrastive Learning from Unpaired Medical Images and Text",
    equations 3 to 6, arXiv:2210.10163. Images and texts may come from different patients and
    differ in number; both sides have attributes, such as findings in {-1, 0, 1}. The target of an
    image is the softmax of its label similarities to all texts, and that of a text likewise. A row
    whose attributes are all 0 is equally similar to everything.

    Attributes:
        prepare: what is done to label vectors before their products are taken. The paper has
            cosines; the authors' code takes the products of the vectors as they are.
        sharpness: multiplied by the similarity; 1 in the paper. With large values only the most
            similar remain targets.
    """

    prepare: Callable[[Tensor], Tensor] = unit_length
    sharpness: float = 1.0

    def __call__(self, images: Side, texts: Side, scale: Tensor, bias: Tensor) -> Tensor:
        """Return the loss, see :class:`~fieldguide.losses.sides.Loss`; the bias has no part in it.

        Raises:
            TuningError: a side has no attributes, or they differ in number.
        """
        labels, others = attributes_of(images, texts, "medclip")
        targets = SimilarityTargets(self.prepare(labels), self.prepare(others), self.sharpness)
        return cross_entropy(images.vectors, texts.vectors, scale, targets, BOTH)


def medclip_dot() -> SemanticMatching:
    """Return MedCLIP's loss as its authors released it: plain products of label vectors."""
    return SemanticMatching(prepare=as_given)


@dataclass(frozen=True)
class ContextualTargets:
    """InfoNCE whose target gives a share to captions that resemble the own one.

    After Nguyen Quoc et al. 2025, "A Vision-Language Foundation Model for Leaf Disease
    Identification" (SCOLD), arXiv:2505.07019: the target is (1 - softness) * hard + softness *
    softmax(sharpness * similarity). The hard part is spread over everything that shares a key, so
    duplicates of one caption get equal shares. The similarity of an image and a text is that of
    the image's own captions in the batch to the text, by the vectors of the text tower, without
    gradient; that of the images joins it by ``image_share``. The form and the defaults are ours:
    only the idea is the paper's.

    Attributes:
        softness: share of the soft part; 0 gives multi-positive InfoNCE.
        sharpness: of the soft part, times a cosine.
        image_share: of the images' similarity, between 0 (captions only) and 1.
    """

    softness: float = 0.2
    sharpness: float = 10.0
    image_share: float = 0.0

    def __call__(self, images: Side, texts: Side, scale: Tensor, bias: Tensor) -> Tensor:
        """Return the loss, see :class:`~fieldguide.losses.sides.Loss`; the bias has no part in it.

        Raises:
            ValueError: the shapes of the sides do not fit.
        """
        keys = SharedKeys.of(images, texts)
        soft = self._soft(keys, images.vectors, texts.vectors)
        targets = Mixture(SharedKeyTargets(keys), soft, self.softness)
        return cross_entropy(images.vectors, texts.vectors, scale, targets, BOTH)

    def _soft(self, keys: SharedKeys, images: Tensor, texts: Tensor) -> SimilarityTargets:
        """Return targets by (1 - p) * captions of i @ text j + p * image i @ images of j."""
        captions, pictures = mean_of_partners(keys, images, texts)
        own = torch.cat([(1 - self.image_share) * captions, self.image_share * images], dim=1)
        return SimilarityTargets(own, torch.cat([texts, pictures], dim=1), self.sharpness)


def attributes_of(images: Side, texts: Side, loss: str) -> tuple[Tensor, Tensor]:
    """Return the attributes (N, L) and (M, L) of both sides in the dtype of the computation.

    Raises:
        TuningError: a side has none, or they differ in number.
    """
    if images.attributes is None or texts.attributes is None:
        raise TuningError(
            f"The loss {loss} needs attributes of images and texts, such as findings, and these "
            "data have none. Choose another one: --loss multi_positive."
        )
    widths = (images.attributes.shape[1], texts.attributes.shape[1])
    if widths[0] != widths[1]:
        raise TuningError(
            f"The loss {loss} needs the same attributes of images and texts, but images have "
            f"{widths[0]} and texts {widths[1]}. Choose another one: --loss multi_positive."
        )
    dtype = wide(images.vectors, texts.vectors)[0].dtype
    return images.attributes.to(dtype), texts.attributes.to(dtype)
