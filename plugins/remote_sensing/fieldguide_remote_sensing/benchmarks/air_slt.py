"""Semantic localisation on AIR-SLT: do heat maps of captions mark what the captions are about?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from fieldguide.benchmarks.intervals import Counts
from fieldguide.benchmarks.localization import LocalizationScores, localization_scores
from fieldguide.benchmarks.measured import Measured, make_report
from fieldguide.benchmarks.report import Figure
from fieldguide.errors import UsageError
from fieldguide.progress import watched
from fieldguide_remote_sensing.benchmarks.air_slt_files import DATASET, IMAGES, find_air_slt
from fieldguide_remote_sensing.benchmarks.window_maps import WindowMaps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.guides import Guide
    from fieldguide_remote_sensing.benchmarks.air_slt_files import Case

NAME = "air_slt_localization"
PROTOCOL = (
    "Windows of 256, 512 and 768 pixels side by side and shifted by half; a place's heat is the "
    "mean cosine of its windows with the caption, stretched to 0..1 and filtered by the median of "
    "251 x 251 pixels.",
    "Rmi = 0.4 Rsu + 0.35 (1 - Ras) + 0.25 Rda, with the constants of the authors' code.",
    "Intervals: 95 %, 1,000 bootstrap samples of scenes with their captions.",
)
TRAPS = (
    "The authors' code passes windows through 256 x 256 pixels and both windows and maps through "
    "JPEG; here windows go to the model's own preparation and maps are scored as they are.",
    "59 captions of 22 scenes: the intervals are wide.",
    "Lower is better for selo_ras.",
)


class HeatMaps(Protocol):
    """Makes heat maps of scenes."""

    @property
    def provenance(self) -> dict[str, Any]:
        """How the last one was made."""
        ...

    def __call__(self, path: Path, text: str) -> NDArray[np.floating]:
        """Return (H, W) from 0 to 1, in the pixels of the scene."""
        ...


@dataclass(frozen=True)
class SemanticLocalization:
    """The benchmark; see ``report.SubsetBenchmark``.

    Attributes:
        maps: makes what makes heat maps with a guide's model.
    """

    maps: Callable[[Guide], HeatMaps] = WindowMaps
    name: ClassVar[str] = NAME

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on all captions."""
        return self._report(guide, find_air_slt(root))

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the captions of the scenes that are there."""
        return self._report(guide, find_air_slt(root, subset=True))

    def _report(self, guide: Guide, cases: Sequence[Case]) -> BenchmarkReport:
        maps = self.maps(guide)
        shown = guide.runtime.progress
        scores = [score(maps, case) for case in watched(cases, "caption", shown=shown)]
        images = [case.image.name for case in cases]
        measured = Measured(
            figures=figures(scores, images),
            used=len(set(images)),
            protocol=(f"{len(cases)} captions of {len(set(images))} scenes.", *PROTOCOL),
            provenance=maps.provenance,
        )
        return make_report(guide, NAME, DATASET, measured, whole=IMAGES, traps=TRAPS)


air_slt_localization = SemanticLocalization()


def score(maps: HeatMaps, case: Case) -> LocalizationScores:
    """Return the figures of one caption.

    Raises:
        UsageError: its scene cannot be read, or its regions do not lie in the scene.
    """
    heat = maps(case.image, case.caption)
    try:
        return localization_scores(heat, case.regions)
    except ValueError as error:
        raise UsageError(
            f"{case.image}, {case.caption!r}: {error}. Get the published files again: fieldguide "
            f"benchmark {DATASET} --how-to-get"
        ) from error


def figures(scores: Sequence[LocalizationScores], images: Sequence[str]) -> tuple[Figure, ...]:
    """Return the means of all captions; scenes are resampled."""
    found = []
    for name in ("rmi", "rsu", "rda", "ras"):
        values = [float(getattr(each, name)) for each in scores]
        counts = np.stack([values, np.ones(len(values))], axis=1)
        interval = Counts(counts, images, _mean).interval()
        found.append(
            Figure(f"selo_{name}", interval.value, interval.low, interval.high, len(values),
                   unit="fraction")
        )  # fmt: skip
    return tuple(found)


def _mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(sums[:, 0] / sums[:, 1])
