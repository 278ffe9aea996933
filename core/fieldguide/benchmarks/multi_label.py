"""Images with several labels at once: how well each class's images come first.

Average precision of a class is the area under its curve of precision over recall, by steps:
the sum over ranks of the gain in recall times the precision there (Everingham et al. 2015,
doi:10.1007/s11263-014-0733-5, without interpolation). Equal scores are one rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.intervals import Interval
from fieldguide.benchmarks.measured import Measured
from fieldguide.benchmarks.report import Figure, percent
from fieldguide.benchmarks.vectors import encode_all
from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import load_class_set
from fieldguide.zeroshot.classifier import build_classifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide

RESAMPLES = 200
_RESAMPLES_AT_ONCE = 20


@dataclass(frozen=True)
class MultiLabelImages:
    """Images with none, one or more labels.

    Attributes:
        items: N images.
        labels: (N,) tuples of labels.
        whole: how many images the whole split has.
    """

    items: tuple[Item, ...]
    labels: tuple[tuple[str, ...], ...]
    whole: int


def measure(guide: Guide, images: MultiLabelImages, class_set: str) -> Measured:
    """Measure mean average precision of the cosines with a class set's prompts.

    Args:
        guide: whose model is measured.
        images: with labels of the class set.
        class_set: its name.

    Raises:
        UsageError: no image could be used, a label is not in the class set, or no image has one.
    """
    classes = load_class_set(class_set, guide.catalog)
    encoded = encode_all(guide, images.items)
    positives = _positives([images.labels[row] for row in encoded.rows], classes.labels)
    classifier = build_classifier(encoded.encoder, classes.prompts())
    scores = encoded.embeddings.similarity(classifier.vectors)
    return Measured(
        figures=figures(scores, positives, classes.labels),
        used=len(encoded.rows),
        protocol=(
            f"{len(classes.labels)} classes of the class set {classes.name} version "
            f"{classes.version}, {len(classes.templates)} templates around each name; images are "
            "ranked for each class by their cosine with the mean of its prompts.",
            "Mean average precision is the mean over the classes that occur (macro).",
            f"Intervals: 95 %, {RESAMPLES} bootstrap samples of images.",
        ),
        provenance=encoded.provenance,
        failed=encoded.failed,
    )


def figures(
    scores: NDArray[np.floating], positives: NDArray[np.bool_], labels: tuple[str, ...]
) -> tuple[Figure, ...]:
    """Return mean average precision with its interval, and that of each class that occurs.

    Args:
        scores: (N, C), higher is likelier.
        positives: (N, C).
        labels: C labels.

    Raises:
        UsageError: no class occurs.
    """
    present = np.flatnonzero(positives.any(axis=0))
    if not len(present):
        raise UsageError(
            "None of the images has a label, so nothing is measured. Check the labels."
        )
    n = len(scores)
    ones = np.ones((1, n))
    each = {c: float(average_precision(scores[:, c], positives[:, c], ones)[0]) for c in present}
    drawn = [
        _mean_of_known([average_precision(scores[:, c], positives[:, c], part) for c in present])
        for part in _resamples(n)
    ]
    low, high = np.nanpercentile(np.concatenate(drawn), (2.5, 97.5))
    mean = Interval(float(np.mean(list(each.values()))), float(low), float(high))
    return (
        percent("map", mean, n),
        *(Figure("average_precision", 100 * value, None, None, n, part=labels[c])
          for c, value in each.items()),
    )  # fmt: skip


def average_precision(
    scores: NDArray[np.floating], positives: NDArray[np.bool_], weights: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return average precision of one class for several weightings; NaN where no positive counts.

    Args:
        scores: (N,) higher is likelier.
        positives: (N,) True for images of the class.
        weights: (B, N) how often each image counts.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of equal scores
    found = np.cumsum(weights[:, order] * positives[order], axis=1)[:, ends]
    seen = np.cumsum(weights[:, order], axis=1)[:, ends]
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    gained = np.diff(found, axis=1, prepend=0)
    total = found[:, -1]
    area = (gained * precision).sum(axis=1)
    return np.asarray(np.divide(area, total, out=np.full_like(total, np.nan), where=total > 0))


def _mean_of_known(rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of each column over the rows that are no NaN; NaN where there is none."""
    found = np.stack(rows)
    known = (~np.isnan(found)).sum(axis=0)
    total = np.nansum(found, axis=0)
    return np.asarray(np.divide(total, known, out=np.full_like(total, np.nan), where=known > 0))


def _positives(labels: list[tuple[str, ...]], classes: tuple[str, ...]) -> NDArray[np.bool_]:
    place = {label: column for column, label in enumerate(classes)}
    found = np.zeros((len(labels), len(classes)), dtype=bool)
    for row, own in enumerate(labels):
        for label in own:
            if label not in place:
                raise UsageError(
                    f"The label {label!r} is not one of the {len(classes)} classes: "
                    f"{', '.join(classes[:5])} ... Get the published labels again."
                )
            found[row, place[label]] = True
    return found


def _resamples(n: int) -> list[NDArray[np.float64]]:
    generator = np.random.default_rng(0)
    share = np.full(n, 1 / n)
    return [
        generator.multinomial(n, share, _RESAMPLES_AT_ONCE).astype(np.float64)
        for _ in range(RESAMPLES // _RESAMPLES_AT_ONCE)
    ]
