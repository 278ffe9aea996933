"""What every loss is given: the images of a batch on one side, the texts on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Side:
    """The vectors of one modality in a batch, and what they mean.

    Attributes:
        vectors: (N, D) float, unit length.
        keys: (N, K) int64, -1 where there are fewer than K. An image and a text that share a key
            belong together, whichever rows they are in: an image has the numbers of all its
            captions and the text that of itself; or both have the number of their species. Where
            every pair stands alone, both sides have ``arange(N)[:, None]``.
        attributes: (N, L) float, such as findings in {-1, 0, 1}; for losses with soft targets.
    """

    vectors: Tensor
    keys: Tensor
    attributes: Tensor | None = None


class Loss(Protocol):
    """A training objective. It holds no parameters: scale and bias belong to the trainer.

    One that needs them learned has an attribute ``starts_at``, a scale and a bias to begin with;
    for all others the scale is the base model's and stays.
    """

    def __call__(self, images: Side, texts: Side, scale: Tensor, bias: Tensor) -> Tensor:
        """Return the loss, a scalar in nats for an image.

        The sides may differ in length: class prompts stand beside more images, and an image without
        its text, or a text without its image, still counts among the negatives.

        Args:
            images: N rows.
            texts: M rows.
            scale: scalar, 1/temperature; a cosine is multiplied by it.
            bias: scalar, added to every logit; changes nothing in losses with a softmax.
        """
        ...
