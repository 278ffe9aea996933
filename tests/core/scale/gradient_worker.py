"""What each process of the torchrun tests does: its share of a batch, and the gradients it gets.

Run by torchrun with two folders: one with the model and the batches, one for the gradients.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.losses.infonce import InfoNCE
from fieldguide.losses.multi_positive import MultiPositive
from fieldguide.losses.sides import Side
from fieldguide.losses.sigmoid import Sigmoid
from fieldguide.models.load import load_encoder, named_model
from fieldguide.models.tunable import Tunable, sharing_copy
from fieldguide.plugins import get_catalog
from fieldguide.tuning.cached_gradients import cached_backward
from fieldguide.tuning.gather import gather
from fieldguide.tuning.layouts.layers import find_layers, select_layers
from fieldguide.tuning.lora import LoraLayers
from fieldguide.tuning.processes import Processes, start_processes
from fieldguide.tuning.trainables import FullParameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.losses.sides import Loss

LOSSES: dict[str, Loss] = {
    "infonce": InfoNCE(),
    "sigmoid": Sigmoid(),
    "multi_positive": MultiPositive(),
}
BATCHES = ("even", "uneven", "class_prompts")
WAYS = ("averaged", "wrapped", "cached", "cached_and_wrapped")
MICRO_BATCH = 2


class Towers(nn.Module):
    """Both towers of a tiny open_clip model in float64, with scale and bias outside of them."""

    def __init__(self, model: Path, method: str) -> None:
        super().__init__()
        catalog = get_catalog()
        record = named_model(str(model), catalog)
        encoder = cast("Tunable", load_encoder(record, catalog, torch.device("cpu")))
        self.network = sharing_copy(encoder.network)
        METHODS[method](encoder).prepare(self.network)
        self.network.double()
        let_lora_have_learned(self.network)

    def forward(self, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit vectors of (n, 3, 32, 32) float64 images and (m, T) tokens."""
        images, texts = self.network.encode_image(images), self.network.encode_text(tokens)
        return F.normalize(images, dim=1), F.normalize(texts, dim=1)

    def trained(self) -> dict[str, nn.Parameter]:
        """Return what is trained, by name."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}


def full(encoder: Tunable) -> FullParameters:
    """Train everything but the model's own scale, which takes no part."""
    names = (name for name, _ in encoder.network.named_parameters())
    return FullParameters(name for name in names if name != "logit_scale")


def lora(encoder: Tunable) -> LoraLayers:
    """Train attention and perceptrons of both towers."""
    roles = ("attention_in", "attention_out", "mlp_in", "mlp_out")
    layers = select_layers(find_layers(encoder), towers=("image", "text"), roles=roles)
    return LoraLayers(layers, rank=2, alpha=4)


METHODS = {"full": full, "lora": lora}


def let_lora_have_learned(network: nn.Module) -> None:
    """Fill the matrices that start at zero: half of the gradients would be zero too."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.data.copy_(0.1 * noise)


def scale_and_bias() -> tuple[nn.Parameter, nn.Parameter]:
    """Return a scale and a bias that are trained."""
    return tuple(nn.Parameter(torch.tensor(x, dtype=torch.float64)) for x in (5.0, -2.0))


def gradients(
    processes: Processes, folder: Path, case: tuple[str, str, str, str]
) -> dict[str, Tensor]:
    """Return the gradients that one process has after the exchange, by name, and the loss."""
    loss_name, method, batch_name, way = case
    batch = load_file(folder / f"{batch_name}.safetensors")
    towers, (scale, bias) = Towers(folder / "model", method), scale_and_bias()
    is_wrapped = way in ("wrapped", "cached_and_wrapped")
    encode = processes.wrap(towers) if is_wrapped else towers
    images, texts = (shared(processes, batch, side) for side in ("image", "text"))

    def loss_of(image_vectors: Tensor, text_vectors: Tensor) -> Tensor:
        every_image = gather(Side(image_vectors, images["keys"]))
        own_texts = Side(text_vectors, texts["keys"])
        are_shared = batch_name == "class_prompts"  # the same prompts in every process
        every_text = own_texts if are_shared else gather(own_texts)
        return LOSSES[loss_name](every_image, every_text, scale, bias)

    if way.startswith("cached"):
        halves = (side["content"].split(MICRO_BATCH) for side in (images, texts))
        parts = list(zip(*halves, strict=True))
        loss = cached_backward(
            lambda part: encode(*part), parts, loss_of,
            unsynchronised=lambda: processes.unsynchronised(encode),
        )  # fmt: skip
    else:
        total = loss_of(*encode(images["content"], texts["content"]))
        total.backward()
        loss = total.item()
    mine = {"scale": scale, "bias": bias}
    processes.average_gradients((mine if is_wrapped else towers.trained() | mine).values())
    result = {name: p.grad for name, p in (towers.trained() | mine).items()}
    return {**result, "loss": torch.tensor(loss, dtype=torch.float64)}


def shared(processes: Processes, batch: Mapping[str, Tensor], side: str) -> dict[str, Tensor]:
    """Return the part of one side that belongs to this process."""
    keys = batch[f"{side}_keys"]
    is_common = side == "text" and "classes" in batch
    own = slice(None) if is_common else processes.share(len(keys))
    return {"content": batch[side][own], "keys": keys[own]}


def possible(case: tuple[str, str, str, str]) -> bool:
    """Return whether a case can be had: class prompts are no pairs, which the others split."""
    loss_name, _, batch_name, way = case
    return batch_name != "class_prompts" or (way == "averaged" and loss_name != "infonce")


def cases() -> list[tuple[str, str, str, str]]:
    """Return the cases that are run, as (loss, method, batch, way)."""
    return [case for case in itertools.product(LOSSES, METHODS, BATCHES, WAYS) if possible(case)]


def main(folder: Path, results: Path, chosen: str = "") -> None:
    """Run the cases whose name begins so, and write what this process got."""
    torch.set_num_threads(1)
    processes = start_processes("cpu")
    for case in cases():
        if "-".join(case).startswith(chosen):
            found = gradients(processes, folder, case)
            save_file(found, results / f"{'-'.join(case)}.{processes.rank}.safetensors")
    processes.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
