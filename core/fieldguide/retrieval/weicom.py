"""WeiCom: a query of an image and a text, each seen against the whole corpus.

Psomas et al. 2024, "Composed Image Retrieval for Remote Sensing", arXiv:2405.15587, section 2.
Cosines of images with images are far higher than those of images with texts, and they spread
differently, so neither a sum nor a weighted mean of them means anything. Each is standardised by
its mean and standard deviation over the corpus (with N - 1, as the authors do) and mapped to 0..1
by the distribution function of the normal distribution; these are then averaged with weights.

The statistics are those of the corpus and not of a batch of queries, so one query suffices and its
answer does not depend on what else is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from fieldguide.retrieval.composing import DEFAULT_WEIGHT, Composed, Term, check_weight

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WeiCom:
    """Weighted mean of the places of both similarities in the corpus.

    A part of the query to which all rows of the corpus are equally similar says nothing: every row
    has 0.5 for it, so that the other part decides. So it is in a corpus of one row.

    Args:
        weight: of the text (lambda in the paper), 0 to 1.

    Raises:
        UsageError: the weight is not between 0 and 1.
    """

    def __init__(self, weight: float = DEFAULT_WEIGHT) -> None:
        self.weight = check_weight(weight)

    def __call__(self, image: Term, text: Term) -> Composed:
        """Return scores from 0 to 1, with each similarity and its place in the corpus.

        Rows that both lie so far above the mean that their places are 1 to the last digit are
        ordered by the standardised similarities themselves.
        """
        of_image, of_text = standardised(image), standardised(text)
        image_place, text_place = ndtr(of_image), ndtr(of_text)
        return Composed(
            scores=(1 - self.weight) * image_place + self.weight * text_place,
            ties=(1 - self.weight) * of_image + self.weight * of_text,
            terms={
                "image_similarity": image.similarities,
                "text_similarity": text.similarities,
                "image_cdf": image_place,
                "text_cdf": text_place,
            },
        )


def standardised(term: Term) -> NDArray[np.float64]:
    """Return (N,) similarities in standard deviations from the corpus mean; 0 where none differ."""
    if term.std == 0:
        return np.zeros(len(term.similarities))
    return np.asarray((term.similarities - term.mean) / term.std, dtype=np.float64)
