"""The figures of a projector: of a fit in memory, and of the shipped file through the guide."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.classification import (
    RELIABILITY_BINS,
    Evaluation,
    evaluate_predictions,
    macro_recall,
)
from fieldguide.benchmarks.intervals import Interval, grouped_bootstrap
from fieldguide.benchmarks.retrieval import Recalls, retrieval_recalls
from fieldguide.data.embedding_rows import read_embeddings
from fieldguide.domain_guide import KEEP_ALL, Guide
from fieldguide.models.embeddings import Embeddings, SpaceId
from fieldguide.models.weights import file_digest
from fieldguide.registry import Registry, ResourceFile, overlay
from fieldguide.results import Prediction, Predictions
from fieldguide.zeroshot.classifier import ZeroShotClassifier
from fieldguide.zeroshot.classify import best_guesses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from projector_data import FrozenSet, Recipe

    from fieldguide.tuning.projector import ProjectorPair


@dataclass(frozen=True)
class Figures:
    """Figures on the test split.

    Attributes:
        accuracy: with the class set's prompts.
        macro: mean recall of the classes with enough groups.
        macro_classes: how many those are.
        calibration_error: expected calibration error.
        distinct: retrieval with every caption once and all its images relevant.
        each_pair: retrieval with a caption once for each image and only that image relevant.
        by_label: accuracy when the bare labels are typed in place of the class set.
        evaluation: everything else.
    """

    accuracy: Interval
    macro: Interval
    macro_classes: int
    calibration_error: Interval
    logit_scale: float
    distinct: Recalls | None
    each_pair: Recalls | None
    by_label: float | None
    evaluation: Evaluation

    def __str__(self) -> str:
        """Return one line for the log."""
        line = (
            f"top-1 {self.accuracy}, macro {self.macro} of {self.macro_classes}, "
            f"ECE {self.calibration_error}, scale {self.logit_scale:.1f}"
        )
        if self.distinct and self.each_pair:
            line += f", mR {self.distinct.mean_recall} / {self.each_pair.mean_recall}"
        return line if self.by_label is None else f"{line}, by label {self.by_label:.3f}"


@dataclass(frozen=True)
class Unseen:
    """What happens with classes that training never saw, in mean over the folds of classes.

    Attributes:
        among_held_out: accuracy when only the held-out classes are offered.
        chance: of that.
        among_all: accuracy when all classes are offered.
        auroc: how well the cosine with an unseen class tells its images from all others.
    """

    folds: int
    among_held_out: float
    chance: float
    among_all: float
    auroc: float


def measure_pair(pair: ProjectorPair, data: FrozenSet) -> Figures:
    """Measure a fit on the cached features."""
    space = SpaceId(model=data.recipe.model, encoder="", contract=data.contract.digest,
                    pooling="", dim=len(pair.image_bias))  # fmt: skip
    test = data.rows("test")
    images = Embeddings(pair.project_images(data.features[test]).numpy(), space)
    classes = Embeddings(pair.project_classes(data.prompt_vectors).numpy(), space)
    classifier = ZeroShotClassifier(data.class_set.labels, classes, pair.logit_scale)
    rows = [
        Prediction(
            data.items[row].name,
            best_guesses(p, classifier.labels, top=KEEP_ALL, threshold=0),
            "ok",
            metadata=data.items[row].metadata,
        )
        for row, p in zip(test, classifier.probabilities(images), strict=True)
    ]
    captions = Embeddings(pair.project_texts(data.caption_vectors).numpy(), space)
    return _figures(Predictions(rows, {}), images, captions, data, pair.logit_scale)


def measure_shipped(recipe: Recipe, data: FrozenSet) -> Figures:
    """Measure the file that is shipped, from image files to answers, as a user would."""
    record = data.catalog.registry.model(recipe.model)
    join = ResourceFile(
        resource=f"weights/{recipe.weights.name}", sha256=file_digest(recipe.weights)
    )
    record = record.model_copy(update={"files": {**record.files, "join": join}})
    known = data.catalog.registry
    new = Registry(version=1, models=(record,), datasets=known.datasets)
    catalog = replace(data.catalog, registry=overlay(known, new))
    guide = Guide(recipe.domain, modality=recipe.modality, model=recipe.model, catalog=catalog)
    items = [data.items[row] for row in data.rows("test")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.parquet"
        report = guide.embed(items, path)
        if report.failed:
            raise RuntimeError(f"{len(report.failed)} test images failed: {report.failed[0]}")
        predictions = guide.classify(path, classes=recipe.class_set, top=KEEP_ALL)
        by_label = guide.classify(path, list(data.class_set.labels), top=KEEP_ALL)
        stored = read_embeddings(path)
    if [row["label"] for row in stored.metadata] != [item.metadata["label"] for item in items]:
        raise RuntimeError("the stored rows are not in the order of the manifest")
    encoder = guide.planner.encoder(record)
    captions = encoder.encode_texts(data.captions) if data.captions else None
    figures = _figures(predictions, stored.embeddings, captions, data, encoder.logit_scale)
    typed = evaluate_predictions(by_label, label_column="label")
    return replace(figures, by_label=typed.accuracy.value)


def _figures(
    predictions: Predictions,
    images: Embeddings,
    captions: Embeddings | None,
    data: FrozenSet,
    logit_scale: float,
) -> Figures:
    column = data.recipe.group_column
    evaluation = evaluate_predictions(predictions, label_column="label", group_column=column)
    groups = [str(row.metadata[column] if column else n) for n, row in enumerate(predictions)]
    macro, classes = _macro(predictions, groups, data.recipe.min_groups)
    pairs = data.pairs_of(data.rows("test").tolist()).numpy()
    distinct = each_pair = None
    if captions is not None and len(pairs):
        kinds, places = np.unique(pairs[:, 1], return_inverse=True)
        once = Embeddings(captions.vectors[kinds], captions.space)
        distinct = retrieval_recalls(images, once, np.stack([pairs[:, 0], places], axis=1))
        every = Embeddings(captions.vectors[pairs[:, 1]], captions.space)
        own = np.stack([pairs[:, 0], np.arange(len(pairs))], axis=1)
        each_pair = retrieval_recalls(images, every, own)
    return Figures(
        accuracy=evaluation.accuracy,
        macro=macro,
        macro_classes=classes,
        calibration_error=_calibration_error(predictions, groups),
        logit_scale=logit_scale,
        distinct=distinct,
        each_pair=each_pair,
        by_label=None,
        evaluation=evaluation,
    )


def _macro(
    predictions: Predictions, groups: Sequence[str], min_groups: int
) -> tuple[Interval, int]:
    """Return the mean recall of the classes with enough groups, and how many they are."""
    truths = [str(row.metadata["label"]) for row in predictions]
    held: dict[str, set[str]] = {}
    for truth, group in zip(truths, groups, strict=True):
        held.setdefault(truth, set()).add(group)
    big = {truth for truth, members in held.items() if len(members) >= min_groups}
    kept = [place for place, truth in enumerate(truths) if truth in big]
    right = np.array([predictions[place].label == truths[place] for place in kept], dtype=float)
    return macro_recall([truths[p] for p in kept], right, [groups[p] for p in kept]), len(big)


def _calibration_error(predictions: Predictions, groups: Sequence[str]) -> Interval:
    """Return the expected calibration error; resampling makes its interval lean upwards."""
    claimed = np.array([row.guesses[0].probability for row in predictions])
    right = np.array([row.label == row.metadata["label"] for row in predictions])
    places = np.clip(np.ceil(claimed * RELIABILITY_BINS).astype(int) - 1, 0, RELIABILITY_BINS - 1)
    member = np.eye(RELIABILITY_BINS)[places]  # (N, bins)
    counts = np.hstack([member * claimed[:, None], member * right[:, None], member])

    def figure(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        claims, hits, total = np.split(sums, 3, axis=1)
        return np.asarray(np.abs(claims - hits).sum(axis=1) / total.sum(axis=1))

    return grouped_bootstrap(counts, groups, figure)
