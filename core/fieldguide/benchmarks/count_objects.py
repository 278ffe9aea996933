"""A public set with boxes as a benchmark of counting; see ``benchmarks.counting``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fieldguide.benchmarks.counting import counted_rows, evaluate_counting
from fieldguide.benchmarks.measured import Measured, make_report
from fieldguide.benchmarks.published_files import find_beside, incomplete
from fieldguide.benchmarks.report import Figure, percent
from fieldguide.captions.coco import read_coco
from fieldguide.data.files import exists
from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from fieldguide.benchmarks.counting import Counted
    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.captions.boxes import Annotations
    from fieldguide.guides import Guide

PROTOCOL = "counting"


class BoxedSet(Protocol):
    """A public set of images with boxes, in whatever format."""

    @property
    def name(self) -> str:
        """Of its record in the registry."""
        ...

    @property
    def images(self) -> int:
        """How many images the set has that can be used."""
        ...

    def find(self, root: Path, *, whole: bool) -> Annotations:
        """Return the images that are there, with their boxes.

        Raises:
            UsageError: the set is not there, or not as it was published.
        """
        ...


@dataclass(frozen=True)
class BoxedImages:
    """A data set whose objects are boxes of one COCO file.

    Attributes:
        name: of its record in the registry; its benchmark's name begins with it.
        title: as its papers write it.
        files: names under which the boxes are found in the root, the usual one first.
        folders: where the images may lie under the root.
        images: how many the set has.
    """

    name: str
    title: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    images: int

    def find(self, root: Path, *, whole: bool) -> Annotations:
        """Return the images that are there, with their boxes.

        Args:
            root: the folder.
            whole: whether an image that is missing is an error.

        Raises:
            UsageError: the set is not there or not as it was published.
        """
        file, folder = find_beside(root, self.files, self.folders, self.title, self.name)
        try:
            found = read_coco(file, images=folder)
        except LoadError as error:
            raise UsageError(f"{file}: {error}") from error
        if found.skipped:
            source, reason = found.skipped[0]
            raise UsageError(f"{source}: {reason} Get the published file again.")
        listed = len(found.images)
        missing = [image.path for image in found.images if not exists(Path(image.path))]
        found.images = [image for image in found.images if image.path not in set(missing)]
        have = len(found.images)
        if listed > self.images or not have or (whole and have != self.images):
            text, more = f"{have} of {self.images} images", listed > self.images
            raise UsageError(incomplete(root, self.title, text, missing, more=more))
        return found


@dataclass(frozen=True)
class CountingBenchmark:
    """How well a model counts the objects of a set; see ``report.SubsetBenchmark``."""

    data: BoxedSet
    traps: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its BenchmarkSpec."""
        return f"{self.data.name}_{PROTOCOL}"

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the whole set."""
        return self._report(guide, self.data.find(root, whole=True))

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the images that are there."""
        return self._report(guide, self.data.find(root, whole=False))

    def _report(self, guide: Guide, found: Annotations) -> BenchmarkReport:
        rows = counted_rows(found)
        measured = measure(guide, rows, len(found.images))
        return make_report(
            guide, self.name, self.data.name, measured, whole=self.data.images, traps=self.traps
        )


def measure(guide: Guide, rows: list[Counted], images: int) -> Measured:
    """Measure accuracy, accuracy within one and the mean absolute error of counting.

    Args:
        guide: whose model is measured.
        rows: images with known numbers.
        images: how many the rows were chosen from.

    Raises:
        UsageError: no row, or no image could be used.
    """
    found = evaluate_counting(guide, rows)
    figures, n = found.figures, found.figures.n
    error = figures.mean_absolute_error
    named = Figure("mean_absolute_error", error.value, error.low, error.high, n, unit="count")
    own = [
        Figure("accuracy_of_count", 100 * right / total, None, None, int(total), part=str(count))
        for count, (right, total) in enumerate(
            zip(figures.confusion.diagonal(), figures.confusion.sum(axis=1), strict=True), start=1
        )
        if total
    ]
    return Measured(
        figures=(
            percent("counting_accuracy", figures.accuracy, n),
            percent("counting_accuracy_within_one", figures.within_one, n),
            named,
            *own,
        ),
        used=images - len(found.failed),
        protocol=(
            f"{n} pairs of an image and a class that has one to ten objects in it, of all images.",
            "The answer is the best of the ten sentences 'There is one X in the image.' to 'There "
            "are ten Xs in the image.' (RemoteCount of Liu et al. 2023, arXiv:2306.11029; its "
            "own sentences and pairs are others).",
            "Of sentences that fit equally well the one farthest from the truth counts.",
            "Intervals: 95 %, 1,000 bootstrap samples of images with all their classes.",
        ),
        provenance=found.provenance,
        failed=found.failed,
    )
