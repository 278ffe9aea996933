"""Scores of a few images over very many labels, in bounded memory.

Cosines stand label by label in the rows, (C, N): then the largest, the softmax and the sums up a
tree go along whole rows of images. Each number is read three times after the matrix product that
made it: for the maxima, for the exponentials, for the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from fieldguide.models.vector_file import let_go
from fieldguide.zeroshot.top_places import block_maxima, top_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

WORKING_BYTES = 512 << 20
"""What the scores of one chunk of images may take; 256 images with half a million labels."""

MAX_ROWS = 1024
ALIGNED_ROWS = 64  # whole cache lines and vector registers: matrix products are faster
LABELS_AT_ONCE = 1 << 17
"""Whose vectors are in memory together where they are mapped from a file."""

_BLOCK_BYTES = 32 << 20  # of scores between two steps: few enough to wait for threads seldom


LogPrior = Callable[[slice], "NDArray[np.float32]"]
"""Returns what is added to the logits of some images: (C,), or (N, C); finite."""


@dataclass(frozen=True, eq=False)
class LabelScores:
    """What N images say of C labels; good until the next chunk is asked for.

    Attributes:
        weights: (C, N) exponentials of logits, the largest of each image 1.
        totals: (N,) their sums: a probability is a weight over its total.
        largest: (N,) their largest logits.
        top: (N, K) the likeliest labels, best first; equal ones by place.
        top_probabilities: (N, K).
    """

    weights: NDArray[np.float32]
    totals: NDArray[np.float64]
    largest: NDArray[np.float32]
    top: NDArray[np.int64]
    top_probabilities: NDArray[np.float32]

    def probabilities(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, M) probabilities of (M, N) weights, or of sums of weights."""
        return np.asarray((weights / self.totals.astype(np.float32)).T, np.float32)

    def picked(
        self, places: NDArray[np.int64], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return (N, K) probabilities at (N, K) places in (M, N) weights or sums of weights."""
        return self.probabilities(np.take_along_axis(weights, places.T, axis=0))


@dataclass(frozen=True, eq=False)
class LabelScorer:
    """C labels, and how many bytes their scores may take; for one thread, one chunk at a time.

    Attributes:
        vectors: (C, D) float32 unit vectors; may be mapped from a file.
        logit_scale: what a cosine is multiplied by.
        working_bytes: for the scores of one chunk of images; one image is always taken.
    """

    vectors: NDArray[np.float32]
    logit_scale: float
    working_bytes: int = WORKING_BYTES

    @property
    def rows_at_once(self) -> int:
        """How many images are scored together."""
        rows = int(np.clip(self.working_bytes // (4 * len(self.vectors)), 1, MAX_ROWS))
        return rows if rows < ALIGNED_ROWS else rows // ALIGNED_ROWS * ALIGNED_ROWS

    @cached_property
    def _buffer(self) -> Tensor:
        """Room for the scores of a chunk, taken from the system once."""
        return torch.empty(len(self.vectors) * self.rows_at_once)

    def chunks(
        self, images: NDArray[np.float32], *, top: int, log_prior: LogPrior | None = None
    ) -> Iterator[tuple[slice, LabelScores, LabelScores | None]]:
        """Yield which images were scored, their scores, and those without the prior.

        The latter are None where there is no prior; with one a chunk has a third of the images.

        Args:
            images: (M, D) unit vectors.
            top: how many labels of each image are ranked.
            log_prior: called with the rows of a chunk.
        """
        labels = torch.from_numpy(self.vectors)
        usual = self.rows_at_once if log_prior is None else max(1, self.rows_at_once // 3)
        step = min(usual, max(1, len(images)))
        for start in range(0, len(images), step):
            part = slice(start, min(start + step, len(images)))
            some = torch.from_numpy(np.asarray(images[part], np.float32)) * self.logit_scale
            logits = self._buffer[: len(labels) * len(some)].view(len(labels), len(some))
            for first in range(0, len(labels), LABELS_AT_ONCE):
                block = slice(first, min(first + LABELS_AT_ONCE, len(labels)))
                torch.mm(labels[block], some.T, out=logits[block])
                let_go(self.vectors, block)
            if log_prior is None:
                yield part, _scores(logits, top), None
                continue
            prior = torch.from_numpy(np.atleast_2d(np.asarray(log_prior(part), np.float32)))
            boosted = logits + prior.T
            yield part, _scores(boosted, top), _scores(logits, top)


def scores_of(logits: NDArray[np.floating], top: int) -> LabelScores:
    """Return the scores of (N, C) logits that are there already."""
    return _scores(torch.tensor(logits.T, dtype=torch.float32).contiguous(), top)


def _scores(logits: Tensor, top: int) -> LabelScores:
    """Rank (C, N) logits, then turn them in their place into exponentials."""
    maxima = block_maxima(logits)
    places = top_places(logits, top, maxima)
    largest = maxima.amax(dim=0)
    best = logits[places, torch.arange(logits.shape[1])[:, None]]
    totals = torch.zeros(logits.shape[1], dtype=torch.float64)
    step = max(1, _BLOCK_BYTES // (4 * logits.shape[1]))
    for start in range(0, len(logits), step):
        totals += logits[start : start + step].sub_(largest).exp_().sum(dim=0)
    shares = (best - largest[:, None]).exp() / totals[:, None]
    return LabelScores(
        logits.numpy(), totals.numpy(), largest.numpy(), places.numpy(), shares.float().numpy()
    )
