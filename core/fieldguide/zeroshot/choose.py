"""From what a user says to choose from to a classifier: labels, class set, adapter's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fieldguide.errors import UsageError
from fieldguide.tuning.adapter import ProbeClassifier
from fieldguide.zeroshot.class_sets import load_class_set, prompts_of_labels
from fieldguide.zeroshot.classifier import build_classifier
from fieldguide.zeroshot.describe import described_classifier, match_labels
from fieldguide.zeroshot.description_files import load_descriptions
from fieldguide.zeroshot.description_sets import DescriptionSet
from fieldguide.zeroshot.template_sets import expand_templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Embeddings, Encoder
    from fieldguide.plugins import Catalog
    from fieldguide.specs import MethodSpec
    from fieldguide.tuning.adapter import Adapter, Probe
    from fieldguide.zeroshot.calibration import Calibration
    from fieldguide.zeroshot.class_sets import ClassSet
    from fieldguide.zeroshot.findings import FindingClassifier


class Classifier(Protocol):
    """Names the labels of images by their vectors."""

    @property
    def labels(self) -> tuple[str, ...]:
        """C labels."""
        ...

    def probabilities(self, images: Embeddings) -> NDArray[np.floating]:
        """Return (N, C) probabilities; each row sums to one unless they are of findings."""
        ...

    def logits(self, images: Embeddings) -> NDArray[np.float64]:
        """Return (N, C) scores whose softmax is the probability."""
        ...


@dataclass(frozen=True)
class Asked:
    """What to choose from.

    Attributes:
        labels: the user's own, or None.
        classes: name of a class set, or None.
        templates: prompts, each with one ``{}``, or names of ``template_sets``; None for those of
            the class set, adapter or modality.
        usual: templates of the modality.
        calibration: of findings.
        descriptions: sentences about the labels, or the name or file of a set; None for prompts
            alone. Where neither labels nor classes are given, its classes are the labels.
        prompt_share: of the prompts beside the sentences, 0 to 1.
    """

    labels: Sequence[str] | None
    classes: str | None
    templates: Sequence[str] | None
    usual: Sequence[str] = ("{}",)
    calibration: Calibration | None = None
    descriptions: DescriptionSet | str | Path | None = None
    prompt_share: float = 0.0

    def prompts(self, catalog: Catalog, adapter: Adapter | None = None) -> Mapping[str, list[str]]:
        """Return the prompts of each label.

        An adapter's own prompts are used where it knows all labels and no others are asked for.

        Raises:
            UsageError: neither or both of labels and classes are given, and no adapter has any.
        """
        known = {} if adapter is None else adapter.config.prompts
        templates = expand_templates(self.templates)
        if self.labels is None and self.classes is None and known:
            return _of_adapter(known, list(known), templates)
        if (self.labels is None) == (self.classes is None):
            raise UsageError(
                "Say what to choose from: either labels (--label A --label B, --labels FILE) or a "
                "class set (--classes NAME)."
            )
        if self.classes is not None:
            return load_class_set(self.classes, catalog).prompts(templates)
        labels = self.labels or ()
        if known and all(label in known for label in labels):
            prompts_of_labels(labels, ("{}",))  # doubled or single labels are refused alike
            return _of_adapter(known, labels, templates)
        own = () if adapter is None else adapter.config.templates
        return prompts_of_labels(labels, templates or own or self.usual)

    def with_descriptions(self, catalog: Catalog, adapter: Adapter | None) -> Asked:
        """Return this with the description set read, and with its classes where no labels are.

        Raises:
            UnknownNameError: no domain has the set.
            UsageError: the file is no description set.
        """
        if self.descriptions is None:
            return self
        chosen = self.descriptions
        if not isinstance(chosen, DescriptionSet):
            chosen = load_descriptions(chosen, catalog)
        has_own = adapter is not None and bool(adapter.config.prompts)
        unsaid = self.labels is None and self.classes is None and not has_own
        return replace(self, descriptions=chosen, labels=chosen.labels if unsaid else self.labels)

    def names(self, labels: Iterable[str], catalog: Catalog) -> dict[str, tuple[str, ...]]:
        """Return what else each label is called: names and aliases of the class set."""
        entries = () if self.classes is None else load_class_set(self.classes, catalog).classes
        more = {entry.label: (*entry.names, *entry.aliases) for entry in entries}
        return {label: more.get(label, ()) for label in labels}

    def findings(self, catalog: Catalog) -> ClassSet | None:
        """Return the class set whose findings are asked for; None where one label is to be chosen.

        Raises:
            UsageError: templates for findings, which have sentences; or a calibration without any.
        """
        found = None
        if self.classes is not None and self.labels is None:
            found = load_class_set(self.classes, catalog)
        if found is None or not found.has_findings:
            if self.calibration is not None:
                raise UsageError(
                    "A calibration is of findings, and none are asked for. Name the class set that "
                    f"it was fitted with: --classes {self.calibration.class_set}"
                )
            return None
        if self.descriptions is not None:
            raise UsageError(
                f"The findings of {found.name} have sentences of their own. Leave --descriptions "
                "out."
            )
        if self.templates:
            raise UsageError(
                f"The findings of {found.name} have sentences of their own for present and absent. "
                "Leave --template out; a copy of the class set may have others."
            )
        if self.calibration is not None:
            self.calibration.require_class_set(found)
        return found

    def among(self, probe: Probe, catalog: Catalog) -> Probe:
        """Return a probe for what was asked; all its labels where nothing was.

        Raises:
            UsageError: a label is not the probe's, or templates are given, which it has no use for.
        """
        if self.templates:
            raise UsageError("The adapter is a probe, which uses no prompts. Leave --template out.")
        if self.descriptions is not None:
            raise UsageError(
                "The adapter is a probe, which reads nothing. Leave --descriptions out."
            )
        if self.labels is not None and self.classes is not None:
            raise UsageError("Give labels or a class set, not both; or none for the probe's own.")
        if self.classes is not None:
            return probe.among(load_class_set(self.classes, catalog).labels)
        return probe if self.labels is None else probe.among(self.labels)


def make_classifier(
    asked: Asked, encoder: Encoder | None, adapter: Adapter | None, catalog: Catalog
) -> Classifier | None:
    """Return the classifier for what was asked; None where there is no encoder.

    Args:
        asked: what to choose from.
        encoder: with the adapter on it, or None when nothing will be encoded.
        adapter: whose probe or prompts are used.
        catalog: for class sets.

    Raises:
        UsageError: labels, classes or templates that make no sense.
    """
    if adapter is not None and adapter.classifier is not None:
        probe = asked.among(adapter.classifier, catalog)
        return None if encoder is None else ProbeClassifier(probe, encoder.space)
    classes = asked.findings(catalog)
    if classes is not None:
        return None if encoder is None else judge(classes, encoder, catalog, asked.calibration)
    asked = asked.with_descriptions(catalog, adapter)
    prompts = asked.prompts(catalog, adapter)
    if not isinstance(asked.descriptions, DescriptionSet):
        return None if encoder is None else build_classifier(encoder, prompts)
    matched = match_labels(asked.descriptions, asked.names(prompts, catalog))
    if encoder is None:
        return None
    return described_classifier(encoder, matched, prompts, asked.prompt_share)


def named_calibration(named: str | Path | Calibration | None) -> Calibration | None:
    """Return a calibration that may be named by its file.

    Raises:
        UsageError: the file is not there, or holds none.
    """
    if named is None or not isinstance(named, str | Path):
        return named
    from fieldguide.zeroshot.calibration import read_calibration  # with scipy

    return read_calibration(named)


def finding_judge(classes: ClassSet, catalog: Catalog) -> MethodSpec:
    """Return the method that a set of findings names.

    Raises:
        UnknownNameError: there is none of that name.
        UsageError: it does not judge findings.
    """
    spec = catalog.methods[classes.finding_classifier]
    if spec.role != "finding_classifier":
        raise UsageError(
            f"The class set {classes.name} names {spec.name!r} to judge findings, which is a "
            f"{spec.role}. Name a finding_classifier; see 'fieldguide plugins'."
        )
    return spec


def judge(
    classes: ClassSet, encoder: Encoder, catalog: Catalog, calibration: Calibration | None = None
) -> FindingClassifier:
    """Return the classifier that a set of findings names, calibrated where that is asked for.

    Raises:
        UsageError: it names a method that does not judge findings.
    """
    found: FindingClassifier = finding_judge(classes, catalog).load()(encoder, classes.pairs())
    if calibration is None:
        return found
    from fieldguide.zeroshot.calibration import CalibratedFindings  # with scipy

    return CalibratedFindings(found, calibration)


def _of_adapter(
    known: Mapping[str, Sequence[str]], labels: Sequence[str], templates: Sequence[str] | None
) -> Mapping[str, list[str]]:
    if templates is not None:
        return prompts_of_labels(labels, templates)
    return {label: list(known[label]) for label in labels}
