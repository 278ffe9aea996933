"""An encoder of volumes around one of pictures: both share all tensors that are the same."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, cast

from fieldguide.errors import UsageError
from fieldguide.models.embeddings import Embeddings, unit_length
from fieldguide.models.inflate import DepthMean, Inflation, inflate
from fieldguide.models.towers import EagerTower
from fieldguide.models.tunable import Tunable, Widenable, sharing_copy
from fieldguide.models.volumes import VolumeTower

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import Tensor, nn

    from fieldguide.contract import Contract
    from fieldguide.models.embeddings import Encoder, SpaceId
    from fieldguide.models.slice_pooling import SlicePooling
    from fieldguide.models.towers import ImageTower

SLICES_AT_ONCE = 16
"""Of an encoder of pictures; more are no faster on a processor and take more memory."""

POOLING = "slice_pooling"
"""Where the parameters of a pooling are in the network."""


class Pooling(Protocol):
    """From the features of all depths (Z, F) to one (F,): a module that says what it is."""

    @property
    def identity(self) -> str:
        """What it is, for the identity of a space."""
        ...

    def __call__(self, features: Tensor) -> Tensor:
        """Map (Z, F) to (F,)."""
        ...


@dataclass(frozen=True)
class Way:
    """How an encoder of pictures takes volumes.

    Attributes:
        change: changes the sharing copy of its network, or nothing.
        pooling: makes what joins the depths of a changed network.
        identity: of the change, for the identity of a space.
        new: names of parameters that were not trained with the others.
        step: slices at once; None where slices see each other.
    """

    change: Callable[[nn.Module], None]
    pooling: Callable[[nn.Module], nn.Module]
    identity: str
    new: tuple[str, ...]
    step: int | None


class VolumeEncoder:
    """An encoder of pictures that takes volumes; it can be tuned as that one can.

    Attributes:
        pictures: the encoder of pictures, around this network.
        network: both towers; names of its parameters are those of the encoder of pictures.
        image_module: from (N, C, X, Y, Z) voxels of 0..255 to (N, D) features, on ``device``.
        image_tower: what ``encode_images`` calls.
        text_module: from (N, T) token numbers to (N, D) features, on ``device``.
        contract: what the volumes are prepared to.
        space: the space of everything it returns.
        new_parameters: see ``models.tunable.HasNewParameters``.
    """

    image_module: VolumeTower
    image_tower: ImageTower

    def __init__(self, base: Tunable, way: Way, contract: Contract, name: str) -> None:
        _check(base, contract)
        network = sharing_copy(base.network)
        way.change(network)
        self.contract = contract
        self.new_parameters = way.new
        self.logit_scale = base.logit_scale
        self._way = way
        self._channels = len(base.contract.bands)
        self._use(base.with_network(network))
        identity = f"volumes;{base.space.encoder};{base.contract.digest};{way.identity}"
        pooling = cast("Pooling", self.image_module.pooling).identity
        self.space: SpaceId = base.space.model_copy(
            update={
                "model": name,
                "encoder": hashlib.sha256(identity.encode()).hexdigest(),
                "contract": contract.digest,
                "pooling": f"{base.space.pooling};{pooling}",
            }
        )

    def with_network(
        self,
        network: nn.Module,
        *,
        adapter: str | None = None,
        logit_scale: float | None = None,
        contract: Contract | None = None,
    ) -> Self:
        """Return this encoder around another network of the same structure; see ``Tunable``.

        The contract stays: what volumes are prepared to has no variants.
        """
        other = copy.copy(self)
        other._use(self.pictures.with_network(network))
        other.space = self.space.model_copy(update={"adapter": adapter})
        other.logit_scale = self.logit_scale if logit_scale is None else logit_scale
        return other

    def _use(self, pictures: Tunable) -> None:
        self.pictures = pictures
        self.network = pictures.network
        self.device: torch.device = pictures.device
        self.text_module = pictures.text_module
        pooling = self._way.pooling(self.network)
        tower = VolumeTower(pictures.image_module, pooling, self._channels, self._way.step)
        self.image_module = tower.eval()
        self.image_tower = EagerTower(self.image_module, self.device)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return (N, T) int64 token numbers on ``device``."""
        return self.pictures.tokenize(texts)

    def encode_images(self, pixels: Tensor) -> Embeddings:
        """Embed (N, C, X, Y, Z) voxels of 0..255."""
        return Embeddings(unit_length(self.image_tower(pixels).numpy()), self.space)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts as the encoder of pictures does."""
        return Embeddings(self.pictures.encode_texts(texts).vectors, self.space)


def pool_slices(
    encoder: Encoder, pooling: SlicePooling, contract: Contract, name: str
) -> VolumeEncoder:
    """Return an encoder that takes a volume as its slices and pools their vectors.

    Args:
        encoder: of pictures; it stays as it is.
        pooling: a fresh one; its parameters are tuned with the model.
        contract: gives slices of the encoder's size, see :mod:`fieldguide.models.volumes`.
        name: of the model, as a user can name it again.

    Raises:
        UsageError: the encoder does not offer its towers, or the contract does not fit it.
    """

    def add(network: nn.Module) -> None:
        network.add_module(POOLING, pooling.to(next(network.parameters()).device))

    new = tuple(f"{POOLING}.{own}" for own, _ in pooling.named_parameters())
    way = Way(
        change=add if new else lambda _: None,
        pooling=(lambda network: network.get_submodule(POOLING)) if new else lambda _: pooling,
        identity="slices",
        new=new,
        step=SLICES_AT_ONCE,
    )
    return VolumeEncoder(_tunable(encoder), way, contract, name)


def inflated(
    encoder: Encoder, inflation: Inflation, contract: Contract, name: str
) -> VolumeEncoder:
    """Return an encoder whose image network was given depth; see :mod:`models.inflate`.

    Args:
        encoder: of pictures; it stays as it is.
        inflation: how.
        contract: gives slices of the encoder's size.
        name: of the model, as a user can name it again.

    Raises:
        UsageError: the encoder cannot be inflated, or the contract does not fit it.
    """
    base = _tunable(encoder)
    path = base.first_convolution if isinstance(base, Widenable) else ""
    if not path:
        raise UsageError(
            f"The model {base.space.model} cannot be inflated: it does not say by which "
            "convolution its pixels enter. Name an open_clip or embedded model as the base."
        )

    def change(network: nn.Module) -> None:
        visual = network.get_submodule(path.partition(".")[0])
        inflate(visual, network.get_submodule(path), inflation)

    way = Way(change, lambda _: DepthMean(), inflation.identity, (), None)
    return VolumeEncoder(base, way, contract, name)


def _tunable(encoder: Encoder) -> Tunable:
    if not isinstance(encoder, Tunable):
        raise UsageError(
            f"The model {encoder.space.model} cannot take volumes: it does not offer its towers. "
            "Name an open_clip or embedded model as the base."
        )
    if encoder.contract.spatial_dims != 2 or encoder.space.adapter is not None:
        raise UsageError(
            f"The model {encoder.space} takes volumes already, or has an adapter on it. Name the "
            "model of pictures that it was made from."
        )
    return encoder


def _check(base: Tunable, contract: Contract) -> None:
    channels, (height_px, width_px) = len(base.contract.bands), base.contract.size_px
    width, height, _ = contract.size_px
    if (height, width) != (height_px, width_px):
        raise UsageError(
            f"The contract prepares slices of {width} x {height} voxels, and {base.space.model} "
            f"takes {width_px} x {height_px} px. Write size: [{width_px}, {height_px}, "
            f"{contract.size_px[2]}], and a spacing_mm that suits it."
        )
    if len(contract.bands) not in (1, channels):
        raise UsageError(
            f"The contract has {len(contract.bands)} windows, and {base.space.model} takes "
            f"{channels} channels. Name 1 window, which is repeated, or {channels}."
        )
