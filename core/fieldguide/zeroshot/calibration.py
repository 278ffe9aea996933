"""A calibration of findings: what turns a model's scores into probabilities that can be believed.

It is a small JSON file that says for which model, class set and method it was fitted, and refuses
any other. It names no image.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, ValidationError
from scipy.special import expit

from fieldguide.data.files import atomic_path, read_bounded
from fieldguide.errors import LoadError, UsageError
from fieldguide.models.embeddings import SpaceId, require_same_space
from fieldguide.specs import Name, Record, list_faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Embeddings
    from fieldguide.zeroshot.class_sets import ClassSet
    from fieldguide.zeroshot.findings import FindingClassifier

MAX_BYTES = 4 * 2**20


class FindingCalibration(Record):
    """One finding: p = sigmoid(slope * logit + bias).

    Attributes:
        threshold: the probability from which on F1 was highest on the rows it was fitted on.
        positives: rows that have the finding.
        negatives: rows that do not.
    """

    slope: float = Field(ge=0, allow_inf_nan=False)
    bias: float = Field(allow_inf_nan=False)
    threshold: float = Field(ge=0, le=1)
    positives: int = Field(ge=1)
    negatives: int = Field(ge=1)


class Calibration(Record):
    """All that a calibration file holds.

    Attributes:
        format: of the file.
        class_set: its findings are of this set.
        class_set_version: of that set, whose sentences may change with it.
        finding_classifier: the method that gave the scores.
        space: of the model that gave the scores.
        uncertain: what labels of -1 counted as.
        groups: how many groups of rows it was fitted on.
        findings: by label.
        left_out: why a finding of the set has no calibration, by label.
        figures: Brier score and calibration error before and after, with intervals; after is
            measured on rows that took no part in the fit.
    """

    format: Literal[1] = 1
    class_set: Name
    class_set_version: str
    finding_classifier: Name
    space: SpaceId
    uncertain: str
    groups: int = Field(ge=1)
    findings: dict[str, FindingCalibration] = Field(min_length=1)
    left_out: dict[str, str] = Field(default={})
    figures: dict[str, Any] = Field(default={})

    def write(self, path: str | Path) -> Path:
        """Write the file; it replaces one that is there."""
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(json.dumps(self.model_dump(), indent=2) + "\n", "utf-8")
        return Path(path)

    def require_class_set(self, classes: ClassSet) -> None:
        """Raise UsageError unless it was fitted with this class set."""
        mine = (self.class_set, self.class_set_version, self.finding_classifier)
        theirs = (classes.name, classes.version, classes.finding_classifier)
        if mine != theirs:
            raise UsageError(
                f"The calibration is of the class set {mine[0]} version {mine[1]} by {mine[2]}, "
                f"not of {theirs[0]} version {theirs[1]} by {theirs[2]}. Fit another: fieldguide "
                f"evaluate MANIFEST --classes {theirs[0]} --write-calibration FILE"
            )


def read_calibration(path: str | Path) -> Calibration:
    """Return the calibration of a file.

    Raises:
        UsageError: it cannot be read or is no calibration.
    """
    try:
        return Calibration.model_validate_json(read_bounded(Path(path), MAX_BYTES))
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from error
    except ValidationError as error:
        raise UsageError(
            f"{path} is no calibration: {list_faults(error)}. Make one: fieldguide evaluate "
            "MANIFEST --classes NAME --write-calibration FILE"
        ) from error


@dataclass(frozen=True)
class CalibratedFindings:
    """Findings whose probabilities were calibrated; those without a calibration are not offered.

    Attributes:
        classifier: whose logits are turned into probabilities.
        calibration: of the same model, class set and method.
    """

    classifier: FindingClassifier
    calibration: Calibration

    @property
    def labels(self) -> tuple[str, ...]:
        """The findings that have a calibration, in the order of the set."""
        known = self.calibration.findings
        return tuple(label for label in self.classifier.labels if label in known)

    @property
    def thresholds(self) -> Mapping[str, float]:
        """From which probability each finding counts as present."""
        return {label: self.calibration.findings[label].threshold for label in self.labels}

    def logits(self, images: Embeddings) -> NDArray[np.float64]:
        """Return (N, F) calibrated log odds that a finding is there.

        Raises:
            SpaceMismatchError: the calibration or the classifier is of another model.
        """
        require_same_space(self.calibration.space, images.space, "The calibration")
        columns = [self.classifier.labels.index(label) for label in self.labels]
        own = [self.calibration.findings[label] for label in self.labels]
        slopes, biases = np.array([[one.slope, one.bias] for one in own]).T
        return np.asarray(self.classifier.logits(images)[:, columns] * slopes + biases)

    def probabilities(self, images: Embeddings) -> NDArray[np.float64]:
        """Return (N, F) calibrated probabilities that a finding is there."""
        return np.asarray(expit(self.logits(images)))
