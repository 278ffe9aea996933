"""The score of a model in training on the val rows: what stops it, and which step is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fieldguide.models.embeddings import Embeddings
from fieldguide.tuning.assessment import score_of
from fieldguide.tuning.splits import VAL
from fieldguide.tuning.strengths import EncodedSuite, classifier_of
from fieldguide.tuning.suite_figures import figures_of
from fieldguide.tuning.suites import Suite
from fieldguide.tuning.training.text_inputs import TextInputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from fieldguide.data.pipeline import ItemReader
    from fieldguide.tuning.examples import Examples
    from fieldguide.tuning.training.context import Cuts, Training
    from fieldguide.tuning.training.prepared import Prepared

ROWS_AT_ONCE = 64


def val_suite(examples: Examples, reader: ItemReader) -> Suite | None:
    """Return the domain's val rows; None where they can choose nothing."""
    val = examples.row_subset(VAL)
    suite = Suite(
        name=VAL,
        role="domain",
        items=val.items,
        parts=val.splits,
        groups=val.groups,
        labels=val.labels,
        prompts=examples.prompts if len(examples.prompts) > 1 else {},
        captions=val.captions,
        reader=reader,
    )
    has_labels = bool(suite.prompts) and any(suite.labels)
    has_captions = sum(bool(captions) for captions in suite.captions) > 1
    return suite if has_labels or has_captions else None


class Validation:
    """Scores a prepared model on the val rows.

    Args:
        training: with a suite.
        cuts: where the towers are cut.
    """

    def __init__(self, training: Training, cuts: Cuts) -> None:
        assert training.suite is not None
        self._training, self._cut, self._suite = training, cuts.image, training.suite
        captions = [text for own in self._suite.captions for text in own]
        prompts = [text for own in self._suite.prompts.values() for text in own]
        self._place = {t: n for n, t in enumerate(dict.fromkeys([*captions, *prompts]))}
        self._texts = TextInputs(training.encoder, cuts.text, list(self._place))

    @torch.no_grad()
    def figures(self, model: Prepared) -> Mapping[str, float]:
        """Return "score" and each figure on the val rows, 0 to 1."""
        rows = self._training.examples.rows(VAL)
        parts = [(part, torch.zeros_like(part)) for part in torch.split(rows, ROWS_AT_ONCE)]
        pictures = self._training.pictures.stream(self._cut, parts)
        images = torch.cat([model.images(state) for state in pictures])
        numbers = torch.split(torch.arange(len(self._place)), ROWS_AT_ONCE)
        texts = torch.cat([model.texts(self._texts.state(part)) for part in numbers])
        values = {
            name: counts.value for name, counts in figures_of(self._encoded(images, texts), 0, VAL
                                                              ).items()
        }  # fmt: skip
        return {"score": score_of(values), **values}

    def _encoded(self, images: Tensor, texts: Tensor) -> EncodedSuite:
        encoder, suite = self._training.encoder, self._suite
        vectors = texts.cpu().numpy()
        prompts = suite.prompts
        classifier = classifier_of(encoder, prompts, vectors, self._place) if prompts else None
        return EncodedSuite(
            suite=suite,
            images=(Embeddings(images.cpu().numpy(), encoder.space),),
            classifiers=(classifier,),
            texts=(Embeddings(vectors, encoder.space),),
            text_row=self._place,
            unreadable=(),
        )
