"""What judges the findings of an image: several at once, each with a probability of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Embeddings


@runtime_checkable
class FindingClassifier(Protocol):
    """Judges findings, any number of which may be there; other classifiers choose one label."""

    @property
    def labels(self) -> tuple[str, ...]:
        """F findings."""
        ...

    @property
    def thresholds(self) -> Mapping[str, float]:
        """From which probability a finding counts as present; of those that have a threshold."""
        ...

    def logits(self, images: Embeddings) -> NDArray[np.float64]:
        """Return (N, F) log odds that a finding is there; they keep apart what rounds to 1."""
        ...

    def probabilities(self, images: Embeddings) -> NDArray[np.float64]:
        """Return (N, F) probabilities that a finding is there; a row has no fixed sum."""
        ...
