"""The embedded text tower: MiniLM and what joins it to the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.models.minilm import PADDING
from fieldguide.tuning.layouts.layout import Layer, Stage
from fieldguide.tuning.layouts.structure import expect_children, expect_kind

if TYPE_CHECKING:
    from fieldguide.models.embedded import EmbeddedNetwork, Join
    from fieldguide.models.minilm import MiniLM
    from fieldguide.tuning.layouts.layout import Tower

TEXT_NETWORK = "fieldguide.models.minilm.MiniLM"
BLOCK = "fieldguide.models.minilm.BertLayer"
ROLES = {"query": "query", "key": "key", "value": "value", "mix": "attention_out",
         "widen": "mlp_in", "narrow": "mlp_out"}  # fmt: skip
NORMS = ("mix_norm", "narrow_norm")
EMBEDDING = ("word", "position", "token_type", "norm")
TEXT: Tower = "text"

State = tuple[Tensor, Tensor]  # vectors (N, T, W) and token numbers (N, T)


@dataclass(frozen=True)
class MiniLMLayout:
    """MiniLM's six layers, each linear map a module of its own.

    Attributes:
        network: both towers; the join belongs to the last stage.
    """

    network: nn.Module

    def layers(self) -> tuple[Layer, ...]:
        """Return the linear maps of all layers and the join."""
        text = cast("EmbeddedNetwork", self.network).text
        expect_kind(text, "text", TEXT_NETWORK)
        found: list[Layer] = []
        for number, block in enumerate(text.layers):
            path = f"text.layers.{number}"
            expect_kind(block, path, BLOCK)
            norms = dict.fromkeys(NORMS, nn.LayerNorm)
            expect_children(block, path, {**dict.fromkeys(ROLES, nn.Linear), **norms})
            found += [
                Layer(f"{path}.{name}", f"{path}.{name}.weight", TEXT, role, number)
                for name, role in ROLES.items()
            ]
        last = found[-1].block
        return (*found, Layer("join", "join.text_weight", TEXT, "projection", last))

    def stages(self) -> tuple[Stage, ...]:
        """Return the embedding, the six layers, and the pooling with the join."""
        network = cast("EmbeddedNetwork", self.network)
        text = network.text
        blocks = [
            Stage((f"text.layers.{number}",), _Block(block))
            for number, block in enumerate(text.layers)
        ]
        return (
            Stage(tuple(f"text.{name}" for name in EMBEDDING), _Embed(text)),
            *blocks,
            Stage(self.projection(), _Pool(network.join)),
        )

    def projection(self) -> tuple[str, ...]:
        """Return the parameters that join this side to the space."""
        return ("join.text_weight", "join.text_bias")


class _Embed(nn.Module):
    def __init__(self, text: MiniLM) -> None:
        super().__init__()
        self.word, self.position = text.word, text.position
        self.token_type, self.norm = text.token_type, text.norm

    def forward(self, tokens: Tensor) -> State:
        """Map (N, T) token numbers to (N, T, W) and the numbers."""
        places = self.position.weight[: tokens.shape[1]]
        return self.norm(self.word(tokens) + places + self.token_type.weight[0]), tokens


class _Block(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, state: State) -> State:
        """Map (N, T, W) to (N, T, W)."""
        x, tokens = state
        return self.block(x, (tokens != PADDING)[:, None, None, :]), tokens


class _Pool(nn.Module):
    def __init__(self, join: Join) -> None:
        super().__init__()
        self.join = join

    def forward(self, state: State) -> Tensor:
        """Map (N, T, W) to (N, D)."""
        x, tokens = state
        weights = (tokens != PADDING)[:, :, None].to(x.dtype)
        mean = (x * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return self.join.text(F.normalize(mean, dim=1))
