"""Zero-shot classification of a set that names its own classes, up to ten thousand of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.classification import macro_recall, share_counts
from fieldguide.benchmarks.measured import Measured
from fieldguide.benchmarks.report import Figure, percent
from fieldguide.benchmarks.vectors import encode_all
from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import fill
from fieldguide.zeroshot.classifier import build_classifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.benchmarks.labelled import LabelledImages
    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import Vectors

FIVE = 5
ROWS_AT_ONCE = 512
MOST_LISTED = 100
"""Sets with more classes than these list their divisions' figures, not those of each class."""
MOST_RESAMPLED = 20_000_000
"""Images times classes up to which the mean over classes gets an interval: 320 MB of counts."""


@dataclass(frozen=True)
class NamedZeroShot:
    """Classify every image among all classes by the names that the set has for them.

    Classes that the set calls by the same text are one class, since no model can tell them apart.

    Attributes:
        text: which of the set's texts stands for a class.
        templates: prompts around it, each with one ``{}``.
        name: what the benchmark's name ends with.
    """

    text: str
    templates: tuple[str, ...] = ("a photo of {}.",)
    name: str = "zero_shot"

    def measure(self, guide: Guide, images: LabelledImages) -> Measured:
        """Measure top-1 and top-5 accuracy, their mean over classes, and each division's.

        Raises:
            UsageError: no image could be used, or the set has no such text.
        """
        asked = images.reported()
        texts = self._texts(asked.names)
        encoded = encode_all(guide, asked.items)
        classes = list(dict.fromkeys(texts.values()))
        prompts = {text: fill(self.templates, [text]) for text in classes}
        classifier = build_classifier(encoded.encoder, prompts)
        labels = [asked.labels[row] for row in encoded.rows]
        place = {text: number for number, text in enumerate(classes)}
        truth = np.array([place[texts[label]] for label in labels])
        ranks = ranks_of(encoded.embeddings.vectors, classifier.vectors.vectors, truth)
        every = asked.groups or tuple(str(row) for row in range(len(asked.items)))
        groups = [every[row] for row in encoded.rows]
        return Measured(
            figures=_figures(ranks, labels, groups, asked.divisions, len(classes)),
            used=len(encoded.rows),
            whole=asked.whole,
            protocol=self._protocol(asked, len(classes)),
            provenance=encoded.provenance,
            failed=encoded.failed,
        )

    def _texts(self, names: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """Return the text of each label."""
        lacking = [label for label, kinds in names.items() if self.text not in kinds]
        if lacking or not names:
            raise UsageError(
                f"The set has no text of the kind {self.text!r} for "
                f"{lacking[0] if lacking else 'its classes'}. Take another of its benchmarks: "
                "fieldguide benchmark --list"
            )
        return {label: kinds[self.text] for label, kinds in names.items()}

    def _protocol(self, images: LabelledImages, classes: int) -> tuple[str, ...]:
        which = "The test split" if images.splits else "All images, of any split"
        unit = "groups" if images.groups else "images"
        around = f"{len(self.templates)} templates" if len(self.templates) > 1 else "one template"
        return (
            f"{which}; {classes} classes by the set's own text {self.text!r}, {around} around it: "
            f"{self.templates[0]!r}{' ...' if len(self.templates) > 1 else ''}",
            "The unit vectors of a class's prompts are averaged; the most similar class is the "
            "answer.",
            f"Intervals: 95 %, 1,000 bootstrap samples of {unit}.",
        )


def ranks_of(images: Vectors, classes: Vectors, truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many classes are nearer to each image than its own.

    Of classes that are exactly as near, the earlier one comes first.

    Args:
        images: (N, D) unit vectors.
        classes: (C, D) unit vectors.
        truth: (N,) the class of each image.
    """
    ranks = np.empty(len(images), dtype=np.int64)
    order = np.arange(len(classes))
    for start in range(0, len(images), ROWS_AT_ONCE):
        own = truth[start : start + ROWS_AT_ONCE, None]  # (B, 1)
        cosines = images[start : start + ROWS_AT_ONCE].astype(np.float64) @ classes.T  # (B, C)
        right = np.take_along_axis(cosines, own, axis=1)
        before = (cosines > right) | ((cosines == right) & (order < own))
        ranks[start : start + ROWS_AT_ONCE] = before.sum(axis=1)
    return ranks


def _figures(
    ranks: NDArray[np.int64],
    labels: Sequence[str],
    groups: Sequence[str],
    divisions: Mapping[str, str],
    classes: int,
) -> tuple[Figure, ...]:
    right = (ranks == 0).astype(np.float64)
    n = len(right)
    figures = [
        percent("top1_accuracy", share_counts(right, groups).interval(), n),
        _mean_of_classes(right, labels, groups),
    ]
    if classes > FIVE:
        five = (ranks < FIVE).astype(np.float64)
        figures.append(percent("top5_accuracy", share_counts(five, groups).interval(), n))
    if divisions:
        parts, metric = [divisions[label] for label in labels], "top1_accuracy"
    elif classes <= MOST_LISTED:
        parts, metric = list(labels), "class_accuracy"
    else:
        return tuple(figures)
    for part in sorted(set(parts)):
        rows = [row for row, each in enumerate(parts) if each == part]
        share = share_counts(right[rows], [groups[row] for row in rows]).interval()
        figures.append(percent(metric, share, len(rows), part))
    return tuple(figures)


def _mean_of_classes(
    right: NDArray[np.float64], labels: Sequence[str], groups: Sequence[str]
) -> Figure:
    names, places = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    if len(right) * len(names) <= MOST_RESAMPLED:
        return percent("mean_class_accuracy", macro_recall(labels, right, groups), len(right))
    recalls = np.bincount(places, weights=right) / np.bincount(places)
    return Figure("mean_class_accuracy", 100 * float(recalls.mean()), None, None, len(right))
