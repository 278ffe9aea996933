"""Which region of an image an attribute of its text is about, learned from images and texts alone.

Varma et al. 2023, "ViLLA: Fine-Grained Vision-Language Representation Learning from Real-World
Data", arXiv:2308.11194. An image of a report has many regions (organs, slices, tiles) and its text
many attributes (findings); which belongs to which nobody wrote down. First a head an attribute
learns from whole images where it may be; then each attribute goes to the regions that score
nearly as high as the best one, with its sentence of the text. What comes out is pairs of a region
and a text, for any training with pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from fieldguide.data.attribute_heads import AttributeHeads, attribute_loss, best_of_image
from fieldguide.errors import TuningError
from fieldguide.tuning.draws import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.data.attribute_heads import AttributeLoss

TEMPERATURE = 0.07
EPSILON = 0.2
"""Both from the paper's code; epsilon is a difference of cosines."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Frozen features of regions, and what is known of the images they are of.

    Attributes:
        features: (R, D).
        images: (R,) int64, the image of each region, 0 to N - 1; each image has a region.
        present: (N, A) bool, the text says that the image has the attribute.
        absent: (N, A) bool, it is known that the image lacks it.
        texts: (A, E), a vector of each attribute.

    Raises:
        ValueError: the shapes do not fit, an image has no region, or an attribute is there and not.
    """

    features: Tensor
    images: Tensor
    present: Tensor
    absent: Tensor
    texts: Tensor

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        count, attributes = self.present.shape
        if self.absent.shape != self.present.shape or len(self.texts) != attributes:
            raise ValueError("present, absent and texts are not of the same attributes and images")
        if len(self.images) != len(self.features):
            raise ValueError(f"{len(self.features)} regions, {len(self.images)} numbers of images")
        if not torch.equal(torch.unique(self.images), torch.arange(count)):
            raise ValueError(f"not each of {count} images has a region, or there are others")
        if (self.present & self.absent).any():
            raise ValueError("an attribute is present and absent in one image")


@dataclass(frozen=True, eq=False)
class RegionMapping:
    """What a mapper found.

    Attributes:
        assigned: (R, A) bool, the region has the attribute; each attribute of an image is in one of
            its regions or more.
        cosines: (R, A), by the heads.
        losses: of each step, in nats.
    """

    assigned: Tensor
    cosines: Tensor
    losses: tuple[float, ...]

    def precision_recall_f1(self, truth: Tensor) -> tuple[float, float, float]:
        """Compare with the true attributes of regions, (R, A) bool; 0 where nothing is."""
        right = float((self.assigned & truth).sum())
        precision = right / max(1.0, float(self.assigned.sum()))
        recall = right / max(1.0, float(truth.sum()))
        return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


@dataclass(frozen=True)
class RegionAttributeMapper:
    """Learns the heads, and gives each attribute of an image to some of its regions.

    Attributes:
        temperature: of the cosines in training.
        epsilon: cosines below the best one of the image up to which a region gets the attribute
            too; with 0 it is the best one alone.
        hidden: width of a head.
        steps: of training, however few images there are.
        batch_size: images a step; those that lack an attribute are what the others are told from.
        learning_rate: of Adam.
        loss: of a batch; ``attribute_heads.attribute_loss_as_released`` is the authors' code.
        seed: of the heads and the order.
    """

    temperature: float = TEMPERATURE
    epsilon: float = EPSILON
    hidden: int = 64
    steps: int = 500
    batch_size: int = 128
    learning_rate: float = 1e-3
    loss: AttributeLoss = attribute_loss
    seed: int = 0

    def map(self, regions: Regions) -> RegionMapping:
        """Return which regions have which attributes.

        Raises:
            TuningError: no attribute is present in one image and absent in another, so nothing can
                be learned; or the loss is no number.
        """
        both = regions.present.any(dim=0) & regions.absent.any(dim=0)
        if not both.any():
            raise TuningError(
                "No attribute is there in one image and not there in another, so no region can be "
                "told from others. Bring images that lack it, or say -1 where it is not."
            )
        texts = F.normalize(regions.texts.float(), dim=1)
        width = regions.features.shape[1]
        heads = AttributeHeads(len(texts), width, self.hidden, texts.shape[1], self.seed)
        heads.to(regions.features.device)
        losses = tuple(self._steps(heads, regions, texts))
        with torch.no_grad():
            parts = torch.split(regions.features.float(), 1024)
            cosines = torch.cat([heads(part, texts) for part in parts])
        assigned = assign(cosines, regions.images, regions.present, self.epsilon)
        return RegionMapping(assigned, cosines, losses)

    def _steps(self, heads: AttributeHeads, regions: Regions, texts: Tensor) -> Iterator[float]:
        """Train; yield the loss of each step."""
        optimizer = torch.optim.Adam(heads.parameters(), self.learning_rate)
        pool = Pool(torch.arange(len(regions.present)), min(self.batch_size, len(regions.present)))
        places = _places_by_image(regions.images)
        for step in range(self.steps):
            loss = self._loss(heads, regions, texts, pool.drawn(step, self.seed), places)
            if not torch.isfinite(loss):
                raise TuningError(
                    "The loss of the heads is no number. Take a lower learning rate, or look for "
                    "features that are none."
                )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own signature
            optimizer.step()
            yield float(loss.detach())

    def _loss(
        self,
        heads: AttributeHeads,
        regions: Regions,
        texts: Tensor,
        chosen: Tensor,
        places: tuple[Tensor, ...],
    ) -> Tensor:
        rows = torch.cat([places[image] for image in chosen.tolist()])
        lengths = torch.tensor([len(places[image]) for image in chosen.tolist()])
        images = torch.arange(len(chosen)).repeat_interleave(lengths)
        scores = heads(regions.features[rows].float(), texts) / self.temperature
        best = best_of_image(scores, images.to(scores.device), len(chosen))
        return self.loss(best, regions.present[chosen], regions.absent[chosen])


def assign(cosines: Tensor, images: Tensor, present: Tensor, epsilon: float) -> Tensor:
    """Return which regions get which attributes of their image, (R, A) bool.

    Args:
        cosines: (R, A).
        images: (R,) the image of each region.
        present: (N, A) the attributes of the images.
        epsilon: a region whose cosine is above the best one minus this gets the attribute; the
            best one always does.

    Raises:
        ValueError: epsilon is negative or NaN.
    """
    if not epsilon >= 0:
        raise ValueError(f"epsilon {epsilon} is not 0 or more")
    best = best_of_image(cosines, images, len(present))[images]  # (R, A)
    return ((cosines > best - epsilon) | (cosines == best)) & present[images]


def _places_by_image(images: Tensor) -> tuple[Tensor, ...]:
    order = torch.argsort(images, stable=True)
    return tuple(torch.split(order, torch.bincount(images).tolist()))
