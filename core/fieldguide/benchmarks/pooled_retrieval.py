"""Finding an image by its own text, among all images or in pools of a fixed size.

Blankemeier et al. 2024, "Merlin: A Vision Language Foundation Model for 3D Computed Tomography"
(arXiv:2406.06512), search in pools of 64 pairs: the size of the pool is the protocol, and a figure
of one size says nothing beside one of another. The pools here do not overlap and are drawn several
times; pairs that are left over by a draw are not asked in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.intervals import Counts
from fieldguide.benchmarks.measured import Measured, make_report
from fieldguide.benchmarks.report import percent
from fieldguide.benchmarks.retrieval import first_relevant_rank
from fieldguide.benchmarks.vectors import encode_all
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.benchmarks.reported import PairedImages, PairedSet
    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import Embeddings

DRAWS = 10
TEXT_TO_IMAGE, IMAGE_TO_TEXT = "text to image", "image to text"


def pooled_ranks(
    similarity: NDArray[np.floating], pool_size: int, draws: int = DRAWS, seed: int = 0
) -> NDArray[np.float64]:
    """Return the rank of each query's own item in its pool, (draws, N); 0 is the first place.

    NaN where a query was left over by a draw. Another item that is exactly as similar comes first.

    Args:
        similarity: (N, N) of queries with items; item i is that of query i.
        pool_size: items a pool.
        draws: how often pools are drawn.
        seed: of the draws.

    Raises:
        ValueError: there are fewer queries than a pool has, or a pool has none.
    """
    count = len(similarity)
    if not 1 <= pool_size <= count:
        raise ValueError(f"pools of {pool_size} cannot be made of {count} pairs")
    generator = np.random.default_rng(seed)
    found = np.full((draws, count), np.nan)
    own = np.eye(pool_size, dtype=bool)
    for draw in range(draws):
        order = generator.permutation(count)
        for start in range(0, count - pool_size + 1, pool_size):
            pool = order[start : start + pool_size]
            found[draw, pool] = first_relevant_rank(similarity[np.ix_(pool, pool)], own)
    return found


def recall_counts(
    ranks: NDArray[np.float64], cutoff: int, groups: Sequence[str] | None = None
) -> Counts:
    """Return the counts of recall at a cutoff, for its value and interval.

    Args:
        ranks: (draws, N), NaN where a query was not asked.
        cutoff: k.
        groups: (N,) resampled whole; by default each query alone.
    """
    asked = ~np.isnan(ranks)
    hits = asked & (np.nan_to_num(ranks, nan=np.inf) < cutoff)
    sums = np.stack([hits.sum(axis=0), asked.sum(axis=0)], axis=1).astype(np.float64)
    names = [str(row) for row in range(ranks.shape[1])] if groups is None else list(groups)

    def share(each: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.full(len(each), np.nan)
        return np.asarray(np.divide(each[:, 0], each[:, 1], out=out, where=each[:, 1] > 0))

    return Counts(sums, names, share)


@dataclass(frozen=True)
class PooledRetrieval:
    """Recall of each text's own image, and back; see ``report.SubsetBenchmark``.

    Attributes:
        data: the pairs.
        name: of its BenchmarkSpec.
        cutoffs: k, the main one first.
        pool_size: pairs a pool; None for all of them in one.
        traps: what misleads about the set, in whole sentences.
    """

    data: PairedSet
    name: str
    cutoffs: tuple[int, ...] = (1,)
    pool_size: int | None = None
    traps: tuple[str, ...] = ()

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the whole set."""
        return self._report(guide, self.data.find(root, whole=True))

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the pairs that are there."""
        return self._report(guide, self.data.find(root, whole=False))

    def _report(self, guide: Guide, pairs: PairedImages) -> BenchmarkReport:
        encoded = encode_all(guide, pairs.items)
        texts = encoded.encoder.encode_texts([pairs.texts[row] for row in encoded.rows])
        groups = [pairs.groups[row] for row in encoded.rows] if pairs.groups else None
        size = self.pool_size or len(encoded.rows)
        if size > len(encoded.rows):
            raise UsageError(
                f"{len(encoded.rows)} pairs make no pool of {size}. Bring more of the set; a "
                "smaller pool is another protocol."
            )
        both = self._ranks(encoded.embeddings, texts, size)
        measured = Measured(
            figures=tuple(
                percent(
                    f"recall_at_{cutoff}",
                    recall_counts(ranks, cutoff, groups).interval(),
                    len(encoded.rows),
                    part,
                )
                for part, ranks in both.items()
                for cutoff in self.cutoffs
                if cutoff < size
            ),
            used=len(encoded.rows),
            protocol=(self._pools(size, len(encoded.rows)), *PROTOCOL),
            provenance=encoded.provenance,
            failed=encoded.failed,
        )
        return make_report(
            guide, self.name, self.data.name, measured, whole=pairs.whole, traps=self.traps
        )

    def _ranks(
        self, images: Embeddings, texts: Embeddings, size: int
    ) -> dict[str, NDArray[np.float64]]:
        draws = 1 if size == len(images) else DRAWS
        similarity = texts.similarity(images)
        return {
            TEXT_TO_IMAGE: pooled_ranks(similarity, size, draws),
            IMAGE_TO_TEXT: pooled_ranks(similarity.T, size, draws),
        }

    def _pools(self, size: int, count: int) -> str:
        if self.pool_size is None:
            return f"All {count} images are searched for each text, and all texts for each image."
        return (
            f"Pools of {size} pairs that do not overlap, drawn {DRAWS} times with seed 0: a pool "
            "of another size is another protocol."
        )


PROTOCOL = (
    "Only a text's own image counts, also where another text says the same; of equally similar "
    "ones the own one comes last.",
    "A text that is longer than the model reads is cut.",
    "Intervals: 95 %, 1,000 bootstrap samples of queries, of patients where they are known.",
)
