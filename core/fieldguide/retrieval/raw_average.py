"""The plain average of two cosines: what composed retrieval is compared with.

"Text & Image" in Psomas et al. 2024, "Composed Image Retrieval for Remote Sensing",
arXiv:2405.15587. The modality whose cosines spread more decides, whatever the weight says.
"""

from __future__ import annotations

from fieldguide.retrieval.composing import DEFAULT_WEIGHT, Composed, Term, check_weight


class RawAverage:
    """Weighted mean of the similarities as they are.

    Args:
        weight: of the text, 0 to 1.

    Raises:
        UsageError: the weight is not between 0 and 1.
    """

    def __init__(self, weight: float = DEFAULT_WEIGHT) -> None:
        self.weight = check_weight(weight)

    def __call__(self, image: Term, text: Term) -> Composed:
        """Return scores from -1 to 1 and the two similarities."""
        scores = (1 - self.weight) * image.similarities + self.weight * text.similarities
        terms = {"image_similarity": image.similarities, "text_similarity": text.similarities}
        return Composed(scores, scores, terms)
