"""What each step of a training draws: a function of the seed and the step's number alone.

No generator lives from one step to the next, so a training that goes on at step 1,000 draws what
an undisturbed one does, and every process of several draws the same batch.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from fieldguide.tuning.texts import Stream

ORDER, BATCH, NOISE, PAIRS = 1, 2, 3, 4
"""Kinds of chance, which must not depend on each other: order, draws of a step, dropout, pairs."""


def seed_of(seed: int, kind: int, number: int) -> int:
    """Return a seed for one use; uses that differ in anything get unrelated ones.

    NumPy's ``SeedSequence`` (O'Neill 2015, "Developing a seed_seq alternative") mixes the numbers.
    """
    mixed = np.random.SeedSequence((seed, kind, number)).generate_state(1, np.uint64)
    return int(mixed[0] >> np.uint64(1))  # torch takes 63 bits


def generator_of(seed: int, kind: int, number: int) -> torch.Generator:
    """Return a generator of the processor for one use."""
    return torch.Generator().manual_seed(seed_of(seed, kind, number))


@dataclass(frozen=True)
class Pool:
    """Images of which every batch has a fixed number.

    Attributes:
        rows: places of the images.
        per_batch: how many of them a batch has.
    """

    rows: Tensor
    per_batch: int

    def drawn(self, step: int, seed: int) -> Tensor:
        """Return the images of a step: each once an epoch, in an order of its own each epoch."""
        places, epochs = self._places(step), self.passes(step)
        orders = torch.cat([
            _order(len(self.rows), seed, int(epoch)) for epoch in torch.unique(epochs)
        ])  # fmt: skip
        return self.rows[orders[places - int(epochs[0]) * len(self.rows)]]

    def passes(self, step: int) -> Tensor:
        """Return how often each image of a step was drawn before, (B,)."""
        return self._places(step) // len(self.rows)

    def _places(self, step: int) -> Tensor:
        return torch.arange(step * self.per_batch, (step + 1) * self.per_batch)


@functools.lru_cache(maxsize=8)  # a step asks for the order of one epoch or two
def _order(count: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(count, generator=generator_of(seed, ORDER, epoch))


@dataclass(frozen=True)
class DrawnTexts:
    """The texts that one stream has in a batch.

    Attributes:
        stream: place of the stream.
        numbers: (T,) of the stream's texts.
        keys: (T, K) what they belong to.
    """

    stream: int
    numbers: Tensor
    keys: Tensor

    def part(self, chosen: slice) -> DrawnTexts:
        """Return some of the texts."""
        return DrawnTexts(self.stream, self.numbers[chosen], self.keys[chosen])


@dataclass(frozen=True)
class Batch:
    """What one step sees.

    Attributes:
        rows: (B,) images.
        views: (B,) the symmetry in which each is seen.
        texts: of each stream.
    """

    rows: Tensor
    views: Tensor
    texts: tuple[DrawnTexts, ...]

    def share(self, number: int, count: int) -> Batch:
        """Return one of several parts of nearly equal size, whose order is the batch's."""
        chosen = _slice(len(self.rows), number, count)
        texts = tuple(t.part(_slice(len(t.numbers), number, count)) for t in self.texts)
        return Batch(self.rows[chosen], self.views[chosen], texts)

    def split(self, most_rows: int | None) -> list[Batch]:
        """Return parts with at most so many images each; the batch alone for None."""
        count = 1 if most_rows is None else max(1, math.ceil(len(self.rows) / most_rows))
        return [self.share(number, count) for number in range(count)]


def _slice(length: int, number: int, count: int) -> slice:
    return slice(number * length // count, (number + 1) * length // count)


@dataclass(frozen=True)
class Draws:
    """Draws the batches of a training.

    Attributes:
        pools: where images come from.
        streams: where texts come from; their rows are all images of the training.
        views: numbers of the symmetries.
        seed: decides all.
    """

    pools: Sequence[Pool]
    streams: Sequence[Stream]
    views: Sequence[int]
    seed: int

    def batch(self, step: int) -> Batch:
        """Return what a step sees."""
        rows = torch.cat([pool.drawn(step, self.seed) for pool in self.pools])
        passes = torch.cat([pool.passes(step) for pool in self.pools])
        generator = generator_of(self.seed, BATCH, step)
        chosen = torch.randint(len(self.views), rows.shape, generator=generator)
        texts = [
            DrawnTexts(place, *stream.draw(rows, generator, passes))
            for place, stream in enumerate(self.streams)
        ]
        return Batch(rows, torch.tensor(self.views)[chosen], tuple(texts))

    def use_noise(self, step: int) -> None:
        """Set the generators from which layers draw, such as those of dropout."""
        torch.manual_seed(seed_of(self.seed, NOISE, step))
