"""Findings by text: each is judged on its own, by sentences that say it is there and is not.

For one finding, p = softmax over two logits, "present" and "absent" (Hamamci et al. 2024, CT-CLIP,
arXiv:2403.17834); with two logits that is the sigmoid of their difference. Any number of findings
may be there at once, so the probabilities of an image do not sum to one.

Where a side has several sentences, two ways to join them are published:

- :class:`UnitMean`: the unit vector of their mean, as CLIP's prompt ensembles (Radford et al. 2021,
  arXiv:2103.00020, section 3.1.4). With one sentence a side this is CT-CLIP's own score.
- :class:`PlainMean`: the mean itself, so that the cosine with it is the mean of the cosines, and
  the margin is Merlin's score (Blankemeier et al. 2024, arXiv:2406.06512).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.special import expit

from fieldguide.models.embeddings import require_same_space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Embeddings, Encoder, SpaceId
    from fieldguide.zeroshot.class_sets import PromptPair


class Aggregation(Protocol):
    """Makes one vector of the sentences on one side of a finding."""

    def join(self, sentences: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one vector (D,) of K unit vectors (K, D)."""
        ...


class UnitMean:
    """The mean, scaled to length one (Radford et al. 2021)."""

    def join(self, sentences: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the unit vector (D,) of the mean of unit vectors (K, D)."""
        mean = sentences.mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12))


class PlainMean:
    """The mean as it is: cosines with it are means of cosines (Blankemeier et al. 2024)."""

    def join(self, sentences: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean (D,) of unit vectors (K, D)."""
        return np.asarray(sentences.mean(axis=0))


@dataclass(frozen=True)
class PresenceAbsencePromptClassifier:
    """Findings with the vectors of what is said when they are there and when they are not.

    Attributes:
        labels: F findings.
        present: (F, D) one vector each.
        absent: (F, D) one vector each.
        space: where the vectors live.
        logit_scale: what cosines are multiplied by.
    """

    labels: tuple[str, ...]
    present: NDArray[np.float64]
    absent: NDArray[np.float64]
    space: SpaceId
    logit_scale: float

    @property
    def thresholds(self) -> Mapping[str, float]:
        """None: a probability that was not calibrated has no better threshold than 0.5."""
        return {}

    def margins(self, images: Embeddings) -> NDArray[np.float64]:
        """Return (N, F) similarity with "present" less that with "absent".

        Raises:
            SpaceMismatchError: the images were embedded by another model.
        """
        require_same_space(self.space, images.space, "The classifier")
        return np.asarray(images.vectors.astype(np.float64) @ (self.present - self.absent).T)

    def logits(self, images: Embeddings) -> NDArray[np.float64]:
        """Return (N, F) log odds: the margins times the model's logit scale."""
        return self.logit_scale * self.margins(images)

    def probabilities(self, images: Embeddings) -> NDArray[np.float64]:
        """Return (N, F): of each pair of logits, the softmax at "present"."""
        return np.asarray(expit(self.logits(images)))


def pair_softmax(
    encoder: Encoder, pairs: Mapping[str, PromptPair]
) -> PresenceAbsencePromptClassifier:
    """Return CT-CLIP's classifier; the sentences of a side are joined by :class:`UnitMean`."""
    return build_finding_classifier(encoder, pairs, UnitMean())


def mean_cosine_difference(
    encoder: Encoder, pairs: Mapping[str, PromptPair]
) -> PresenceAbsencePromptClassifier:
    """Return Merlin's classifier: mean cosine with "present" less mean cosine with "absent".

    The paper has a score and no probability; here it is the sigmoid of the score times the model's
    logit scale, which orders images as the score does and is 0.5 where the two means are equal.
    """
    return build_finding_classifier(encoder, pairs, PlainMean())


def build_finding_classifier(
    encoder: Encoder, pairs: Mapping[str, PromptPair], aggregation: Aggregation
) -> PresenceAbsencePromptClassifier:
    """Embed all sentences at once, each distinct one once, and join those of each side.

    Args:
        encoder: the model.
        pairs: one or more sentences on both sides of each finding.
        aggregation: how the sentences of a side become one vector.
    """
    distinct = list(
        dict.fromkeys(text for pair in pairs.values() for side in pair for text in side)
    )
    place = {text: row for row, text in enumerate(distinct)}
    embedded = encoder.encode_texts(distinct)
    vectors = embedded.vectors.astype(np.float64)

    def joined(texts: tuple[str, ...]) -> NDArray[np.float64]:
        return aggregation.join(vectors[[place[text] for text in texts]])

    return PresenceAbsencePromptClassifier(
        labels=tuple(pairs),
        present=np.stack([joined(pair.present) for pair in pairs.values()]),
        absent=np.stack([joined(pair.absent) for pair in pairs.values()]),
        space=embedded.space,
        logit_scale=encoder.logit_scale,
    )
