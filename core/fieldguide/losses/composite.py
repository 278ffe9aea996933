"""Several losses at once, of which each can be told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from fieldguide.losses.sides import Loss, Side


@dataclass(frozen=True)
class Composite:
    """A weighted sum of losses, as the recipe of Tschannen et al. 2025, "SigLIP 2".

    The source is arXiv:2502.14786. A part of weight 0 is not computed.

    Attributes:
        losses: by name, each with its weight.
    """

    losses: Mapping[str, tuple[float, Loss]]

    @property
    def needs_teacher(self) -> bool:
        """Whether a part compares with a teacher's vectors."""
        return any(getattr(loss, "needs_teacher", False) for _, loss in self.losses.values())

    def parts(self, images: Side, texts: Side, scale: Tensor, bias: Tensor) -> Mapping[str, Tensor]:
        """Return each part times its weight, by name; their sum is the loss."""
        return {
            name: weight * loss(images, texts, scale, bias)
            for name, (weight, loss) in self.losses.items()
            if weight != 0
        }

    def __call__(self, images: Side, texts: Side, scale: Tensor, bias: Tensor) -> Tensor:
        """Return the sum of the parts, see :class:`~fieldguide.losses.sides.Loss`."""
        parts = self.parts(images, texts, scale, bias)
        return sum(parts.values(), start=0.0 * scale)
