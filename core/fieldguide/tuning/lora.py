"""LoRA layers: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".

arXiv:2106.09685, equation 3: h = W x + (alpha / R) B A x, with B zero at the start. The layers are
peft's; which modules they wrap is decided here by exact names, after a check of the network's
structure, because a pattern also hits the other tower, and a wrapped module that the network does
not call would train and change nothing.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from fieldguide.errors import AdapterError
from fieldguide.tuning.attention import SelfAttention, replace_attention
from fieldguide.tuning.changes import Change, LowRank
from fieldguide.tuning.trainables import keep_statistics, locate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.tuning.layouts.layers import Layer

ADAPTER = "default"
WRAPPABLE = (nn.Linear, nn.Conv2d, nn.MultiheadAttention, SelfAttention)


class LoraLayers:
    """A matrix of low rank beside some layers.

    Args:
        layers: of :func:`fieldguide.tuning.layouts.layers.select_layers`.
        rank: R of the paper; at most the smaller side of each weight.
        alpha: the change is multiplied by ``alpha / rank``.
        dropout: share of the inputs of the change that is set to zero while training.
        seed: of the random matrix A.

    Raises:
        AdapterError: no layer, or a number out of range.
    """

    def __init__(
        self, layers: Sequence[Layer], rank: int, alpha: float, dropout: float = 0.0, seed: int = 0
    ) -> None:
        if not layers:
            raise AdapterError("LoRA needs at least one layer. Choose other roles or towers.")
        if rank < 1 or alpha <= 0 or not 0 <= dropout < 1:
            raise AdapterError(
                "LoRA needs a rank of 1 or more, an alpha above 0 and a dropout from 0 to below 1; "
                f"given are {rank}, {alpha} and {dropout}."
            )
        self.layers = tuple(layers)
        self.rank, self.alpha, self.dropout, self.seed = rank, alpha, dropout, seed

    def names(self) -> frozenset[str]:
        """Return the names of the weights."""
        return frozenset(layer.parameter for layer in self.layers)

    def prepare(self, network: nn.Module) -> None:
        """Wrap the layers of a sharing copy; only what wraps them trains.

        What trained before still does, so that it can be prepared for other trainables too.
        """
        self._check(network)
        before = [tensor for tensor in network.parameters() if tensor.requires_grad]
        for path in _attentions(network, self.layers):
            replace_attention(network, path)
        self._inject(network)
        for tensor in before:
            tensor.requires_grad_(True)
        keep_statistics(network)

    def changes(self, network: nn.Module) -> dict[str, Change]:
        """Return B times alpha / rank, and A, of every layer."""
        return {layer.parameter: self._change(network, layer) for layer in self.layers}

    def _check(self, network: nn.Module) -> None:
        """Refuse what cannot be wrapped, before anything is changed."""
        for layer in self.layers:
            owner, own_name = locate(network, layer.parameter)
            module = network.get_submodule(layer.name)
            if isinstance(network.get_submodule(_wrapped(network, layer)), LoraLayer):
                raise AdapterError(f"{layer.parameter} has a LoRA layer already. Name it once.")
            if not isinstance(module, WRAPPABLE):
                raise AdapterError(
                    f"{layer.parameter} is a bare parameter, which a LoRA layer cannot wrap. Train "
                    "it as a whole (--method finetune), or leave the role 'projection' out."
                )
            shape = cast("nn.Parameter", owner._parameters[own_name]).flatten(1).shape
            if self.rank > min(shape):
                raise AdapterError(
                    f"Rank {self.rank} is more than {layer.parameter} of {tuple(shape)} has. Name "
                    f"--rank {min(shape)} or less, or leave its role {layer.role!r} out."
                )

    def _inject(self, network: nn.Module) -> None:
        paths = {_wrapped(network, layer) for layer in self.layers}
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            # a text is matched as a whole; names in a list would also match ends of longer names
            target_modules="|".join(re.escape(path) for path in sorted(paths)),
        )
        before = _lora_paths(network)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            inject_adapter_in_model(config, network, adapter_name=ADAPTER)
        vars(network).pop("peft_config", None)  # peft's note; it warns of it at the next injection
        if differing := (_lora_paths(network) - before) ^ paths:
            raise AdapterError(
                f"peft did not wrap just what was asked for; {min(differing)} differs. This "
                "release of peft cannot be used: pip install 'peft==0.21.2'."
            )

    def _change(self, network: nn.Module, layer: Layer) -> LowRank:
        wrapper = cast("Any", network.get_submodule(_wrapped(network, layer)))
        a: Tensor = wrapper.lora_A[ADAPTER].weight.detach().float().cpu()
        b: Tensor = wrapper.lora_B[ADAPTER].weight.detach().float().cpu()
        # flat where it is a convolution; times a number, so not shared with the network
        return LowRank(a.flatten(1).clone(), b.flatten(1) * (self.alpha / self.rank))


def _wrapped(network: nn.Module, layer: Layer) -> str:
    """Return the path of the module to wrap: a replaced attention has one for its input."""
    module = network.get_submodule(layer.name)
    return f"{layer.name}.in_proj" if isinstance(module, SelfAttention) else layer.name


def _lora_paths(network: nn.Module) -> set[str]:
    return {path for path, module in network.named_modules() if isinstance(module, LoraLayer)}


def _attentions(network: nn.Module, layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return the paths of the attentions to replace: those that are wrapped, or a part of which."""
    owners = (layer.name.rpartition(".")[0] for layer in layers)
    paths = dict.fromkeys(itertools.chain((layer.name for layer in layers), owners))
    return tuple(p for p in paths if isinstance(network.get_submodule(p), nn.MultiheadAttention))
