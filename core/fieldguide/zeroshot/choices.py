"""What is said of an image whose labels are taxa of a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fieldguide.zeroshot.label_scores import LabelScores


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer about one image.

    Attributes:
        node: the taxon; None where the answer is none.
        label: what is said.
        probability: None of "none of these".
        without_prior: the probability before a prior had its say; None where there is no prior.
        why: why the answer stops there.
    """

    node: int | None
    label: str
    probability: float | None
    without_prior: float | None = None
    why: str = ""


class Chooser(Protocol):
    """An answer that was prepared for the C labels of a job."""

    @property
    def top(self) -> int:
        """How many labels must be ranked for it."""
        ...

    def choose(self, scores: LabelScores, plain: LabelScores | None) -> list[tuple[Choice, ...]]:
        """Return the choices for N images, best first.

        Args:
            scores: of N images over the labels.
            plain: without the prior; None where there is no prior.
        """
        ...
