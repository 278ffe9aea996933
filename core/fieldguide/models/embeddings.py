"""Vectors and the space they live in. A vector never travels without its SpaceId."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import SpaceMismatchError
from fieldguide.specs import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from fieldguide.contract import Contract

Vectors = NDArray[np.float32]


class SpaceId(Record):
    """The identity of an embedding space; two spaces are one when their digests are equal.

    Attributes:
        model: the model's name, for messages only; it is not part of the digest.
        encoder: SHA-256 of the architecture's name and all its weights.
        adapter: SHA-256 of the adapter, or None for the base model.
        contract: digest of the contract.
        pooling: how tokens or stages become one vector.
        dim: length of a vector.
    """

    model: str
    encoder: str
    adapter: str | None = None
    contract: str
    pooling: str
    dim: int

    @property
    def digest(self) -> str:
        """SHA-256 of everything but the name."""
        text = self.model_dump_json(exclude={"model"})
        return hashlib.sha256(text.encode()).hexdigest()

    def __str__(self) -> str:
        """Return the name and the first digits of the digest."""
        return f"{self.model}@{self.digest[:12]}"


def require_same_space(stored: SpaceId, query: SpaceId, stored_where: str) -> None:
    """Raise SpaceMismatchError, naming both spaces, unless they are one.

    Args:
        stored: the space of the vectors that are already there.
        query: the space of the vectors that come to them.
        stored_where: what holds the stored vectors, for the message.
    """
    if stored.digest == query.digest:
        return
    differing = [
        name
        for name in ("encoder", "adapter", "contract", "pooling", "dim")
        if getattr(stored, name) != getattr(query, name)
    ]
    use = f"--model {stored.model}"
    if "adapter" in differing:
        its = "its --adapter at its --strength" if stored.adapter else "no --adapter"
        use = f"{its}, as it was made" if differing == ["adapter"] else f"{use} with {its}"
    raise SpaceMismatchError(
        f"{stored_where} holds vectors of the space {stored}, these are of the space {query}; "
        f"they differ in {', '.join(differing)} and cannot be compared. Use {use}, or embed the "
        "images again into a new place."
    )


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of one space.

    Attributes:
        vectors: (N, D) float32, unit length.
        space: where they live.
    """

    vectors: Vectors
    space: SpaceId

    def __post_init__(self) -> None:
        """Check the shape against the space."""
        if self.vectors.ndim != 2 or self.vectors.shape[1] != self.space.dim:
            raise ValueError(f"vectors {self.vectors.shape} are not (N, {self.space.dim})")

    def __len__(self) -> int:
        """Return N."""
        return len(self.vectors)

    def similarity(self, other: Embeddings) -> Vectors:
        """Return cosines (N, M) with another set of the same space.

        Raises:
            SpaceMismatchError: the other set lives elsewhere.
        """
        require_same_space(self.space, other.space, "The first set")
        return self.vectors @ other.vectors.T


def unit_length(vectors: NDArray[np.floating]) -> Vectors:
    """Return float32 rows of length one; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


class Encoder(Protocol):
    """An image tower and a text tower that share a space."""

    @property
    def space(self) -> SpaceId:
        """The space of everything it returns."""
        ...

    @property
    def contract(self) -> Contract:
        """What the image tower takes."""
        ...

    @property
    def logit_scale(self) -> float:
        """What a cosine is multiplied by before a softmax over labels."""
        ...

    def encode_images(self, pixels: Tensor) -> Embeddings:
        """Embed prepared images.

        Args:
            pixels: (N, C, H, W), or (N, C, X, Y, Z) for volumes, as the contract prepares them.
        """
        ...

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, one vector each, in order."""
        ...
