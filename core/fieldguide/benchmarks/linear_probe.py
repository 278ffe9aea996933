"""Linear probe: how well a straight cut through frozen vectors tells the classes apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.classification import macro_recall_counts, share_counts
from fieldguide.benchmarks.logistic import choose_penalty, fit
from fieldguide.benchmarks.measured import Measured
from fieldguide.benchmarks.report import percent
from fieldguide.benchmarks.vectors import encode_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.benchmarks.labelled import LabelledImages
    from fieldguide.benchmarks.report import Figure
    from fieldguide.benchmarks.vectors import Part
    from fieldguide.guides import Guide

SPLIT = (
    "60 % of each class is trained on, 20 % chosen by and 20 % reported, in the order of the "
    "SHA-256 of the file names: a split of ours, as the set has no official one."
)

GIVEN_SPLIT = (
    "The owners' split: trained on train, chosen by val (where there is none by the last 20 % of "
    "train of each class, in the order of the SHA-256 of the file names), reported on test."
)


def split_sentence(images: LabelledImages) -> str:
    """Return how a set was divided, as a sentence of a protocol."""
    return GIVEN_SPLIT if images.splits else SPLIT


def interval_sentence(images: LabelledImages) -> str:
    """Return what intervals are made of, as a sentence of a protocol."""
    unit = "groups of test images" if images.groups else "test images"
    return f"Intervals: 95 %, 1,000 bootstrap samples of {unit}."


@dataclass(frozen=True)
class LinearProbe:
    """Logistic regression on frozen vectors (Radford et al. 2021, arXiv:2103.00020, A.3)."""

    name: str = "linear_probe"

    def measure(self, guide: Guide, images: LabelledImages) -> Measured:
        """Choose the penalty on the val part, fit on train and val, report on test.

        Raises:
            UsageError: no image could be used, or a part lacks a class.
        """
        encoded, parts = encode_parts(guide, images)
        penalty = choose_penalty(parts.train, parts.val)
        model = fit(parts.train.joined(parts.val), penalty)
        return Measured(
            figures=accuracies(model.predict(parts.test.vectors), parts.test),
            used=len(encoded.rows),
            protocol=(
                split_sentence(images),
                f"Logistic regression (L-BFGS) on the model's unit vectors; inverse penalty "
                f"{penalty:.3g}, chosen on the val part between 1e-6 and 1e6 to 8 steps a decade; "
                "the last fit is on train and val together.",
                interval_sentence(images),
            ),
            provenance=encoded.provenance,
            failed=encoded.failed,
        )


def accuracies(answers: NDArray[np.str_], part: Part) -> tuple[Figure, ...]:
    """Return top-1 accuracy and its mean over classes.

    Args:
        answers: (N,) labels.
        part: N rows with their true labels.
    """
    right = (answers == part.labels).astype(np.float64)
    alone = [str(row) for row in range(len(part))]
    groups = alone if part.groups is None else part.groups.tolist()
    return (
        percent("top1_accuracy", share_counts(right, groups).interval(), len(part)),
        percent(
            "mean_class_accuracy",
            macro_recall_counts(part.labels.tolist(), right, groups).interval(),
            len(part),
        ),
    )
