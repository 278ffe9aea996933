"""From the vectors of a batch to its loss: every stream of texts is a contest of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fieldguide.errors import TuningError
from fieldguide.losses.sides import Side
from fieldguide.tuning.gather import gather

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.losses.sides import Loss
    from fieldguide.tuning.draws import Batch
    from fieldguide.tuning.texts import Stream
    from fieldguide.tuning.training.teacher import Teacher

MAX_SCALE = 100.0
"""Radford et al. 2021 (arXiv:2103.00020) clip the learned scale here."""


class Objective(nn.Module):
    """The weighted sum of one loss over all streams, with its scale and bias.

    Args:
        loss: the contest of images and texts.
        streams: the texts, with a weight each.
        attributes: (N, L) of the images, or None.
        teacher: whose vectors stand for attributes; None for losses that ask for none.
        first_texts: the number of each stream's first text among all, for the teacher.
        scale: what cosines are multiplied by at the start.
        bias: what is added to them at the start.
        learns: whether both are trained.
        device: where the vectors are.
    """

    def __init__(  # noqa: PLR0913 - what a loss is made of
        self,
        loss: Loss,
        streams: Sequence[Stream],
        attributes: Tensor | None,
        *,
        teacher: Teacher | None = None,
        first_texts: Sequence[int] = (),
        scale: float,
        bias: float,
        learns: bool,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.streams = tuple(streams)
        self.attributes, self.teacher = attributes, teacher
        self.first_texts = tuple(first_texts)
        self.device = device
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale), device=device), learns)
        self.bias = nn.Parameter(torch.tensor(bias, device=device), learns)

    def forward(self, whole: Batch, own: Batch, images: Tensor, texts: Sequence[Tensor]) -> Tensor:
        """Return the loss of a batch, the same number in every process.

        Args:
            whole: the batch of all processes.
            own: the share of it that this process encoded.
            images: (b, D) unit length, of the own rows.
            texts: for each stream (t, D) unit length, of the own texts.

        Raises:
            TuningError: no image of the batch has a text.
        """
        parts = self.parts(whole, own, images, texts)
        if not parts:
            raise TuningError(
                "No image of a batch has a text or label to learn from. Use larger batches "
                "(--batch-size), or leave such rows out: --where 'captions is not null'"
            )
        return torch.stack(list(parts.values())).sum()

    def parts(
        self, whole: Batch, own: Batch, images: Tensor, texts: Sequence[Tensor]
    ) -> Mapping[str, Tensor]:
        """Return each stream's loss times its weight, by the stream's name."""
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        found = {}
        for place, stream in enumerate(self.streams):
            if stream.weight == 0 or not self._can_be_compared(stream, whole, place):
                continue
            image_side = gather(self._image_side(stream, own, images))
            text_side = gather(self._text_side(stream, own, place, texts[place]))
            value = self.loss(image_side, text_side, scale, self.bias)
            found[stream.name] = stream.weight * value
        return found

    @staticmethod
    def _can_be_compared(stream: Stream, whole: Batch, place: int) -> bool:
        """Return whether any image of the whole batch belongs to a text of this stream."""
        has_key = bool((stream.image_keys[whole.rows] >= 0).any())
        return has_key and len(whole.texts[place].numbers) > 0

    def _image_side(self, stream: Stream, own: Batch, images: Tensor) -> Side:
        about = None if self.attributes is None else self.attributes[own.rows].to(self.device)
        if self.teacher is not None:
            about = self.teacher.images(own)
        return Side(images, stream.image_keys[own.rows].to(self.device), about)

    def _text_side(self, stream: Stream, own: Batch, place: int, texts: Tensor) -> Side:
        drawn = own.texts[place]
        about = stream.text_attributes
        chosen = None if about is None else about[drawn.numbers].to(self.device)
        if self.teacher is not None:
            chosen = self.teacher.texts(drawn.numbers + self.first_texts[place])
        return Side(texts, drawn.keys.to(self.device), chosen)
