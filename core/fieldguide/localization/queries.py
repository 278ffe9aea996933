"""What is looked for: texts become vectors, with the prompts that the model or adapter knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import check_templates, fill
from fieldguide.zeroshot.classifier import build_classifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Encoder, Vectors
    from fieldguide.tuning.adapter import Adapter


def query_prompts(
    texts: Sequence[str],
    templates: Sequence[str] | None,
    adapter: Adapter | None,
    usual: Sequence[str],
) -> dict[str, list[str]]:
    """Return the prompts of each text: those of the adapter for a label it was trained on.

    Args:
        texts: one or more.
        templates: each with one ``{}``; None for those of the adapter or the usual ones.
        adapter: on the model, or None.
        usual: templates of the modality.

    Raises:
        UsageError: an empty text, one given twice, or a template without ``{}``.
    """
    cleaned = [text.strip() for text in texts]
    if not cleaned or not all(cleaned):
        raise UsageError("Say in words what to look for: fieldguide locate scene.tif 'an airport'")
    if doubled := sorted({text for text in cleaned if cleaned.count(text) > 1}):
        raise UsageError(f"The same text twice: {', '.join(doubled)}. Give each once.")
    if templates is not None:
        check_templates(templates)
    known = {} if adapter is None or templates is not None else adapter.config.prompts
    own = () if adapter is None else adapter.config.templates
    used = templates or own or usual
    return {text: list(known.get(text) or fill(used, [text])) for text in cleaned}


@dataclass(frozen=True)
class CosineScorer:
    """Scores windows by their cosines with each query, -1 to 1.

    Attributes:
        texts: Q queries.
        vectors: (Q, D), unit length.
    """

    texts: tuple[str, ...]
    vectors: Vectors

    def scores(self, windows: Vectors) -> NDArray[np.float32]:
        """Return (N, Q) of (N, D) unit vectors."""
        return np.asarray(windows @ self.vectors.T, np.float32)


@dataclass(frozen=True)
class ContrastScorer:
    """Scores windows by the probability of each query against what else there may be, 0 to 1.

    A softmax over one query and all others that are no query (Radford et al. 2021,
    arXiv:2103.00020, section 3.1).

    Attributes:
        texts: Q queries.
        vectors: (Q, D), unit length.
        others: (R, D), unit length.
        logit_scale: what cosines are multiplied by.
    """

    texts: tuple[str, ...]
    vectors: Vectors
    others: Vectors
    logit_scale: float

    def scores(self, windows: Vectors) -> NDArray[np.float32]:
        """Return (N, Q) of (N, D) unit vectors."""
        wanted = self.logit_scale * (windows @ self.vectors.T).astype(np.float64)
        other = self.logit_scale * (windows @ self.others.T).astype(np.float64)
        against = np.logaddexp.reduce(other, axis=1, keepdims=True)
        return np.asarray(1 / (1 + np.exp(against - wanted)), np.float32)


Scorer = CosineScorer | ContrastScorer


def make_scorer(
    encoder: Encoder, wanted: Mapping[str, Sequence[str]], against: Mapping[str, Sequence[str]]
) -> Scorer:
    """Return the scorer for prompts of what is wanted and of what it is told from.

    Raises:
        UsageError: a text is on both sides.
    """
    if both := sorted(set(wanted) & set(against)):
        raise UsageError(f"{', '.join(both)} cannot be looked for against itself.")
    found = build_classifier(encoder, wanted)
    if not against:
        return CosineScorer(found.labels, found.vectors.vectors)
    others = build_classifier(encoder, against)
    return ContrastScorer(
        found.labels, found.vectors.vectors, others.vectors.vectors, encoder.logit_scale
    )
