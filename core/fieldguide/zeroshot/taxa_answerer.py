"""From vectors of images to answers that are taxa; the rows of a batch in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fieldguide.models.embeddings import Embeddings, require_same_space
from fieldguide.results import Guess
from fieldguide.taxonomy.taxon import taxon_of
from fieldguide.zeroshot.classifier import NONE_OF_THESE, ZeroShotClassifier
from fieldguide.zeroshot.label_scores import LabelScorer, scores_of
from fieldguide.zeroshot.priors import Boost, Candidates
from fieldguide.zeroshot.taxa_calibration import digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.data.pipeline import Row
    from fieldguide.models.embeddings import Encoder
    from fieldguide.taxonomy.taxon import Taxon
    from fieldguide.zeroshot.choices import Choice, Chooser
    from fieldguide.zeroshot.guided_crop import LooksAgain
    from fieldguide.zeroshot.label_scores import LabelScores, LogPrior
    from fieldguide.zeroshot.none_of_these import NoneRule
    from fieldguide.zeroshot.priors import Belief, PriorSource
    from fieldguide.zeroshot.taxa import Taxa


@dataclass(frozen=True, eq=False)
class TaxaAnswerer:
    """Says which taxa images show.

    Attributes:
        taxa: what to choose from, and how to answer.
        vectors: (C, D) of the labels; may be mapped from a file.
        logit_scale: what cosines are multiplied by.
        none: when to say "none of these" first, by the picture alone; None for never.
        boost: what is known beside the images; None for nothing.
        again: looks at images again, and not only at their vectors; None for no second look.
    """

    taxa: Taxa
    vectors: Embeddings
    logit_scale: float
    none: NoneRule | None = None
    boost: Boost | None = None
    again: LooksAgain | None = None

    def answers(self, embeddings: Embeddings, rows: Sequence[Row]) -> Sequence[tuple[Guess, ...]]:
        """Return the guesses of N images, best first, for (N, D) vectors and their N rows.

        Raises:
            SpaceMismatchError: the images were embedded by another model.
        """
        require_same_space(self.vectors.space, embeddings.space, "The set of labels")
        beliefs, log_prior = self._beside(rows)
        found: list[tuple[Guess, ...]] = []
        for part, scores, plain in self._scorer.chunks(
            embeddings.vectors, top=self._chooser.top, log_prior=log_prior
        ):
            cosines = (scores if plain is None else plain).largest / self.logit_scale
            if self.again is not None:
                scores, plain = self._scores_again(embeddings, rows, part, log_prior)
            chosen = self._chooser.choose(scores, plain)
            found += [
                self._after(self._refused(float(cosine)), self._told(choices, belief))
                for cosine, choices, belief in zip(cosines, chosen, beliefs[part], strict=True)
            ]
        return found

    @property
    def classifier(self) -> ZeroShotClassifier:
        """The labels with their vectors, for what looks at images again."""
        labels = tuple(self.taxa.tree.ids.take(self.taxa.pruned.labels).to_pylist())
        return ZeroShotClassifier(labels, self.vectors, self.logit_scale)

    def _scores_again(
        self, embeddings: Embeddings, rows: Sequence[Row], part: slice, log_prior: LogPrior | None
    ) -> tuple[LabelScores, LabelScores | None]:
        """Return the scores of some images by a second look, with and without the prior."""
        if self.again is None:
            raise ValueError("nothing looks again")
        vectors = Embeddings(embeddings.vectors[part], embeddings.space)
        logits = self.again.logits_of_rows(vectors, rows[part])
        plain = scores_of(logits, self._chooser.top)
        if log_prior is None:
            return plain, None
        return scores_of(logits + log_prior(part), self._chooser.top), plain

    def _beside(self, rows: Sequence[Row]) -> tuple[Sequence[Belief | None], LogPrior | None]:
        """Return what is known beside each of N images, and what it adds to logits."""
        if self.boost is None:
            return [None] * len(rows), None
        boost, beliefs = self.boost, self.boost.beliefs([row.metadata for row in rows])
        return beliefs, lambda part: boost.added(beliefs[part])

    def _told(self, choices: Sequence[Choice], belief: Belief | None) -> tuple[Guess, ...]:
        guesses = map(self._guess, choices)
        return tuple(guesses if belief is None else map(belief.told, guesses))

    @staticmethod
    def _after(refused: tuple[Guess, ...], told: tuple[Guess, ...]) -> tuple[Guess, ...]:
        """Return all guesses of an image; "none of these" is said once, for the first reason."""
        if refused:
            told = tuple(guess for guess in told if guess.label != NONE_OF_THESE)
        return (*refused, *told)

    def _refused(self, cosine: float) -> tuple[Guess, ...]:
        """Return "none of these" where the best cosine is below the bound."""
        if self.none is None or cosine >= self.none.bound:
            return ()
        return (Guess(NONE_OF_THESE, None, why=self.none.why(cosine)),)

    @cached_property
    def _scorer(self) -> LabelScorer:
        return LabelScorer(self.vectors.vectors, self.logit_scale)

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
    taxa: Taxa,
    encoder: Encoder | None,
    prompts: Sequence[Sequence[str]],
    *,
    prior: PriorSource | None = None,
    progress: bool = False,
) -> TaxaAnswerer | None:
    """Return what answers by taxa; None where there is no model.

    Args:
        taxa: what to choose from.
        encoder: the model.
        prompts: of the labels, in their order.
        prior: what is known beside the images.
        progress: whether a bar is shown while very many labels are embedded.

    Raises:
        SpaceMismatchError: the encoder changed its space meanwhile, or the calibration is of
            another model.
        UsageError: the answer does not fit the tree, the calibration is of other labels, or given
            vectors cannot be of this model.
        StoreError: the vectors of very many labels cannot be kept.
    """
    taxa.answer.prepare(taxa.pruned)  # what is wrong with it is said before the work
    if taxa.calibration is not None:
        taxa.calibration.require_labels(digest_of(prompts))
    if encoder is None:
        return None
    vectors = taxa.vectors(encoder, prompts, progress=progress)
    boost = None if prior is None else Boost.of(prior, _candidates(taxa))
    if taxa.calibration is None:
        return TaxaAnswerer(taxa, vectors, encoder.logit_scale, boost=boost)
    require_same_space(taxa.calibration.space, encoder.space, "The calibration")
    scale, none = taxa.calibration.logit_scale, taxa.calibration.none
    return TaxaAnswerer(taxa, vectors, scale, none, boost)


def _candidates(taxa: Taxa) -> Candidates:
    labels = taxa.pruned.labels
    return Candidates(taxa.tree.names.take(labels).to_pylist(), taxa.tree, labels)
