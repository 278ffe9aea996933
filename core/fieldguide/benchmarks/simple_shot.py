"""SimpleShot: the nearest mean of a few centred vectors a class, over several draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.classification import share_counts
from fieldguide.benchmarks.few_shot import draw
from fieldguide.benchmarks.intervals import Counts
from fieldguide.benchmarks.labelled import TEST
from fieldguide.benchmarks.measured import Measured
from fieldguide.benchmarks.report import Figure, percent
from fieldguide.benchmarks.vectors import Part, encode_all
from fieldguide.errors import UsageError
from fieldguide.models.embeddings import unit_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.benchmarks.labelled import LabelledImages
    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import Vectors

QUERIES_AT_ONCE = 1024


@dataclass(frozen=True)
class SimpleShot:
    """Nearest centroid after centring and scaling to unit length (CL2N).

    Wang et al. 2019, "SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot
    Learning" (arXiv:1911.04623), as BioCLIP's authors measure (Stevens et al. 2023,
    arXiv:2311.18803, section 4.1): the centre is the mean of the drawn vectors, and all images
    that were not drawn are asked. Where the owners give a test split, images are drawn from train
    and those of test are asked.

    Attributes:
        shots: images a class, the main figure's first.
        seeds: of the draws, 2 or more.
    """

    shots: tuple[int, ...] = (5, 1)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    name: str = "simple_shot"

    def measure(self, guide: Guide, images: LabelledImages) -> Measured:
        """Measure the mean top-1 accuracy over the draws, by number of shots, and its spread.

        A number of shots that leaves some class nothing to draw or nothing to ask is left out.

        Raises:
            UsageError: no image could be used, or there are too few of a class.
        """
        encoded = encode_all(guide, images.items)
        rows = list(encoded.rows)
        labels = np.array([images.labels[row] for row in rows], dtype=str)
        every = Part(encoded.embeddings.vectors, labels)
        groups = [images.groups[row] if images.groups else str(row) for row in rows]
        asked = np.array([not images.splits or images.splits[row] == TEST for row in rows])
        drawn = ~asked if images.splits else asked
        figures: list[Figure] = []
        for shots in self._possible(labels[drawn], given=bool(images.splits)):
            hits = np.stack([_hits(every, drawn, asked, shots, seed) for seed in self.seeds])
            figures += _mean_and_spread(hits, groups, shots)
        return Measured(
            figures=tuple(figures),
            used=len(rows),
            protocol=_protocol(images, len(self.seeds)),
            provenance=encoded.provenance,
            failed=encoded.failed,
        )

    def _possible(self, labels: NDArray[np.str_], *, given: bool) -> list[int]:
        """Return the numbers of shots that every class can give.

        Raises:
            UsageError: there are none.
        """
        least = int(np.unique(labels, return_counts=True)[1].min()) if len(labels) else 0
        possible = [shots for shots in self.shots if shots + (not given) <= least]
        if not possible:
            raise UsageError(
                f"There are too few images to draw {min(self.shots)} of each class: one has "
                f"{least}. Give more of each class."
            )
        return possible


def nearest_mean(train: Part, queries: Vectors) -> NDArray[np.str_]:
    """Return the label whose mean is nearest to each query, after CL2N by the train rows.

    Of equally near means the one whose label is first in the alphabet wins.

    Args:
        train: N labelled unit vectors.
        queries: (Q, D) unit vectors.
    """
    centre = train.vectors.mean(axis=0, dtype=np.float64)
    moved = unit_length(train.vectors - centre)
    names, places = np.unique(train.labels, return_inverse=True)
    means = np.zeros((len(names), moved.shape[1]))
    np.add.at(means, places, moved)
    means /= np.bincount(places)[:, None]  # (C, D), not of unit length
    lengths = (means**2).sum(axis=1)
    answers = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        asked = unit_length(queries[start : start + QUERIES_AT_ONCE] - centre)
        # squared distances without the queries' own length, which is the same for all means
        answers.append(names[(lengths - 2 * asked @ means.T).argmin(axis=1)])
    return np.concatenate(answers)


def _hits(
    every: Part, drawn: NDArray[np.bool_], asked: NDArray[np.bool_], shots: int, seed: int
) -> NDArray[np.float64]:
    """Return (N,) 1 for rows answered right, 0 for wrong ones, NaN for those not asked."""
    pool = np.flatnonzero(drawn)
    chosen = pool[draw(every.take(pool), shots, np.random.default_rng(seed))]
    rest = asked.copy()
    rest[chosen] = False
    hits = np.full(len(every), np.nan)
    answers = nearest_mean(every.take(chosen), every.vectors[rest])
    hits[rest] = answers == every.labels[rest]
    return hits


def _mean_and_spread(
    hits: NDArray[np.float64], groups: Sequence[str], shots: int
) -> tuple[Figure, Figure]:
    """Return the mean over the draws with its interval, and their standard deviation.

    Args:
        hits: (S, N) of S draws; NaN where a row was not asked.
        groups: (N,) rows of one group are resampled together.
        shots: images a class.
    """
    asked = ~np.isnan(hits)
    counts = np.stack([np.nansum(hits, axis=0), asked.sum(axis=0)], axis=1)  # (N, 2)
    used = counts[:, 1] > 0
    template = share_counts(np.zeros(1), [""])
    mean = Counts(counts[used], [g for g, some in zip(groups, used, strict=True) if some],
                  template.figure).interval()  # fmt: skip
    spread = 100 * float(np.nanmean(hits, axis=1).std(ddof=1))
    part = f"{shots} {'shot' if shots == 1 else 'shots'}"
    n = int(asked[0].sum())
    return (
        percent("top1_accuracy", mean, n, part),
        Figure("standard_deviation", spread, None, None, len(hits), "percentage_points", part),
    )


def _protocol(images: LabelledImages, draws: int) -> tuple[str, ...]:
    asked = (
        "Images are drawn from the owners' train, and all of their test are asked."
        if images.splits
        else "All images that were not drawn are asked."
    )
    unit = "groups of images" if images.groups else "images"
    return (
        f"For each of {draws} seeds, images of each class are drawn. {asked}",
        "SimpleShot: all vectors less the mean of the drawn ones, to unit length; the class with "
        "the nearest mean is the answer.",
        f"The mean over the draws. Intervals: 95 %, 1,000 bootstrap samples of {unit} with the "
        "draws as they are; the standard deviation is over the draws.",
    )
