"""Images of which several findings are known, and the search among them by an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fieldguide.benchmarks.classification import share_counts
from fieldguide.benchmarks.measured import Measured, make_report
from fieldguide.benchmarks.report import percent
from fieldguide.benchmarks.shared_findings import jaccard_at
from fieldguide.benchmarks.vectors import encode_all
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.benchmarks.report import BenchmarkReport, Figure
    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide

GROUP = "group"


@dataclass(frozen=True, eq=False)
class FindingImages:
    """Images and their findings.

    Attributes:
        items: N images; their metadata hold each finding as 1, 0 or -1 by its label, and "group".
        findings: (N, F) bool, True where it is there.
        groups: (N,) what belongs together, such as a patient.
        whole: how many images the whole set has.
    """

    items: tuple[Item, ...]
    findings: NDArray[np.bool_]
    groups: tuple[str, ...]
    whole: int


class FindingSet(Protocol):
    """A public set of images with several findings each, in whatever layout."""

    @property
    def name(self) -> str:
        """Of its record in the registry."""
        ...

    def find(self, root: Path, *, whole: bool) -> FindingImages:
        """Return the images that are there.

        Args:
            root: the folder.
            whole: whether an image that is missing is an error.

        Raises:
            UsageError: the set is not there, or not as it was published.
        """
        ...


@dataclass(frozen=True)
class SharedFindingsRetrieval:
    """What an image and those nearest to it have in common; see ``report.SubsetBenchmark``.

    Attributes:
        data: the images.
        name: of its BenchmarkSpec.
        ks: how many hits, the main one first.
        traps: what misleads about the set, in whole sentences.
    """

    data: FindingSet
    name: str
    ks: tuple[int, ...] = (5, 1, 10, 50)
    traps: tuple[str, ...] = ()

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the whole set."""
        return self._report(guide, self.data.find(root, whole=True))

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the images that are there."""
        return self._report(guide, self.data.find(root, whole=False))

    def _report(self, guide: Guide, images: FindingImages) -> BenchmarkReport:
        encoded = encode_all(guide, images.items)
        used = list(encoded.rows)
        similarity = encoded.embeddings.similarity(encoded.embeddings)
        measured = Measured(
            figures=shared_figures(
                similarity, images.findings[used], [images.groups[row] for row in used], self.ks
            ),
            used=len(used),
            protocol=PROTOCOL,
            provenance=encoded.provenance,
            failed=encoded.failed,
        )
        return make_report(
            guide, self.name, self.data.name, measured, whole=images.whole, traps=self.traps
        )


def shared_figures(
    similarity: NDArray[np.floating],
    findings: NDArray[np.bool_],
    groups: Sequence[str],
    ks: Sequence[int],
) -> tuple[Figure, ...]:
    """Return MAP@k for every k that there are hits for.

    Args:
        similarity: (N, N) of images with each other.
        findings: (N, F).
        groups: (N,) resampled whole.
        ks: how many hits, the main one first.

    Raises:
        UsageError: fewer than three images have a finding.
    """
    asked = np.flatnonzero(findings.any(axis=1))
    possible = [k for k in ks if k < len(asked)]
    if len(asked) < 3 or not possible:
        raise UsageError(
            f"{len(asked)} images have a finding, too few to search among. Bring more of the set."
        )
    scores = np.array(similarity, dtype=np.float64)
    np.fill_diagonal(scores, -np.inf)  # a query is no hit of its own
    found = jaccard_at(scores[asked], findings[asked], findings, possible)
    own = [groups[row] for row in asked.tolist()]
    return tuple(
        percent(f"map_at_{k}", share_counts(found[k], own).interval(), len(asked)) for k in possible
    )


PROTOCOL = (
    "Each image with a finding asks for the images most similar to it; a hit counts the Jaccard "
    "index of the two sets of findings, and MAP@k is the mean of it over the first k hits and over "
    "the queries (Hamamci et al. 2024, arXiv:2403.17834).",
    "An image is no hit of its own, and images without a finding are neither asked nor found.",
    "Intervals: 95 %, 1,000 bootstrap samples of patients.",
)
