"""Zero-shot classification: softmax over the cosines with the labels' prompts.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision"
(arXiv:2103.00020), section 3.1; several prompts of a label are averaged in the embedding space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.models.embeddings import Embeddings, Encoder, require_same_space, unit_length
from fieldguide.results import NONE_OF_THESE as NONE_OF_THESE  # where methods look for it

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

PROMPTS_AT_ONCE = 8192
"""Whose vectors are held together while a classifier is built: 16 MiB of 512 numbers each."""


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
        return softmax(self.logits(images))

    def logits(self, images: Embeddings) -> NDArray[np.float64]:
        """Return (N, C) scaled cosines, whose softmax is the probability.

        Raises:
            SpaceMismatchError: the images were embedded by another model.
        """
        require_same_space(self.vectors.space, images.space, "The classifier")
        return self.logit_scale * images.vectors.astype(np.float64) @ self.vectors.vectors.T


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (N, C) probabilities of (N, C) logits; each row sums to one."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def build_classifier(encoder: Encoder, prompts: Mapping[str, Sequence[str]]) -> ZeroShotClassifier:
    """Return the classifier of labels with one or more prompts each.

    Args:
        encoder: the model.
        prompts: one or more prompts for each label.

    Raises:
        SpaceMismatchError: the encoder changed its space meanwhile.
    """
    vectors = label_vectors(encoder, prompts.values())
    return ZeroShotClassifier(tuple(prompts), vectors, encoder.logit_scale)


def label_vectors(encoder: Encoder, prompts: Iterable[Sequence[str]]) -> Embeddings:
    """Embed the prompts of labels and average those of each; each distinct one is embedded once.

    Memory holds the vectors of at most ``PROMPTS_AT_ONCE`` prompts, or of one label when it has
    more. A prompt that labels further apart share is embedded again unless the encoder keeps what
    it has embedded, as those of a Guide do.

    Args:
        encoder: the model.
        prompts: one or more prompts for each of C labels.

    Returns:
        (C, D) unit vectors.

    Raises:
        SpaceMismatchError: the encoder changed its space meanwhile.
    """
    parts = [_label_vectors(encoder, some) for some in _groups(prompts)]
    for part in parts[1:]:
        require_same_space(parts[0].space, part.space, "The classifier")
    return Embeddings(np.concatenate([part.vectors for part in parts]), parts[0].space)


def _groups(prompts: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    """Yield the prompts of neighbouring labels together, up to PROMPTS_AT_ONCE."""
    group: list[Sequence[str]] = []
    size = 0
    for texts in prompts:
        if group and size + len(texts) > PROMPTS_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(texts)
        size += len(texts)
    yield group


def _label_vectors(encoder: Encoder, prompts: Sequence[Sequence[str]]) -> Embeddings:
    """Return the unit mean (C, D) of each label's prompts."""
    distinct = list(dict.fromkeys(text for texts in prompts for text in texts))
    place = {text: row for row, text in enumerate(distinct)}
    embedded = encoder.encode_texts(distinct)
    means = [embedded.vectors[[place[text] for text in texts]].mean(axis=0) for texts in prompts]
    return Embeddings(unit_length(np.stack(means)), embedded.space)
