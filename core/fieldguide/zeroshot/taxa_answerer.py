"""From vectors of images to answers that are taxa; the rows of a batch in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from fieldguide.models.embeddings import Embeddings, require_same_space
from fieldguide.results import Guess
from fieldguide.taxonomy.taxon import taxon_of
from fieldguide.zeroshot.classifier import (
    NONE_OF_THESE,
    ZeroShotClassifier,
    label_vectors,
    softmax,
)
from fieldguide.zeroshot.taxa_calibration import digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.data.pipeline import Row
    from fieldguide.models.embeddings import Encoder
    from fieldguide.taxonomy.taxon import Taxon
    from fieldguide.zeroshot.choices import Choice, Chooser
    from fieldguide.zeroshot.guided_crop import LooksAgain
    from fieldguide.zeroshot.none_of_these import NoneRule
    from fieldguide.zeroshot.taxa import Taxa

BYTES_AT_ONCE = 128 << 20
"""Of one matrix of images by labels."""


@dataclass(frozen=True)
class TaxaAnswerer:
    """Says which taxa images show.

    Attributes:
        taxa: what to choose from, and how to answer.
        classifier: with one label for each of the C taxa.
        none: when to say "none of these" first; None for never.
        again: looks at images again, and not only at their vectors; None for no second look.
    """

    taxa: Taxa
    classifier: ZeroShotClassifier
    none: NoneRule | None = None
    again: LooksAgain | None = None

    def answers(self, embeddings: Embeddings, rows: Sequence[Row]) -> Sequence[tuple[Guess, ...]]:
        """Return the guesses of N images, best first, for (N, D) vectors and their N rows."""
        at_once = max(1, BYTES_AT_ONCE // (8 * len(self.taxa)))
        found: list[tuple[Guess, ...]] = []
        for start in range(0, len(embeddings.vectors), at_once):
            part = Embeddings(embeddings.vectors[start : start + at_once], embeddings.space)
            found += self._answers(part, rows[start : start + at_once])
        return found

    def _answers(self, part: Embeddings, rows: Sequence[Row]) -> list[tuple[Guess, ...]]:
        logits = self.classifier.logits(part)
        best = logits.max(axis=1) / self.classifier.logit_scale
        if self.again is not None:
            logits = self.again.logits_of_rows(part, rows)
        chosen = self._chooser.choose(softmax(logits), None)
        return [
            (*self._refused(float(cosine)), *map(self._guess, choices))
            for cosine, choices in zip(best, chosen, strict=True)
        ]

    def _refused(self, cosine: float) -> tuple[Guess, ...]:
        """Return "none of these" where the best cosine is below the bound."""
        if self.none is None or cosine >= self.none.bound:
            return ()
        return (Guess(NONE_OF_THESE, None, why=self.none.why(cosine)),)

    @cached_property
    def _chooser(self) -> Chooser:
        return self.taxa.answer.prepare(self.taxa.pruned)

    @cached_property
    def _known(self) -> dict[int, Taxon]:
        return {}

    def _guess(self, choice: Choice) -> Guess:
        return Guess(
            choice.label,
            choice.probability,
            taxon=None if choice.node is None else self._taxon(choice.node),
            without_prior=choice.without_prior,
            why=choice.why,
        )

    def _taxon(self, node: int) -> Taxon:
        if node not in self._known:
            self._known[node] = taxon_of(self.taxa.tree, node, self.taxa.language)
        return self._known[node]


def taxa_answerer(
    taxa: Taxa, encoder: Encoder | None, usual: Sequence[str] = ("{}",)
) -> TaxaAnswerer | None:
    """Return what answers by taxa; None where there is no model.

    Args:
        taxa: what to choose from.
        encoder: the model.
        usual: templates where the user named none.

    Raises:
        SpaceMismatchError: the encoder changed its space meanwhile, or the calibration is of
            another model.
        UsageError: the answer does not fit the tree, or the calibration is of other labels.
    """
    taxa.answer.prepare(taxa.pruned)  # what is wrong with it is said before the work
    prompts = taxa.prompts(usual)
    if taxa.calibration is not None:
        taxa.calibration.require_labels(digest_of(prompts))
    if encoder is None:
        return None
    vectors = label_vectors(encoder, prompts)
    labels = tuple(taxa.tree.ids.take(taxa.pruned.labels).to_pylist())
    classifier = ZeroShotClassifier(labels, vectors, encoder.logit_scale)
    if taxa.calibration is None:
        return TaxaAnswerer(taxa, classifier)
    require_same_space(taxa.calibration.space, encoder.space, "The calibration")
    calibrated = replace(classifier, logit_scale=taxa.calibration.logit_scale)
    return TaxaAnswerer(taxa, calibrated, taxa.calibration.none)
