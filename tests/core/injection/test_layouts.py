"""Which layers of which networks can be adapted, and which structures are refused."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from fieldguide.errors import AdapterError
from fieldguide.models.load import load_encoder, named_model
from fieldguide.models.tunable import network_digest, sharing_copy
from fieldguide.plugins import get_catalog
from fieldguide.tiny_checkpoints import KINDS, TOWERS, model_config, write_checkpoint
from fieldguide.tuning.layouts.layers import find_layers, select_layers
from fieldguide.tuning.layouts.towers import layout_of
from fieldguide.tuning.splitting import split_image, split_text
from fieldguide.tuning.trainables import projection_parameters, stage_parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.models.tunable import Tunable

ALL = [*KINDS, "embedded_conse"]
# in no tower: the scale of the logits, CoCa's captions, ImageNet's classifier
IN_NO_STAGE = ("logit_scale", "logit_bias", "text_decoder.", "vision.classifier.")


@pytest.mark.parametrize("kind", ALL)
def test_a_change_of_any_layer_found_changes_its_own_tower_alone(
    kind: str, load: Callable[[str], Tunable], pixels: Callable[[Tunable], torch.Tensor]
) -> None:
    encoder = load(kind)
    images, tokens = pixels(encoder), encoder.tokenize(["trees near water", "x"])
    if kind == "embedded_conse":
        images = images[..., :64, :64]  # convolutions take any size, and these less time
    with torch.no_grad():
        before = {"image": encoder.image_module(images), "text": encoder.text_module(tokens)}
        for layer in find_layers(encoder):
            copied = sharing_copy(encoder.network)
            weight = copied.get_parameter(layer.parameter)
            owner, _, name = layer.parameter.rpartition(".")
            generator = torch.Generator().manual_seed(0)
            noise = torch.randn(weight.shape, generator=generator)
            changed = nn.Parameter(weight + noise)
            copied.get_submodule(owner)._parameters[name] = changed
            other = encoder.with_network(copied)
            after = {"image": other.image_module(images), "text": other.text_module(tokens)}
            for tower in ("image", "text"):
                is_same = torch.equal(after[tower], before[tower])
                assert is_same == (layer.tower != tower), (layer, tower)


@pytest.mark.parametrize("kind", ALL)
def test_every_parameter_of_the_towers_belongs_to_one_stage(
    kind: str, load: Callable[[str], Tunable]
) -> None:
    encoder = load(kind)
    stages = [*layout_of(encoder, "image").stages(), *layout_of(encoder, "text").stages()]
    for name, _ in encoder.network.named_parameters():
        owners = sum(
            any(name == path or name.startswith(path + ".") for path in stage.owners)
            for stage in stages
        )
        assert owners == (0 if name.startswith(IN_NO_STAGE) else 1), name


@pytest.mark.parametrize("kind", ALL)
def test_blocks_count_from_the_input_and_each_has_layers(
    kind: str, load: Callable[[str], Tunable]
) -> None:
    layers = find_layers(load(kind))
    for tower in ("image", "text"):
        blocks = [layer.block for layer in layers if layer.tower == tower]
        assert blocks == sorted(blocks)
        assert sorted(set(blocks)) == list(range(blocks[-1] + 1))


def test_the_vision_transformer_has_four_layers_a_block_and_a_projection(
    load: Callable[[str], Tunable],
) -> None:
    images = select_layers(find_layers(load("vit")), roles=("attention_in", "mlp_in", "projection"))
    assert [(layer.name, layer.role, layer.block) for layer in images] == [
        ("visual.transformer.resblocks.0.attn", "attention_in", 0),
        ("visual.transformer.resblocks.0.mlp.c_fc", "mlp_in", 0),
        ("visual.transformer.resblocks.1.attn", "attention_in", 1),
        ("visual.transformer.resblocks.1.mlp.c_fc", "mlp_in", 1),
        ("visual", "projection", 1),
    ]


def test_the_embedded_model_offers_its_pointwise_convolutions(
    load: Callable[[str], Tunable],
) -> None:
    encoder = load("embedded_conse")
    found = {layer.name for layer in select_layers(find_layers(encoder))}
    vision = encoder.network.get_submodule("vision")
    pointwise = {
        f"vision.{name}"
        for name, module in vision.named_modules()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
    }
    assert found == pointwise
    assert len(found) == 32  # 16 blocks project, 15 of them expand, and the head


def test_the_last_blocks_of_each_tower_are_chosen(load: Callable[[str], Tunable]) -> None:
    layers = find_layers(load("embedded_conse"))
    chosen = select_layers(layers, towers=("image", "text"), last_blocks=2)
    names = {layer.name.rpartition(".")[0] for layer in chosen}
    assert names == {"vision", "vision.stages.6.0", "text.layers.4", "text.layers.5"}


def test_a_choice_of_nothing_says_what_there_is(load: Callable[[str], Tunable]) -> None:
    layers = find_layers(load("resnet"))
    with pytest.raises(AdapterError, match="image with 4 blocks and the roles pointwise"):
        select_layers(layers, roles=("attention_in",))


def _other_mlp(network: Any) -> None:
    network.visual.transformer.resblocks[1].mlp.add_module("more", nn.Linear(2, 2))


def _no_norm(network: Any) -> None:
    del network.visual.transformer.resblocks[1].ln_2


def _other_attention(network: Any) -> None:
    block = network.transformer.resblocks[1]
    block.attn = nn.MultiheadAttention(32, 2, batch_first=True, add_bias_kv=True)


def _sequence_first(network: Any) -> None:
    network.visual.transformer.batch_first = False


def _own_forward(network: Any) -> None:
    block = network.visual.transformer.resblocks[1]
    block.forward = lambda x, attn_mask=None: x


def _subclass(network: Any) -> None:
    class Other(nn.Linear):
        pass

    network.transformer.resblocks[0].mlp.c_fc = Other(32, 128)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_other_mlp, "visual.transformer.resblocks.1.mlp cannot be adapted: .*'more'"),
        (_no_norm, "visual.transformer.resblocks.1 cannot be adapted: a part 'ln_2'"),
        (_other_attention, "transformer.resblocks.1.attn cannot be adapted: no additional keys"),
        (_sequence_first, "visual.transformer cannot be adapted: a batch in the first"),
        (_own_forward, "visual.transformer.resblocks.1 cannot be adapted: .*replaced"),
        (_subclass, "^transformer.resblocks.0.mlp.c_fc cannot be adapted: Linear was expected"),
    ],
)
def test_another_structure_of_a_block_is_refused_and_nothing_changed(
    change: Callable[[Any], None], named: str, load: Callable[[str], Tunable]
) -> None:
    encoder = load("vit")
    other = sharing_copy(encoder.network)
    change(other)
    before, parts = network_digest(other), [type(module) for module in other.modules()]
    with pytest.raises(AdapterError, match=named):
        find_layers(encoder.with_network(other))
    assert network_digest(other) == before
    assert [type(module) for module in other.modules()] == parts


@pytest.mark.parametrize(
    ("kind", "path", "module"),
    [
        ("timm_vit", "visual.trunk.blocks.2.mlp", nn.Linear(2, 2)),
        ("timm_convnext", "visual.trunk.stages.1.blocks.0.mlp.fc1", nn.Identity()),
        ("bert", "text.transformer.encoder.layer.1.output.dense", nn.Identity()),
        ("resnet", "visual.layer2.0.conv3", nn.Conv2d(64, 64, 1, groups=2)),
        ("embedded_conse", "vision.stages.3.1.project", nn.Conv2d(480, 80, 3)),
        ("embedded_conse", "text.layers.3.query", nn.Identity()),
    ],
)
def test_a_replaced_part_of_any_family_is_refused_by_name(
    kind: str, path: str, module: nn.Module, load: Callable[[str], Tunable]
) -> None:
    encoder = load(kind)
    other = sharing_copy(encoder.network)
    other.set_submodule(path, module)
    with pytest.raises(AdapterError, match=f"^{path.replace('.', '[.]')} cannot be adapted"):
        find_layers(encoder.with_network(other))


def test_an_unknown_tower_is_refused_and_the_known_ones_named(
    load: Callable[[str], Tunable],
) -> None:
    encoder = load("vit")
    other = sharing_copy(encoder.network)

    class NewTower(nn.Module):
        image_size = (32, 32)

    other.visual = NewTower()  # type: ignore[assignment] # that is the point
    with pytest.raises(AdapterError, match=r"^visual cannot be adapted: one of VisionTransformer"):
        find_layers(encoder.with_network(other))


@pytest.mark.parametrize("kind", ALL)
def test_stages_and_projections_are_disjoint_and_grow_to_the_whole_tower(
    kind: str, load: Callable[[str], Tunable]
) -> None:
    encoder = load(kind)
    projection = set(projection_parameters(encoder))
    for tower in ("image", "text"):
        count = len(layout_of(encoder, tower).stages()) - 1  # type: ignore[arg-type] # both literals
        sets = [
            set(stage_parameters(encoder, number, tower))  # type: ignore[arg-type] # likewise
            for number in range(1, count + 1)
        ]
        assert all(small < large for small, large in itertools.pairwise(sets))
        assert not sets[-1] & projection
        with pytest.raises(AdapterError, match=f"has {count} stages, and {count + 1}"):
            stage_parameters(encoder, count + 1, tower)  # type: ignore[arg-type] # likewise


def test_the_last_stage_of_the_embedded_model_is_its_head_with_the_norms_scale(
    load: Callable[[str], Tunable],
) -> None:
    names = stage_parameters(load("embedded_conse"), 1)
    assert names == ("vision.head.weight", "vision.head_norm.weight", "vision.head_norm.bias")


@pytest.fixture
def opaque(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tunable:
    """A model whose towers are of families that have no layout: EfficientNet and mT5."""
    mt5 = {"model_type": "mt5", "vocab_size": 100, "d_model": 32, "d_kv": 16, "d_ff": 64,
           "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2, "pad_token_id": 0}  # fmt: skip
    monkeypatch.setitem(TOWERS, "some-org/tiny-mt5", mt5)  # type: ignore[index] # a dict
    config = model_config("timm_vit")
    config["vision_cfg"]["timm_model_name"] = "test_efficientnet"
    config["text_cfg"] = {
        **model_config("roberta")["text_cfg"], "hf_model_name": "some-org/tiny-mt5",
    }  # fmt: skip
    folder, catalog = write_checkpoint(tmp_path / "opaque", config), get_catalog()
    encoder = load_encoder(named_model(str(folder), catalog), catalog, torch.device("cpu"))
    return encoder  # type: ignore[return-value] # open_clip models are


def test_towers_of_unknown_families_offer_no_layers_but_train_as_a_whole(
    opaque: Tunable, pixels: Callable[[Tunable], torch.Tensor]
) -> None:
    with pytest.raises(AdapterError, match=r"^visual.trunk .* VisionTransformer, ConvNeXt was"):
        find_layers(opaque, ("image",))
    with pytest.raises(AdapterError, match=r"^text.transformer .* one of BertModel"):
        find_layers(opaque, ("text",))
    projections = projection_parameters(opaque)
    assert projections == ("visual.head.proj.weight", "text.proj.weight")
    tower = set(stage_parameters(opaque, 1)) | set(stage_parameters(opaque, 1, "text"))
    every = {name for name, _ in opaque.network.named_parameters()}
    assert every - tower - set(projections) == {"logit_scale"}
    images, tokens = pixels(opaque), opaque.tokenize(["trees near water", "x"])
    image_split, text_split = (split(opaque, projections) for split in (split_image, split_text))
    assert image_split.prefix is not None
    assert text_split.prefix is not None
    with torch.no_grad():
        found = image_split.suffix(image_split.prefix(images))
        assert torch.equal(found, opaque.image_module(images))
        found = text_split.suffix(text_split.prefix(tokens))
        assert torch.equal(found, opaque.text_module(tokens))
