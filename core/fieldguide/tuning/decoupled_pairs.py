"""Images and texts that nothing pairs, drawn beside each other until each image met each text.

Wang et al. 2022, "MedCLIP: Contrastive Learning from Unpaired Medical Images and Text", section
3.1, arXiv:2210.10163: N images and M texts, each with entity labels of their own, make N x M
pairs, not the few that happen to come together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fieldguide.tuning.draws import PAIRS, Pool, generator_of
from fieldguide.tuning.texts import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator

UNPAIRED = "texts"
"""Name of the stream."""


@dataclass(frozen=True)
class DecoupledPairSampler:
    """Gives image and text to each other by chance; in M passes each of N x M pairs comes once.

    A pass shows each image once, in an order of its own, and in pass t image i gets the text at
    place (i + shift of t) of a shuffled list. What is drawn depends on the seed and the number of
    the step alone: that number is the whole state of a run that goes on.

    Attributes:
        images: N.
        texts: M.
        seed: decides all.

    Raises:
        ValueError: there is no image or no text.
    """

    images: int
    texts: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse nothing to draw from."""
        if self.images < 1 or self.texts < 1:
            raise ValueError(f"{self.images} images and {self.texts} texts make no pair")

    def __len__(self) -> int:
        """Return how many pairs there are."""
        return self.images * self.texts

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the number of an image and of a text, each pair once."""
        for step in range(len(self)):
            rows, numbers = self.batch(step, 1)
            yield int(rows[0]), int(numbers[0])

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Return the images (size,) of a step, and for each of them a text (size,).

        Args:
            step: number of the batch, from 0; it is all that a run has to remember.
            size: images a step.
        """
        pool = Pool(torch.arange(self.images), size)
        rows = pool.drawn(step, self.seed)
        return rows, self.texts_of(rows, pool.passes(step))

    def texts_of(self, rows: Tensor, passes: Tensor) -> Tensor:
        """Return the text that each image gets, (B,).

        Args:
            rows: (B,) numbers of images.
            passes: (B,) how often each was drawn before.
        """
        order, shifts = self._orders
        return order[(rows + shifts[passes % self.texts]) % self.texts]

    @cached_property
    def _orders(self) -> tuple[Tensor, Tensor]:
        """The list of texts and the shifts, both (M,)."""
        order, shifts = (
            torch.randperm(self.texts, generator=generator_of(self.seed, PAIRS, number))
            for number in range(2)
        )
        return order, shifts


@dataclass(frozen=True, eq=False)
class UnpairedTexts:
    """Texts that belong to no image; which ones are near it is said by attributes alone.

    A stream of ``fieldguide.tuning.texts``. Images and texts with the same attributes share a key,
    for losses that go by keys; ``medclip`` compares the attributes themselves. Images without a
    key, of which nothing is known, draw no text.

    Attributes:
        texts: M texts.
        text_keys: (M,) int64, number of the text's attributes among all.
        image_keys: (N, 1) int64, that of the image, -1 where nothing is known of it.
        text_attributes: (M, L) float from -1 to 1.
        sampler: gives each image a text.
    """

    name: str
    texts: tuple[str, ...]
    text_keys: Tensor
    image_keys: Tensor
    text_attributes: Tensor
    sampler: DecoupledPairSampler
    weight: float = 1.0

    def draw(
        self, rows: Tensor, generator: torch.Generator, passes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw as many texts as images, each once; see ``Stream``.

        Args:
            rows: (B,) images of the batch.
            generator: not used: the sampler's seed and the passes decide.
            passes: (B,) how often each image was drawn before; None for never.
        """
        before = torch.zeros_like(rows) if passes is None else passes
        known = self.image_keys[rows, 0] != MISSING
        numbers = torch.unique(self.sampler.texts_of(rows[known], before[known]))
        return numbers, self.text_keys[numbers, None]

    def take(self, rows: Tensor) -> UnpairedTexts:
        """Return the same texts beside some of the images only, in that order."""
        sampler = replace(self.sampler, images=max(1, len(rows)))
        return replace(self, image_keys=self.image_keys[rows], sampler=sampler)


def unpaired_texts(
    texts: tuple[str, ...], text_attributes: Tensor, image_attributes: Tensor, seed: int = 0
) -> UnpairedTexts:
    """Return the stream of images and texts that only their attributes join.

    Args:
        texts: M texts.
        text_attributes: (M, L) from -1 to 1.
        image_attributes: (N, L) likewise; of a row of zeros nothing is known.
        seed: of the sampler.

    Raises:
        ValueError: the attributes differ in number.
    """
    every = torch.cat([image_attributes, text_attributes])
    _, keys = torch.unique(every, dim=0, return_inverse=True)
    count = len(image_attributes)
    known = (image_attributes != 0).any(dim=1)
    image_keys = torch.where(known, keys[:count], torch.tensor(MISSING))
    return UnpairedTexts(
        name=UNPAIRED,
        texts=texts,
        text_keys=keys[count:],
        image_keys=image_keys[:, None],
        text_attributes=text_attributes,
        sampler=DecoupledPairSampler(count, len(texts), seed),
    )
