"""One small head an attribute, which finds in an image the region that the attribute is about.

Varma et al. 2023, "ViLLA: Fine-Grained Vision-Language Representation Learning from Real-World
Data", section 4.1, arXiv:2308.11194: an image has an attribute as far as its best region has it,
and only of images is it known whether they have it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

    AttributeLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
    """From scores (N, A) by temperature, present (N, A) and absent (N, A) to a scalar."""


class AttributeHeads(nn.Module):
    """Two layers an attribute, from the features of a region to the space of the texts.

    Args:
        attributes: A.
        features: D, what a region has.
        hidden: H, between the layers.
        texts: E, what an attribute's text has.
        seed: of the first weights.
    """

    def __init__(
        self, attributes: int, features: int, hidden: int, texts: int, seed: int = 0
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def drawn(*shape: int) -> nn.Parameter:
            bound = 1 / math.sqrt(shape[-2])
            return nn.Parameter((2 * torch.rand(shape, generator=generator) - 1) * bound)

        self.inner, self.outer = (
            drawn(attributes, features, hidden),
            drawn(attributes, hidden, texts),
        )
        self.inner_bias = nn.Parameter(torch.zeros(attributes, 1, hidden))
        self.outer_bias = nn.Parameter(torch.zeros(attributes, 1, texts))

    def forward(self, features: Tensor, texts: Tensor) -> Tensor:
        """Return the cosine of each region with each attribute, by the attribute's own head.

        Args:
            features: (R, D).
            texts: (A, E) unit length.

        Returns:
            (R, A).
        """
        hidden = F.relu(features @ self.inner + self.inner_bias)  # (A, R, H)
        vectors = F.normalize(hidden @ self.outer + self.outer_bias, dim=2)  # (A, R, E)
        return (vectors @ texts[:, :, None])[:, :, 0].T


def best_of_image(scores: Tensor, images: Tensor, count: int) -> Tensor:
    """Return the score of an image's best region for each attribute, (N, A).

    Args:
        scores: (R, A) of regions.
        images: (R,) the image of each region; each image has one or more.
        count: N.
    """
    places = images[:, None].expand(-1, scores.shape[1])
    empty = scores.new_full((count, scores.shape[1]), -math.inf)
    return empty.scatter_reduce(0, places, scores, "amax", include_self=False)


def attribute_loss(scores: Tensor, present: Tensor, absent: Tensor) -> Tensor:
    """Return how badly images with an attribute are told from those without, in nats.

    For each image that has an attribute: the cross entropy of its score against those of all images
    of the batch that lack it; the mean over all such cases.

    Args:
        scores: (N, A) cosines over the temperature.
        present: (N, A) the image has it.
        absent: (N, A) the image lacks it; where neither is true nothing is known.
    """
    return _contest(scores, present, _others(scores, absent))


def attribute_loss_as_released(scores: Tensor, present: Tensor, absent: Tensor) -> Tensor:
    """Return the same as the authors' code has it, for comparison only.

    Its sum of wrong answers also has a term of exp(0) for each image with the attribute
    (villa/losses/stage1_losses.py of github.com/StanfordMIMI/villa). There, each image that does
    not have an attribute lacks it.
    """
    ones = present.sum(dim=0, keepdim=True).to(scores.dtype).log()  # (1, A), -inf for none
    return _contest(scores, present, torch.logaddexp(_others(scores, absent), ones))


def _others(scores: Tensor, absent: Tensor) -> Tensor:
    """Return the logarithm of the sum over images that lack an attribute, (1, A)."""
    return scores.masked_fill(~absent, -math.inf).logsumexp(dim=0, keepdim=True)


def _contest(scores: Tensor, present: Tensor, others: Tensor) -> Tensor:
    cases = torch.logaddexp(scores, others.expand_as(scores)) - scores
    return cases.masked_fill(~present, 0).sum() / present.sum().clamp(min=1)
