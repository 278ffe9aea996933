"""Counting by text: which of "there is one ship" to "there are ten ships" fits an image best.

Liu et al. 2023, "RemoteCLIP: A Vision Language Foundation Model for Remote Sensing"
(arXiv:2306.11029), section IV, calls it RemoteCount: an image with a known number of objects of one
class, its caption with the number replaced by 1 to 10, and the best of the ten is the answer. Its
caption's wording was not published; ours is :data:`SENTENCES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.intervals import Counts, Interval
from fieldguide.benchmarks.vectors import encode_all
from fieldguide.captions.box_record import count_boxes
from fieldguide.captions.nouns import noun_of
from fieldguide.captions.numbers import MANY, WORDS
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from fieldguide.captions.boxes import Annotations
    from fieldguide.guides import Guide

MOST = len(WORDS)
SENTENCES = ("There is {} in the image.", "There are {} in the image.")
"""Around one object, and around several."""


@dataclass(frozen=True, slots=True)
class Counted:
    """An image and how many objects of one class it has.

    Attributes:
        item: the image.
        label: the class.
        count: 1 to 10.

    Raises:
        ValueError: another count.
    """

    item: Item
    label: str
    count: int

    def __post_init__(self) -> None:
        """Refuse counts that no sentence names."""
        if not 1 <= self.count <= MOST:
            raise ValueError(f"{self.item.name} has {self.count} of {self.label!r}, not 1 to 10")


@dataclass(frozen=True, slots=True)
class CountingFigures:
    """How well a model counts.

    Attributes:
        accuracy: share of rows whose answer is the true number.
        within_one: share whose answer is at most one away.
        mean_absolute_error: mean distance of the answer to the true number, in objects.
        confusion: (10, 10) rows by true number (rows) and answer (columns), from one to ten.
        n: rows.
    """

    accuracy: Interval
    within_one: Interval
    mean_absolute_error: Interval
    confusion: NDArray[np.int64]
    n: int


@dataclass(frozen=True, slots=True)
class CountingResult:
    """What counting says of a model, and what could not be used.

    Attributes:
        figures: over the rows whose image could be read.
        failed: path, status and reason of each image that could not.
        provenance: of the guide's job.
    """

    figures: CountingFigures
    failed: tuple[Mapping[str, str], ...]
    provenance: Mapping[str, Any]


def counting_texts(
    label: str, numbers: Sequence[str] = WORDS, plural: str | None = None
) -> list[str]:
    """Return the ten sentences of a class, from one to ten.

    Args:
        label: the class.
        numbers: how one to ten are written: ``numbers.WORDS`` or ``numbers.DIGITS``.
        plural: of the class, where the rules would be wrong.

    >>> counting_texts("storage_tank")[:2]
    ['There is one storage tank in the image.', 'There are two storage tanks in the image.']
    """
    noun = noun_of(label, plural)
    return [
        SENTENCES[count > 1].format(f"{number} {noun.counted(count)}")
        for count, number in enumerate(numbers, start=1)
    ]


def counted_rows(annotations: Annotations) -> list[Counted]:
    """Return a row for each image and class with one to ten objects, none of them a crowd."""
    rows: list[Counted] = []
    for image in annotations.images:
        item = Item(image.path, image.path, Path(image.path))
        for label, count in sorted(count_boxes(image.boxes, MOST).items()):
            if count != MANY:
                rows.append(Counted(item, label, int(count)))
    return rows


def answers(similarity: NDArray[np.floating], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number whose sentence fits each row best, (N,) from 1 to 10.

    Of sentences that fit equally well the one farthest from the truth is taken, so that a model
    without an opinion never looks like one that counts.

    Args:
        similarity: (N, 10) of rows with the sentences of their class.
        counts: (N,) the true numbers.

    Raises:
        ValueError: the shapes differ, or a similarity is NaN.
    """
    if similarity.shape != (len(counts), MOST):
        raise ValueError(f"similarity {similarity.shape} is not ({len(counts)}, {MOST})")
    if np.isnan(similarity).any():
        raise ValueError("a similarity is NaN")
    numbers = np.arange(1, MOST + 1)
    best = similarity == similarity.max(axis=1, keepdims=True)  # (N, 10)
    distance = np.where(best, np.abs(numbers - counts[:, None]), -1)
    return np.asarray(numbers[distance.argmax(axis=1)], dtype=np.int64)


def counting_figures(
    found: NDArray[np.int64], counts: NDArray[np.int64], groups: Sequence[str] | None = None
) -> CountingFigures:
    """Return the figures of answers.

    Args:
        found: (N,) answers, 1 to 10.
        counts: (N,) true numbers, 1 to 10.
        groups: of each row, resampled together for intervals; by default each row alone.

    Raises:
        UsageError: there is no row.
    """
    if len(found) == 0:
        raise UsageError("No image has one to ten objects of a class. Name other annotations.")
    apart = np.abs(found - counts)
    sums = np.stack([apart == 0, apart <= 1, apart, np.ones_like(apart)], axis=1).astype(float)
    names = [str(row) for row in range(len(found))] if groups is None else list(groups)
    confusion = np.zeros((MOST, MOST), dtype=np.int64)
    np.add.at(confusion, (counts - 1, found - 1), 1)
    exact, near, error = (_share(sums[:, [column, 3]], names) for column in range(3))
    return CountingFigures(exact, near, error, confusion, len(found))


def evaluate_counting(
    guide: Guide,
    rows: Iterable[Counted],
    numbers: Sequence[str] = WORDS,
    plurals: Mapping[str, str] | None = None,
) -> CountingResult:
    """Measure how well a guide's model counts; an image is resampled with all its classes.

    Args:
        guide: whose model is measured.
        rows: images with known numbers, such as :func:`counted_rows` gives.
        numbers: how one to ten are written: ``numbers.WORDS`` or ``numbers.DIGITS``.
        plurals: of classes, where the rules would be wrong.

    Raises:
        UsageError: no row, or no image that could be read.
    """
    asked = list(rows)
    items = list({row.item.id: row.item for row in asked}.values())
    if not items:
        raise UsageError("No image has one to ten objects of a class. Name other annotations.")
    encoded = encode_all(guide, items)
    own = zip(encoded.rows, encoded.embeddings.vectors, strict=True)
    vectors = {items[row].id: vector for row, vector in own}
    used = [row for row in asked if row.item.id in vectors]
    texts = {
        label: encoded.encoder.encode_texts(
            counting_texts(label, numbers, (plurals or {}).get(label))
        ).vectors
        for label in sorted({row.label for row in used})
    }
    similarity = np.stack([texts[row.label] @ vectors[row.item.id] for row in used])  # (N, 10)
    counts = np.array([row.count for row in used], dtype=np.int64)
    figures = counting_figures(answers(similarity, counts), counts, [r.item.id for r in used])
    return CountingResult(figures, encoded.failed, encoded.provenance)


def _share(sums: NDArray[np.float64], names: Sequence[str]) -> Interval:
    """Return the first column by the second, with its interval."""
    return Counts(sums, names, lambda s: np.asarray(s[:, 0] / np.maximum(s[:, 1], 1))).interval()
