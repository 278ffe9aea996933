"""A public set with several findings an image as a benchmark of judging them by text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.benchmarks.finding_images import GROUP
from fieldguide.benchmarks.findings import USUAL_THRESHOLD, evaluate_findings, score_findings
from fieldguide.benchmarks.measured import Measured, make_report
from fieldguide.benchmarks.report import Figure, percent
from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import load_class_set

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.benchmarks.finding_images import FindingImages, FindingSet
    from fieldguide.benchmarks.findings import FindingsEvaluation
    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.guides import Guide


@dataclass(frozen=True)
class FindingsZeroShot:
    """Means over the findings of a set, and each finding; see ``report.SubsetBenchmark``.

    Attributes:
        data: the images; their items' metadata hold the findings by their labels.
        name: of its BenchmarkSpec.
        class_set: the findings, with sentences for present and absent.
        main: the mean that the benchmark is known by: auroc, f1, precision or recall.
        uncertain: what labels of -1 count as; see ``finding_labels.READINGS``.
        traps: what misleads about the set, in whole sentences.
    """

    data: FindingSet
    name: str
    class_set: str
    main: str = "auroc"
    uncertain: str = "ignore"
    traps: tuple[str, ...] = ()

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the whole set."""
        return self._report(guide, self.data.find(root, whole=True))

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the images that are there."""
        return self._report(guide, self.data.find(root, whole=False))

    def _report(self, guide: Guide, images: FindingImages) -> BenchmarkReport:
        classes = load_class_set(self.class_set, guide.catalog)
        scored = score_findings(
            guide, images.items, classes, uncertain=self.uncertain, group_column=GROUP
        )
        found = evaluate_findings(scored)
        measured = Measured(
            figures=tuple(self._figures(found)),
            used=found.classified,
            protocol=(
                f"{len(found.findings)} findings of the class set {classes.name} version "
                f"{classes.version}: each is judged by its sentences for present and absent; from "
                f"a probability of {USUAL_THRESHOLD:g} on it counts as present.",
                f"Labels of -1 count as: {self.uncertain}. Figures are means over the findings "
                "(macro), of those for which they are defined.",
                "Intervals: 95 %, bootstrap samples of patients.",
            ),
            provenance=found.provenance,
            failed=found.failed,
        )
        return make_report(
            guide, self.name, self.data.name, measured, whole=images.whole, traps=self.traps
        )

    def _figures(self, found: FindingsEvaluation) -> list[Figure]:
        """Return the main mean, the others, and the main figure of each finding.

        Raises:
            UsageError: the main one is not defined.
        """
        names = [self.main, *(name for name in found.macro if name != self.main)]
        figures = [
            percent(name, interval, found.classified)
            for name in names
            if (interval := found.macro[name].interval) is not None
        ]
        for row in found.findings:
            own = getattr(row, self.main)
            if own is not None:
                figures.append(percent(self.main, own, found.classified, part=row.label))
        if not figures or figures[0].metric != self.main:
            raise UsageError(
                f"No finding is there in some images and not in others, so there is no "
                f"{self.main}. Bring more of the set."
            )
        return figures
