"""An encoder around another one, from which those that change one side of it derive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from fieldguide.contract import Contract
    from fieldguide.models.embeddings import Embeddings, Encoder, SpaceId


class EncoderAround:
    """An encoder whose every part is another one's.

    Attributes:
        encoder: the other encoder.
    """

    __slots__ = ("encoder",)  # nothing can be set here that was meant for the other encoder

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the other encoder."""
        if name in ("encoder", *type(self).__slots__):  # not set yet: copy and pickle ask first
            raise AttributeError(name)
        return getattr(self.encoder, name)

    @property
    def space(self) -> SpaceId:
        """The space of everything it returns."""
        return self.encoder.space

    @property
    def contract(self) -> Contract:
        """What the image tower takes."""
        return self.encoder.contract

    @property
    def logit_scale(self) -> float:
        """What a cosine is multiplied by before a softmax over labels."""
        return self.encoder.logit_scale

    def encode_images(self, pixels: Tensor) -> Embeddings:
        """Embed (N, C, H, W) prepared images as the other encoder does."""
        return self.encoder.encode_images(pixels)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts as the other encoder does."""
        return self.encoder.encode_texts(texts)
