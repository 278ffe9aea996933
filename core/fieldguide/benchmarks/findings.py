"""Findings of a labelled manifest beside what a model says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.benchmarks.finding_figures import (
    FIGURES,
    FindingFigures,
    Judged,
    MacroMean,
    measure_findings,
)
from fieldguide.benchmarks.finding_labels import Truth, read_truth
from fieldguide.benchmarks.reliability import Reliability, measure_reliability
from fieldguide.benchmarks.vectors import encode_all
from fieldguide.errors import UsageError
from fieldguide.results import Result
from fieldguide.tuning.adapter_choice import require_vectors
from fieldguide.zeroshot.choose import judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.benchmarks.intervals import Interval
    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import SpaceId
    from fieldguide.zeroshot.calibration import Calibration
    from fieldguide.zeroshot.class_sets import ClassSet

USUAL_THRESHOLD = 0.5


@dataclass(frozen=True)
class Scored:
    """What a model says of the findings of N rows, and what is true.

    Attributes:
        logits: (N, F) log odds.
        probabilities: (N, F).
        thresholds: (F,) from which probability a finding counts as present.
        truth: of the same rows and findings.
        groups: of each row.
        space: of the model.
        failed: path, status and reason of each row that could not be used.
        provenance: of the job.
    """

    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    truth: Truth
    groups: tuple[str, ...]
    space: SpaceId
    failed: tuple[Mapping[str, str], ...]
    provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FindingsEvaluation(Result):
    """What a labelled manifest says of a model's findings.

    Attributes:
        findings: one a finding of the set that has a column.
        macro: means over the findings, by the figure's name: auroc, f1, precision, recall.
        reliability: of all probabilities together.
        not_evaluated: findings that the manifest, or a calibration, does not have.
        classified: rows that were judged.
        groups: of those rows.
        failed: path, status and reason of each row that could not be used.
    """

    kind = "findings"

    findings: tuple[FindingFigures, ...]
    macro: Mapping[str, MacroMean]
    reliability: Reliability
    not_evaluated: tuple[str, ...]
    classified: int
    groups: int
    failed: tuple[Mapping[str, str], ...]
    provenance: Mapping[str, Any]

    def records(self) -> list[dict[str, Any]]:
        """Return one row a finding: counts, threshold, and each figure with its interval."""
        return [
            {
                "label": row.label,
                "positives": row.positives,
                "negatives": row.negatives,
                "uncertain": row.uncertain,
                "unknown": row.unknown,
                "threshold": row.threshold,
            }
            | {
                f"{name}{end}": value
                for name in FIGURES
                for end, value in _ends(getattr(row, name))
            }
            for row in self.findings
        ]

    def summary(self) -> dict[str, Any]:
        """Return the means and the reliability as plain numbers."""
        means = {
            f"macro_{name}": dict(_named(mean)) | {"findings": mean.of}
            for name, mean in self.macro.items()
        }
        return {
            **means,
            **self.reliability.summary(),
            "not_evaluated": list(self.not_evaluated),
            "classified": self.classified,
            "unclassified": len(self.failed),
            "groups": self.groups,
        }


def score_findings(
    guide: Guide,
    items: Sequence[Item],
    classes: ClassSet,
    *,
    uncertain: str | None = None,
    group_column: str | None = None,
    calibration: Calibration | None = None,
) -> Scored:
    """Judge the findings of labelled items; each image is encoded once.

    Args:
        guide: whose model judges.
        items: rows of a manifest.
        classes: a set of findings.
        uncertain: what labels of -1 count as, one of ``finding_labels.READINGS``.
        group_column: rows that share its value are resampled together; by default each alone.
        calibration: of this model and set; findings that it lacks are left out.

    Raises:
        UsageError: labels that cannot be read, a row without a group, no row that can be used, or a
            calibration of another set.
        SpaceMismatchError: a calibration of another model.
    """
    require_vectors(guide.adapter)
    if calibration is not None:
        calibration.require_class_set(classes)
    read_truth([item.metadata for item in items], classes, uncertain)  # before the work
    groups = _groups(items, group_column)
    encoded = encode_all(guide, items)
    truth = read_truth([items[row].metadata for row in encoded.rows], classes, uncertain)
    classifier = judge(classes, encoded.encoder, guide.catalog, calibration)
    offered = [label for label in truth.labels if label in classifier.labels]
    if not offered:
        raise UsageError("The calibration has none of the findings that the manifest has.")
    columns = [classifier.labels.index(label) for label in offered]
    return Scored(
        logits=classifier.logits(encoded.embeddings)[:, columns],
        probabilities=classifier.probabilities(encoded.embeddings)[:, columns],
        thresholds=np.array([classifier.thresholds.get(x, USUAL_THRESHOLD) for x in offered]),
        truth=truth.among(offered),
        groups=tuple(groups[row] for row in encoded.rows),
        space=encoded.embeddings.space,
        failed=encoded.failed,
        provenance=encoded.provenance,
    )


def evaluate_findings(scored: Scored, threshold: float | None = None) -> FindingsEvaluation:
    """Compare what a model says of findings with what is true.

    Args:
        scored: both.
        threshold: one for all findings, in place of those of a calibration or 0.5.
    """
    truth = scored.truth
    thresholds = scored.thresholds
    if threshold is not None:
        thresholds = np.full_like(thresholds, threshold)
    called = scored.probabilities >= thresholds
    each, means = measure_findings(
        Judged(truth.labels, scored.logits, called, truth.values, scored.groups)
    )
    return FindingsEvaluation(
        findings=tuple(
            FindingFigures(
                label=label,
                positives=int((truth.values[:, place] == 1).sum()),
                negatives=int((truth.values[:, place] == 0).sum()),
                uncertain=int(truth.uncertain[place]),
                unknown=int(np.isnan(truth.values[:, place]).sum()),
                threshold=float(thresholds[place]),
                **each[label],
            )
            for place, label in enumerate(truth.labels)
        ),
        macro=means,
        reliability=measure_reliability(scored.probabilities, truth.values, scored.groups),
        not_evaluated=truth.without_column,
        classified=len(scored.groups),
        groups=len(set(scored.groups)),
        failed=scored.failed,
        provenance=scored.provenance,
    )


def _groups(items: Sequence[Item], column: str | None) -> list[str]:
    """Return the group of each row; each alone where there is no column.

    Raises:
        UsageError: a row has none.
    """
    if column is None:
        return [str(number) for number in range(len(items))]
    missing = [number for number, item in enumerate(items, 1) if item.metadata.get(column) in _NO]
    if missing:
        raise UsageError(
            f"{len(missing)} rows have no {column!r}, the first is row {missing[0]}. Fill the "
            "column, or leave out --group-column."
        )
    return [str(item.metadata[column]) for item in items]


_NO = (None, "")


def _ends(figure: Interval | None) -> tuple[tuple[str, Any], ...]:
    if figure is None:
        return (("", None), ("_low", None), ("_high", None))
    return (("", figure.value), ("_low", figure.low), ("_high", figure.high))


def _named(mean: MacroMean) -> tuple[tuple[str, Any], ...]:
    return tuple((end.strip("_") or "value", value) for end, value in _ends(mean.interval))
