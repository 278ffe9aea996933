"""Classes that are known by sentences about them, not by their names alone.

Pratt et al. 2023, "What does a platypus look like? Generating customized prompts for zero-shot
image classification" (CuPL, arXiv:2209.03320), section 3. A class is the direction of the mean of
its sentences' unit vectors; hand-written prompts may have a share in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from fieldguide.errors import UsageError
from fieldguide.models.embeddings import Embeddings, Encoder, require_same_space, unit_length
from fieldguide.zeroshot.classifier import ZeroShotClassifier, build_classifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HALF = 0.5
"""Of the prompts beside the sentences: the mean of both directions."""


@dataclass(frozen=True)
class DescriptionEnsembleClassifier(ZeroShotClassifier):
    """Labels with vectors of sentences about them (CuPL, arXiv:2209.03320).

    ``logits = scale * x . w_c`` with ``w_c = normalise(mean_i normalise(E(sentence_ci)))``. With
    one sentence a class it equals the plain classifier with that sentence as its prompt. The order
    of the sentences does not matter, nor whether the whole set is there twice.

    Attributes:
        described: which labels have sentences; the others have their prompts alone.
    """

    described: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        sentences: Mapping[str, Sequence[str]],
        prompts: Mapping[str, Sequence[str]] | None = None,
        *,
        prompt_share: float = 0.0,
    ) -> Self:
        """Embed the sentences, and the prompts where they have a share.

        Args:
            encoder: the model.
            sentences: of each label; a label without any needs prompts.
            prompts: the labels in their order, with hand-written prompts of each; by default the
                labels are those of the sentences.
            prompt_share: of the prompts' direction in a described label, 0 to 1; ``HALF`` is the
                mean of both.

        Raises:
            UsageError: a label has neither sentences nor prompts, or the share is out of range.
        """
        if not 0 <= prompt_share <= 1:
            raise UsageError(f"The share of prompts is {prompt_share:g}. Give 0 to 1.")
        hand = dict(prompts or {})
        labels = tuple(hand or sentences)
        told = {label: tuple(sentences[label]) for label in labels if sentences.get(label)}
        lacking = [label for label in labels if label not in told and not hand.get(label)]
        if lacking or not labels:
            raise UsageError(
                f"{lacking[0]!r} has neither a description nor a prompt. Give it one."
                if lacking
                else "There is no class to describe. Give sentences of two or more."
            )
        first = build_classifier(
            encoder, {label: told.get(label) or hand[label] for label in labels}
        )
        if not prompt_share or not hand:
            return cls(labels, first.vectors, first.logit_scale, tuple(told))
        second = build_classifier(encoder, {label: hand[label] or told[label] for label in labels})
        require_same_space(first.vectors.space, second.vectors.space, "The classifier")
        mixed = (1 - prompt_share) * first.vectors.vectors + prompt_share * second.vectors.vectors
        vectors = Embeddings(unit_length(mixed), first.vectors.space)
        return cls(labels, vectors, first.logit_scale, tuple(told))
