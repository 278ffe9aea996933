"""Zero-shot classification of a whole labelled set: top-1, mean of the classes, and each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.benchmarks.classification import evaluate_predictions
from fieldguide.benchmarks.labelled import GROUP, LABEL
from fieldguide.benchmarks.measured import Measured
from fieldguide.benchmarks.report import Figure, percent
from fieldguide.zeroshot.class_sets import load_class_set

if TYPE_CHECKING:
    from fieldguide.benchmarks.classification import Evaluation
    from fieldguide.benchmarks.labelled import LabelledImages
    from fieldguide.guides import Guide

EVERY_LABEL = 1_000_000
FIVE = 5


@dataclass(frozen=True)
class ZeroShot:
    """Classify every image by the prompts of a class set (Radford et al. 2021, arXiv:2103.00020).

    Attributes:
        class_set: name of the class set that is chosen from and prompted with.
        name: what the benchmark's name ends with.
    """

    class_set: str
    name: str = "zero_shot"

    def measure(self, guide: Guide, images: LabelledImages) -> Measured:
        """Measure top-1 and top-5 accuracy, their mean over classes, and each class's accuracy.

        Raises:
            UsageError: no image could be used, or the model's labels are others.
        """
        asked = images.reported()
        predictions = guide.classify(list(asked.items), classes=self.class_set, top=EVERY_LABEL)
        group = GROUP if asked.groups else None
        found = evaluate_predictions(predictions, label_column=LABEL, group_column=group)
        return Measured(
            figures=_figures(found),
            used=found.classified,
            whole=asked.whole,
            protocol=self._protocol(guide, asked),
            provenance=predictions.provenance,
            failed=tuple(
                {"path": row.path, "status": row.status, "reason": row.reason}
                for row in predictions
                if not row.guesses
            ),
        )

    def _protocol(self, guide: Guide, images: LabelledImages) -> tuple[str, ...]:
        used = load_class_set(self.class_set, guide.catalog)
        which = "The test split" if images.splits else "All images that are there, of any split"
        unit = "groups" if images.groups else "images"
        return (
            f"{which}; {len(used.classes)} classes of the class set {used.name} version "
            f"{used.version}, {len(used.templates)} templates around each name.",
            "The unit vectors of a class's prompts are averaged; the most similar class is the "
            "answer.",
            f"Intervals: 95 %, 1,000 bootstrap samples of {unit}.",
        )


def _figures(found: Evaluation) -> tuple[Figure, ...]:
    n = found.classified
    figures = [
        percent("top1_accuracy", found.accuracy, n),
        percent("mean_class_accuracy", found.macro_recall, n),
    ]
    if len(found.labels) > FIVE:
        figures.append(percent("top5_accuracy", found.top5_accuracy, n))
    for row in found.per_class:
        if row.support:
            figures.append(
                Figure("class_accuracy", 100 * row.recall, None, None, row.support, part=row.label)
            )
    return tuple(figures)
