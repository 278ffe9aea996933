"""A base and its tuned forms, and the vectors that each gives for one suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.data.pipeline import read_ahead, stacked
from fieldguide.errors import TuningError
from fieldguide.models.embeddings import Embeddings, unit_length
from fieldguide.tuning.changes import changed
from fieldguide.tuning.staged import StagedModels
from fieldguide.zeroshot.classifier import ZeroShotClassifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from fieldguide.models.embeddings import Vectors
    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.adapter import ProbeClassifier
    from fieldguide.tuning.changes import Change
    from fieldguide.tuning.suites import Suite


def models_at(
    encoder: Tunable, changes: Mapping[str, Change], strengths: Sequence[float]
) -> StagedModels:
    """Return the base with the changes added at each strength.

    Each has a space of its own, so that vectors of two strengths cannot be compared by mistake.

    Raises:
        AdapterError: a change does not fit the encoder.
    """
    models = [
        encoder.with_network(
            changed(encoder.network, changes, strength), adapter=f"strength {strength:g}"
        )
        for strength in strengths
    ]
    return StagedModels(models, frozenset(changes))


@dataclass(frozen=True)
class EncodedSuite:
    """The vectors of a suite's readable rows, by each of several models.

    Attributes:
        suite: of the readable rows only, N.
        images: for each model (N, D).
        classifiers: for each model, None where the suite has no labels.
        texts: for each model the vectors of all distinct captions and prompts.
        text_row: the row of a text in ``texts``.
        unreadable: why rows were left out.
    """

    suite: Suite
    images: tuple[Embeddings, ...]
    classifiers: tuple[ZeroShotClassifier | ProbeClassifier | None, ...]
    texts: tuple[Embeddings, ...]
    text_row: Mapping[str, int]
    unreadable: tuple[str, ...]

    @property
    def models(self) -> int:
        """How many models there are."""
        return len(self.images)


def encode_suite(
    suite: Suite, staged: StagedModels, *, batch_size: int, workers: int
) -> EncodedSuite:
    """Embed a suite's pictures and texts by every model; each picture is read once.

    Raises:
        TuningError: no picture can be read.
    """
    reading = _Reading(suite, workers, batch_size)
    batches = [staged.images(pixels) for pixels in reading.batches()]
    if not reading.kept:
        raise TuningError(
            f"No picture of {suite.name} can be read; the first: {reading.failed[0]} "
            "Correct the paths, or leave the file out."
        )
    readable = suite.only(reading.kept)
    captions = list(dict.fromkeys(text for own in readable.captions for text in own))
    prompts = list(dict.fromkeys(text for own in suite.prompts.values() for text in own))
    place = {text: row for row, text in enumerate(dict.fromkeys([*captions, *prompts]))}
    vectors = staged.texts(list(place))
    return EncodedSuite(
        suite=readable,
        images=tuple(
            Embeddings(np.concatenate(parts), model.space)
            for model, parts in zip(staged.models, zip(*batches, strict=True), strict=True)
        ),
        classifiers=tuple(
            classifier_of(model, suite.prompts, own, place) if prompts else None
            for model, own in zip(staged.models, vectors, strict=True)
        ),
        texts=tuple(
            Embeddings(own, model.space) for model, own in zip(staged.models, vectors, strict=True)
        ),
        text_row=place,
        unreadable=tuple(reading.failed),
    )


def classifier_of(
    model: Tunable,
    prompts: Mapping[str, Sequence[str]],
    vectors: Vectors,
    place: Mapping[str, int],
) -> ZeroShotClassifier:
    """Return the classifier of prompts that are embedded already; as ``build_classifier`` does."""
    means = [vectors[[place[text] for text in own]].mean(axis=0) for own in prompts.values()]
    classes = Embeddings(unit_length(np.stack(means)), model.space)
    return ZeroShotClassifier(tuple(prompts), classes, model.logit_scale)


class _Reading:
    """Reads a suite once, in batches; notes which rows were read and why others were not."""

    def __init__(self, suite: Suite, workers: int, batch_size: int) -> None:
        self.suite = suite
        self.workers = workers
        self.batch_size = batch_size
        self.kept: list[int] = []
        self.failed: list[str] = []

    def batches(self) -> Iterator[Tensor]:
        """Yield (B, C, H, W) prepared pixels, or (B, C, X, Y, Z)."""
        waiting: list[NDArray[np.uint8]] = []
        found = read_ahead(
            self.suite.items, self.suite.reader, self.workers, ahead=2 * self.batch_size
        )
        for number, (row, pixels) in enumerate(found):
            if pixels is None:
                self.failed.append(f"{row.item.name}: {row.reason}")
                continue
            self.kept.append(number)
            waiting.append(pixels)
            if len(waiting) == self.batch_size:
                yield stacked(waiting)
                waiting = []
        if waiting:
            yield stacked(waiting)
