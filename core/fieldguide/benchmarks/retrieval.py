"""Recall@k of image-text retrieval with several texts an image and several images a text.

Recall@k is the share of queries with at least one relevant item among the k most similar ones.
Mean recall is the mean of six figures: image to text and text to image, each at k = 1, 5 and 10
(as in Yuan et al. 2022, "Exploring a Fine-Grained Multiscale Method for Cross-Modal Remote Sensing
Image Retrieval", arXiv:2204.09868).

Which pairs are relevant is the protocol, and a figure means nothing without it. Where a text
belongs to several images, either count it once with all its images relevant (distinct texts), or
once for each image with only that image relevant (each pair); the second is harder and lower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.intervals import Counts, Interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Embeddings

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Recalls:
    """Recall@k both ways.

    Attributes:
        image_to_text: recall by k, queries are images.
        text_to_image: recall by k, queries are texts.
        mean_recall: mean of all of them; its interval resamples images with their texts as
            queries and leaves the gallery as it is.
    """

    image_to_text: Mapping[int, float]
    text_to_image: Mapping[int, float]
    mean_recall: Interval


def first_relevant_rank(
    similarity: NDArray[np.floating], relevant: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the rank of each query's best relevant item; 0 is the first place.

    An item that is not relevant and exactly as similar comes first, so that equal vectors never
    look like success.

    Args:
        similarity: (Q, N) of queries with items, higher is nearer.
        relevant: (Q, N), True where the item answers the query.

    Raises:
        ValueError: the shapes differ, a query has no relevant item, or a similarity is NaN.
    """
    if similarity.shape != relevant.shape or similarity.ndim != 2:
        raise ValueError(f"similarity {similarity.shape} and relevant {relevant.shape} differ")
    if not relevant.any(axis=1).all():
        raise ValueError(f"query {int(relevant.any(axis=1).argmin())} has no relevant item")
    if np.isnan(similarity).any():
        raise ValueError("a similarity is NaN")
    best = np.where(relevant, similarity, -np.inf).max(axis=1, keepdims=True)
    return np.asarray(((similarity >= best) & ~relevant).sum(axis=1), dtype=np.int64)


def retrieval_recalls(images: Embeddings, texts: Embeddings, pairs: NDArray[np.int64]) -> Recalls:
    """Measure retrieval both ways.

    Args:
        images: N images.
        texts: M texts of the same space.
        pairs: (K, 2) rows of images and texts that are relevant to each other; each image and
            each text is in at least one.

    Raises:
        SpaceMismatchError: the two live in different spaces.
        ValueError: an image or text is in no pair.
    """
    counts = recall_counts(images, texts, pairs)
    width = len(CUTOFFS) + 1
    by_image, by_text = counts.counts[: len(images), :width], counts.counts[len(images) :, width:]
    return Recalls(
        image_to_text=_shares(by_image),
        text_to_image=_shares(by_text),
        mean_recall=counts.interval(),
    )


def recall_counts(
    images: Embeddings,
    texts: Embeddings,
    pairs: NDArray[np.int64],
    groups: Sequence[str] | None = None,
) -> Counts:
    """Return the counts of mean recall, for intervals and for paired differences.

    Args:
        images: N images.
        texts: M texts of the same space.
        pairs: (K, 2) rows of images and texts that are relevant to each other.
        groups: of each image; by default each alone. A text is resampled with its first image.

    Raises:
        SpaceMismatchError: the two live in different spaces.
        ValueError: an image or text is in no pair.
    """
    similarity = images.similarity(texts)
    relevant = np.zeros(similarity.shape, dtype=bool)
    relevant[pairs[:, 0], pairs[:, 1]] = True
    by_image = _hits(first_relevant_rank(similarity, relevant))
    by_text = _hits(first_relevant_rank(similarity.T, relevant.T))
    # (N + M, 8): hits and number of image queries, hits and number of text queries
    counts = np.block([[by_image, np.zeros_like(by_image)], [np.zeros_like(by_text), by_text]])
    names = [*map(str, range(len(images)))] if groups is None else list(groups)
    first_image = relevant.argmax(axis=0)
    return Counts(counts, [*names, *(names[row] for row in first_image)], _mean_recall)


def _hits(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (Q, 4): whether the rank is below 1, 5 and 10, and 1."""
    columns = [ranks < cutoff for cutoff in CUTOFFS]
    return np.stack([*columns, np.ones_like(ranks, dtype=bool)], axis=1).astype(np.float64)


def _shares(hits: NDArray[np.float64]) -> dict[int, float]:
    return {k: float(share) for k, share in zip(CUTOFFS, hits.mean(axis=0)[:-1], strict=True)}


def _mean_recall(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map sums (B, 8) to mean recall (B,); NaN where a sample holds no query of one side."""
    both = sums.reshape(len(sums), 2, len(CUTOFFS) + 1)
    hits, queries = both[:, :, :-1], both[:, :, -1:]
    shares = np.divide(hits, queries, out=np.full_like(hits, np.nan), where=queries > 0)
    return np.asarray(shares.mean(axis=(1, 2)))
