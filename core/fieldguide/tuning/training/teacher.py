"""The base as a teacher: its own vectors of what a batch holds.

For losses that keep a teacher's similarities, such as that of Castro and Heilbron 2022, "FitCLIP"
(arXiv:2203.13371). A loss asks for it by an attribute ``needs_teacher``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from fieldguide.losses.sides import Loss
    from fieldguide.tuning.draws import Batch
    from fieldguide.tuning.training.pictures import Pictures
    from fieldguide.tuning.training.text_inputs import TextInputs


class Teacher:
    """Gives the base's vectors.

    Args:
        pictures: of the training.
        cut: number of stages of the whole image tower.
        texts: of the training, behind the whole text tower.
    """

    def __init__(self, pictures: Pictures, cut: int, texts: TextInputs) -> None:
        self._pictures, self._cut, self._texts = pictures, cut, texts

    def images(self, batch: Batch) -> Tensor:
        """Return (B, D) unit vectors of the batch's pictures as they are seen in it."""
        (state,) = self._pictures.stream(self._cut, [(batch.rows, batch.views)])
        return F.normalize(state[0].float(), dim=1)

    def texts(self, numbers: Tensor) -> Tensor:
        """Return (T, D) unit vectors of texts by their numbers among all of the training."""
        return F.normalize(self._texts.state(numbers)[0].float(), dim=1)


def needs_teacher(loss: Loss) -> bool:
    """Return whether a loss compares with a teacher's vectors."""
    return bool(getattr(loss, "needs_teacher", False))
