"""Few-shot: a linear probe on 1, 2, 4, 8 and 16 images a class, over several draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.linear_probe import split_sentence
from fieldguide.benchmarks.logistic import COARSE_DECADES, accuracy, choose_penalty, fit
from fieldguide.benchmarks.measured import Measured
from fieldguide.benchmarks.report import Figure
from fieldguide.benchmarks.vectors import encode_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.benchmarks.labelled import LabelledImages
    from fieldguide.benchmarks.vectors import Part, Parts
    from fieldguide.guides import Guide

MOST_VAL_SHOTS = 4
STUDENT_T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""The 97.5 % points of Student's t for 1 to 9 degrees of freedom (Student 1908)."""


@dataclass(frozen=True)
class FewShot:
    """Logistic regression on a few images a class, drawn anew for each seed.

    The penalty is chosen on at most four other images a class, as many as are trained on (Zhou et
    al. 2022, arXiv:2109.01134, section 4.1), so no test label and no large val part helps.

    Attributes:
        shots: images a class.
        seeds: of the draws, 2 to 10 of them.
    """

    shots: tuple[int, ...] = (1, 2, 4, 8, 16)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    name: str = "few_shot"

    def measure(self, guide: Guide, images: LabelledImages) -> Measured:
        """Measure top-1 accuracy by number of shots: the mean over the draws, and their spread.

        A number of shots that some class cannot give is left out. The main figure is that of the
        most shots.

        Raises:
            UsageError: no image could be used, or a part lacks a class.
        """
        encoded, parts = encode_parts(guide, images)
        most = min(int(np.unique(parts.train.labels, return_counts=True)[1].min()), max(self.shots))
        figures: list[Figure] = []
        for shots in sorted((s for s in self.shots if s <= most), reverse=True):
            found = [accuracy_of_draw(parts, shots, seed) for seed in self.seeds]
            figures += mean_and_spread(found, shots, len(parts.test))
        return Measured(
            figures=tuple(figures),
            used=len(encoded.rows),
            protocol=(
                split_sentence(images),
                f"For each of {len(self.seeds)} seeds, images of each class are drawn from train; "
                f"logistic regression on their unit vectors; its penalty is chosen between 1e-6 "
                f"and 1e6 on as many val images a class, at most {MOST_VAL_SHOTS}.",
                "Intervals: 95 % of the mean over the draws (Student's t); they do not hold the "
                "chance of which test images there are.",
            ),
            provenance=encoded.provenance,
            failed=encoded.failed,
        )


def accuracy_of_draw(parts: Parts, shots: int, seed: int) -> float:
    """Return the test accuracy of a probe on one draw."""
    generator = np.random.default_rng(seed)
    train = parts.train.take(draw(parts.train, shots, generator))
    val = parts.val.take(draw(parts.val, min(shots, MOST_VAL_SHOTS), generator))
    penalty = choose_penalty(train, val, COARSE_DECADES, refine=False)
    return accuracy(fit(train, penalty), parts.test)


def draw(part: Part, shots: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return rows of a part, as many of each class; all of a class that has fewer."""
    chosen = []
    for label in np.unique(part.labels):
        rows = np.flatnonzero(part.labels == label)
        chosen.append(generator.permutation(rows)[:shots])
    return np.concatenate(chosen)


def mean_and_spread(found: Sequence[float], shots: int, n: int) -> tuple[Figure, Figure]:
    """Return the mean of accuracies with its interval, and their standard deviation.

    Args:
        found: one share, 0 to 1, a draw; 2 to 10 of them.
        shots: images a class.
        n: test images of each.
    """
    values = 100 * np.asarray(found)
    deviation = float(values.std(ddof=1))
    half = STUDENT_T_975[len(values) - 2] * deviation / len(values) ** 0.5
    mean, part = float(values.mean()), f"{shots} {'shot' if shots == 1 else 'shots'}"
    return (
        Figure("top1_accuracy", mean, mean - half, mean + half, n, part=part),
        Figure("standard_deviation", deviation, None, None, len(values), "percentage_points", part),
    )
