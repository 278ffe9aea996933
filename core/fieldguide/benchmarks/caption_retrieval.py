"""Image-text retrieval with several captions an image, as remote sensing papers report it.

Every caption is a query of its own and finds one image. An image finds as soon as one of its own
captions is among the first k. A caption that is worded like one of another image stays a query and
an item of its own, so finding the twin counts as wrong (the positive pairs of CLIP_benchmark and of
Liu et al. 2023, "RemoteCLIP", arXiv:2306.11029).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.intervals import Counts
from fieldguide.benchmarks.measured import Measured, make_report
from fieldguide.benchmarks.report import percent
from fieldguide.benchmarks.retrieval import CUTOFFS, recall_counts
from fieldguide.benchmarks.vectors import encode_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.benchmarks.captioned import CaptionedImages, CaptionFile
    from fieldguide.benchmarks.report import BenchmarkReport, Figure
    from fieldguide.guides import Guide

DIRECTIONS = ("image to text", "text to image")
PROTOCOL = "retrieval"


@dataclass(frozen=True)
class CaptionRetrieval:
    """Retrieval both ways on a captioned set's test split; see ``report.SubsetBenchmark``."""

    data: CaptionFile
    traps: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its BenchmarkSpec."""
        return f"{self.data.name}_{PROTOCOL}"

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the whole split."""
        return self._report(guide, self.data.find(root))

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the images that are there."""
        return self._report(guide, self.data.find_subset(root))

    def _report(self, guide: Guide, images: CaptionedImages) -> BenchmarkReport:
        return make_report(
            guide, self.name, self.data.name, measure(guide, images), whole=images.whole,
            traps=self.traps,
        )  # fmt: skip


def measure(guide: Guide, images: CaptionedImages) -> Measured:
    """Measure mean recall, and recall at 1, 5 and 10 both ways.

    Raises:
        UsageError: no image could be used.
    """
    encoded = encode_all(guide, images.items)
    captions = [images.captions[row] for row in encoded.rows]
    texts, pairs = caption_pairs(captions)
    counts = recall_counts(encoded.embeddings, encoded.encoder.encode_texts(texts), pairs)
    return Measured(
        figures=figures(counts, len(captions), len(texts)),
        used=len(captions),
        protocol=(
            f"The test split; {len(texts)} captions of {len(captions)} images, each a query of "
            "its own; an image finds as soon as one of its own captions is among the first k.",
            "Mean recall is the mean of recall at 1, 5 and 10 from image to text and from text to "
            "image.",
            "Intervals: 95 %, 1,000 bootstrap samples of images with their captions as queries; "
            "what is searched stays whole.",
        ),
        provenance=encoded.provenance,
        traps=traps(captions),
        failed=encoded.failed,
    )


def caption_pairs(captions: Sequence[Sequence[str]]) -> tuple[list[str], NDArray[np.int64]]:
    """Return all captions in order, doubled ones too, and the pairs (image, caption).

    >>> caption_pairs([["a", "b"], ["a"]])[0]
    ['a', 'b', 'a']
    """
    texts = [text for own in captions for text in own]
    owners = [row for row, own in enumerate(captions) for _ in own]
    return texts, np.stack([np.array(owners, dtype=np.int64), np.arange(len(texts))], axis=1)


def figures(counts: Counts, images: int, texts: int) -> tuple[Figure, ...]:
    """Return mean recall and the six recalls it is the mean of.

    Args:
        counts: of ``recall_counts``.
        images: how many.
        texts: how many.
    """
    found = [percent("mean_recall", counts.interval(), images + texts)]
    width = len(CUTOFFS) + 1
    for direction, n, start in zip(DIRECTIONS, (images, texts), (0, width), strict=True):
        for column, k in enumerate(CUTOFFS, start):
            one = Counts(counts.counts[:, [column, start + width - 1]], counts.groups, _share)
            found.append(percent(f"recall_at_{k}", one.interval(), n, direction))
    return tuple(found)


def traps(captions: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return what misleads about the figures of these captions."""
    owners = Counter(text for own in captions for text in set(own))
    shared = sum(owners[text] > 1 for own in captions for text in own)
    doubled = sum(len(own) - len(set(own)) for own in captions)
    return (
        f"{shared} of {sum(map(len, captions))} captions are worded like one of another image, "
        f"and {doubled} like another of their own image. Finding a twin of another image counts "
        "as wrong; counting distinct captions once gives higher figures.",
        "What is exactly as similar as the right item comes before it; the authors' code leaves "
        "such ties to the order of a sort, so that its figure can be a little higher.",
        "Figures with another number of captions or another size of the split do not compare.",
    )


def _share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    hits, queries = sums[:, 0], sums[:, 1]
    return np.divide(hits, queries, out=np.full_like(hits, np.nan), where=queries > 0)
