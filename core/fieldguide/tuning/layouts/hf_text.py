"""Hugging Face text towers of open_clip: BERT and RoBERTa."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from fieldguide.tuning.layouts.layout import Layer, Stage
from fieldguide.tuning.layouts.structure import (
    ANY,
    Kinds,
    expect_children,
    expect_kind,
    expect_that,
    join,
    part,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.tuning.layouts.layout import Tower

TEXT_ENCODER = "open_clip.hf_model.HFTextEncoder"
_MODELS = "transformers.models"
FAMILIES = {
    f"{_MODELS}.bert.modeling_bert.BertModel": f"{_MODELS}.bert.modeling_bert.Bert",
    f"{_MODELS}.roberta.modeling_roberta.RobertaModel": (
        f"{_MODELS}.roberta.modeling_roberta.Roberta"
    ),
    f"{_MODELS}.xlm_roberta.modeling_xlm_roberta.XLMRobertaModel": (
        f"{_MODELS}.xlm_roberta.modeling_xlm_roberta.XLMRoberta"
    ),
}
"""Class of the model, and how the names of its parts begin."""

ROLES = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attention_out",
    "intermediate.dense": "mlp_in",
    "output.dense": "mlp_out",
}
TEXT: Tower = "text"

State = tuple[Tensor, Tensor]  # vectors (N, T, W) and token numbers (N, T)


@dataclass(frozen=True)
class BertLayout:
    """open_clip's ``HFTextEncoder`` around a BERT or RoBERTa.

    Attributes:
        tower: the module.
        path: where it is in the network.
    """

    tower: nn.Module
    path: str

    def layers(self) -> tuple[Layer, ...]:
        """Return the linear maps of all layers and of the projection."""
        model = cast("nn.Module", self.tower.transformer)
        family = FAMILIES[_family(model, self.path)]
        path = f"{self.path}.transformer.encoder"
        expect_kind(cast("Any", model).encoder, path, f"{family}Encoder")
        found: list[Layer] = []
        for number, block in enumerate(cast("Any", model).encoder.layer):
            own = f"{path}.layer.{number}"
            _check_block(block, own, family)
            found += [
                Layer(f"{own}.{name}", f"{own}.{name}.weight", TEXT, role, number)
                for name, role in ROLES.items()
            ]
        last = found[-1].block
        heads = (
            Layer(
                join(self.path, name), join(self.path, f"{name}.weight"), TEXT, "projection", last
            )
            for name in _linear_maps(self.tower)
        )
        return (*found, *heads)

    def stages(self) -> tuple[Stage, ...]:
        """Return the embedding, the layers, and the pooling with its projection.

        Between them go the tokens' vectors and their numbers: (N, T, W) and (N, T).
        """
        model = cast("Any", self.tower).transformer
        _family(model, self.path)
        path = f"{self.path}.transformer"
        blocks = [
            Stage((f"{path}.encoder.layer.{number}",), _Blocks(self.tower, [block]))
            for number, block in enumerate(model.encoder.layer)
        ]
        return (
            Stage((f"{path}.embeddings",), _Embed(self.tower)),
            *blocks,
            Stage((f"{path}.pooler", f"{self.path}.proj"), _Pool(self.tower)),
        )

    def projection(self) -> tuple[str, ...]:
        """Return the head behind the pooling, where it has parameters."""
        has_any = any(True for _ in cast("nn.Module", self.tower.proj).parameters())
        return (f"{self.path}.proj",) if has_any else ()


def _family(model: nn.Module, path: str) -> str:
    expect_kind(model, f"{path}.transformer", *FAMILIES)
    expect_that(not cast("Any", model).config.is_decoder, path, "an encoder")
    return f"{type(model).__module__}.{type(model).__qualname__}"


def _linear_maps(tower: nn.Module) -> Iterator[str]:
    for name, module in tower.named_modules():
        if (name == "proj" or name.startswith("proj.")) and type(module) is nn.Linear:
            yield name


def _check_block(block: nn.Module, path: str, family: str) -> None:
    expect_kind(block, path, f"{family}Layer")
    kinds = {"attention": f"{family}Attention", "intermediate": f"{family}Intermediate",
             "output": f"{family}Output"}  # fmt: skip
    expect_children(block, path, kinds)
    output: dict[str, Kinds] = {"dense": nn.Linear, "LayerNorm": ANY, "dropout": ANY}
    expected: dict[str, dict[str, Kinds]] = {
        "attention": {"self": f"{family}SelfAttention", "output": f"{family}SelfOutput"},
        "attention.self": {**dict.fromkeys(("query", "key", "value"), nn.Linear), "dropout": ANY},
        "attention.output": output,
        "intermediate": {"dense": nn.Linear},
        "output": output,
    }
    for name, children in expected.items():
        optional = frozenset({"intermediate_act_fn"})
        expect_children(block.get_submodule(name), f"{path}.{name}", children, optional)


class _Given(nn.Module):
    """Stands for the embedding of a model that is given vectors already embedded."""

    def forward(self, *, inputs_embeds: Tensor, **unused: Any) -> Tensor:
        """Return the vectors."""
        return inputs_embeds


def _model(tower: Any, embeddings: nn.Module, blocks: list[nn.Module], pooler: Any = None) -> Any:
    """Return the tower's model with some of its parts; the masks are made by its own code."""
    model = tower.transformer
    encoder = part(model.encoder, layer=nn.ModuleList(blocks))
    return part(model, embeddings=embeddings, encoder=encoder, pooler=pooler)


class _Embed(nn.Module):
    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.padding = tower.config.pad_token_id
        self.model = _model(tower, tower.transformer.embeddings, [])

    def forward(self, tokens: Tensor) -> State:
        """Map (N, T) token numbers to (N, T, W) and the numbers."""
        mask = (tokens != self.padding).long()
        return self.model(input_ids=tokens, attention_mask=mask).last_hidden_state, tokens


class _Blocks(nn.Module):
    def __init__(self, tower: Any, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.padding = tower.config.pad_token_id
        self.model = _model(tower, _Given(), blocks)

    def forward(self, state: State) -> State:
        """Map (N, T, W) to (N, T, W)."""
        x, tokens = state
        mask = (tokens != self.padding).long()
        return self.model(inputs_embeds=x, attention_mask=mask).last_hidden_state, tokens


class _Pool(nn.Module):
    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.padding = tower.config.pad_token_id
        self.model = _model(tower, _Given(), [], tower.transformer.pooler)
        self.pooler, self.proj = tower.pooler, tower.proj

    def forward(self, state: State) -> Tensor:
        """Map (N, T, W) to (N, D)."""
        x, tokens = state
        mask = (tokens != self.padding).long()
        features: Tensor = self.proj(
            self.pooler(self.model(inputs_embeds=x, attention_mask=mask), mask)
        )
        return features
