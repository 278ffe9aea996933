"""Zero-shot classification: softmax over the cosines with the labels' prompts.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision"
(arXiv:2103.00020), section 3.1; several prompts of a label are averaged in the embedding space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.models.embeddings import Embeddings, Encoder, require_same_space, unit_length

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

NONE_OF_THESE = "none of these"


@dataclass(frozen=True)
class ZeroShotClassifier:
    """Labels with their vectors.

    Attributes:
        labels: C labels.
        vectors: (C, D) unit vectors in the encoder's space.
        logit_scale: what cosines are multiplied by.
    """

    labels: tuple[str, ...]
    vectors: Embeddings
    logit_scale: float

    def probabilities(self, images: Embeddings) -> NDArray[np.float32]:
        """Return (N, C) probabilities over the labels; each row sums to one.

        Raises:
            SpaceMismatchError: the images were embedded by another model.
        """
        require_same_space(self.vectors.space, images.space, "The classifier")
        logits = self.logit_scale * images.vectors.astype(np.float64) @ self.vectors.vectors.T
        logits -= logits.max(axis=1, keepdims=True)
        weights = np.exp(logits)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def build_classifier(encoder: Encoder, prompts: Mapping[str, Sequence[str]]) -> ZeroShotClassifier:
    """Embed every distinct prompt once and average those of a label.

    Args:
        encoder: the model.
        prompts: one or more prompts for each label.
    """
    distinct = list(dict.fromkeys(text for texts in prompts.values() for text in texts))
    place = {text: row for row, text in enumerate(distinct)}
    embedded = encoder.encode_texts(distinct)
    means = [
        embedded.vectors[[place[text] for text in texts]].mean(axis=0) for texts in prompts.values()
    ]
    vectors = Embeddings(unit_length(np.stack(means)), embedded.space)
    return ZeroShotClassifier(tuple(prompts), vectors, encoder.logit_scale)
