"""Small objects: an image is looked at again where something of the likeliest labels may be.

Saranrittichai et al. 2023, "Zero-Shot Visual Classification with Guided Cropping"
(arXiv:2309.06581): what an encoder sees of the whole image is mostly its surroundings where the
object is small. The likeliest labels of the whole image guide a search for a box, and the crop
around it says which of them it is. The paper's boxes come from OWL-ViT; here whatever finds boxes
is a :class:`BoxProposer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.special import logsumexp

from fieldguide.data.crop_geometry import enlarged_to_image, whole_picture
from fieldguide.errors import UsageError
from fieldguide.samples import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Row
    from fieldguide.models.embeddings import Embeddings
    from fieldguide.zeroshot.choose import Classifier

Pixels = tuple[int, int, int, int]
"""First column, first row, last column and last row of a box, all four inside it."""
LookAgain = Callable[["Item", Sequence[Window]], "Embeddings | None"]
"""Embeds windows of an image, in their order; None where one of them cannot be read."""


@dataclass(frozen=True)
class Look:
    """One image in which a box is looked for.

    Attributes:
        item: the image.
        size_px: its height and width.
        names: the k likeliest labels of the image as a whole, best first.
        whole: (k,) their logits.
        logits: gives (n, k) logits of n windows for these labels; None where one cannot be read.
    """

    item: Item
    size_px: tuple[int, int]
    names: tuple[str, ...]
    whole: NDArray[np.float64]
    logits: Callable[[Sequence[Window]], NDArray[np.float64] | None]


class LooksAgain(Protocol):
    """Classifies images by looking at them again, and not only at their vectors."""

    def logits_of_rows(self, images: Embeddings, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Return (N, C) logits of N images by their vectors and rows."""
        ...


class BoxProposer(Protocol):
    """Finds where in an image one of some labels is."""

    def propose(self, look: Look) -> Pixels | None:
        """Return the best box, inside the image; None where nothing is found."""
        ...


@dataclass(frozen=True)
class GuidedCrop:
    """How images are looked at again.

    Attributes:
        proposer: finds the box.
        margins: what the box is enlarged by: 0 is the box, 1 is the whole image, and each crop
            between them is looked at; the paper's is 0.2.
        top: how many of the likeliest labels come into question, the paper's k; None for all, where
            the whole image says too little of a small object to choose them by.
        weight: of the crops in the mean of the logits with those of the whole image, 0 to 1.

    Raises:
        UsageError: settings that make no sense.
    """

    proposer: BoxProposer
    margins: tuple[float, ...] = (0.2,)
    top: int | None = 5
    weight: float = 0.5

    def __post_init__(self) -> None:
        """Refuse settings that would crop nothing."""
        if not self.margins or not all(0 <= margin <= 1 for margin in self.margins):
            raise UsageError(
                "Margins of guided crops are shares from 0 (the box) to 1 (the image)."
            )
        if (self.top is not None and self.top < 1) or not 0 <= self.weight <= 1:
            raise UsageError("Guided crops take one label or more, and a weight from 0 to 1.")

    def crops(self, pixels: Pixels, size_px: tuple[int, int]) -> list[Window]:
        """Return the crops around a box that are not the whole image."""
        windows = [enlarged_to_image(pixels, size_px, margin) for margin in self.margins]
        return [window for window in windows if not whole_picture(window, size_px)]


@dataclass(frozen=True)
class GuidedCropClassifier:
    """A classifier that looks at each image again; its labels are those of another classifier.

    The probability that the k likeliest labels have together stays theirs, and is divided among
    them anew; those of all other labels stay as they are. So the answer is always one of the k,
    and where no box is found, or the box is the whole image, it is that of the other classifier.

    Attributes:
        plain: what classifies whole images and crops.
        guided: how images are looked at again.
        size_px: returns height and width of an image, or None where it cannot be looked at again.
        look_again: embeds windows of an image.
    """

    plain: Classifier
    guided: GuidedCrop
    size_px: Callable[[Item], tuple[int, int] | None]
    look_again: LookAgain

    @property
    def labels(self) -> tuple[str, ...]:
        """C labels."""
        return self.plain.labels

    def logits_of_rows(self, images: Embeddings, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Return (N, C) logits of N images that are looked at again, where a box is found.

        Args:
            images: their vectors, as wholes.
            rows: what they are.

        Raises:
            SpaceMismatchError: the images were embedded by another model.
        """
        logits = self.plain.logits(images)
        for place, row in enumerate(rows):
            logits[place] = self._guided(logits[place], row.item)
        return logits

    def _guided(self, whole: NDArray[np.float64], item: Item) -> NDArray[np.float64]:
        """Return the (C,) logits of one image by its (C,) logits as a whole."""
        size_px = None if item.window is not None else self.size_px(item)
        if size_px is None:
            return whole
        best = np.argsort(-whole, kind="stable")[: self.guided.top]

        def logits(windows: Sequence[Window]) -> NDArray[np.float64] | None:
            found = self.look_again(item, windows)
            return None if found is None else self.plain.logits(found)[:, best]

        names = tuple(self.labels[place] for place in best)
        look = Look(item, size_px, names, whole[best], logits)
        pixels = self.guided.proposer.propose(look)
        crops = [] if pixels is None else self.guided.crops(pixels, size_px)
        seen = logits(crops) if crops else None
        if seen is None:
            return whole
        share = self.guided.weight
        return divided_anew(whole, best, (1 - share) * whole[best] + share * seen.mean(axis=0))


def divided_anew(
    logits: NDArray[np.float64], best: NDArray[np.intp], among: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return logits in which the probability of some labels is divided among them by new logits.

    Args:
        logits: (C,) of all labels.
        best: (k,) places of those labels.
        among: (k,) their new logits.
    """
    changed = logits.copy()
    changed[best] = among - logsumexp(among) + logsumexp(logits[best])
    return changed
