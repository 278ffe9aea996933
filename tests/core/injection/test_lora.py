"""Training of LoRA layers and whole parameters in a copy, with the base left as it is."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from fieldguide.errors import AdapterError
from fieldguide.models.tunable import network_digest, sharing_copy
from fieldguide.tiny_checkpoints import KINDS
from fieldguide.tuning.changes import LowRank, Offset, changed
from fieldguide.tuning.layouts.layers import find_layers, select_layers
from fieldguide.tuning.lora import LoraLayers
from fieldguide.tuning.trainables import (
    FullParameters,
    Together,
    Trainables,
    keep_statistics,
    projection_parameters,
    stage_parameters,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldguide.models.tunable import Tunable

ALL = [*KINDS, "embedded_conse"]
TEXTS = ["trees near water", "a red roof", "x"]
BOTH = ("image", "text")


def lora(encoder: Tunable, rank: int = 2, **choice: object) -> LoraLayers:
    layers = select_layers(find_layers(encoder), **{"towers": BOTH, **choice})  # type: ignore[arg-type] # of a test
    return LoraLayers(layers, rank, alpha=2.0 * rank)


def prepared(encoder: Tunable, trainables: Trainables) -> Tunable:
    network = sharing_copy(encoder.network)
    trainables.prepare(network)
    return encoder.with_network(network)


def train(tuned: Tunable, images: torch.Tensor, steps: int = 2) -> None:
    """Take some steps on a contrastive loss, with the whole network in train mode."""
    tokens = tuned.tokenize(TEXTS)
    tuned.network.train()
    trained = [p for p in tuned.network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-2)
    for _ in range(steps):
        image = nn.functional.normalize(tuned.image_module(images), dim=1)
        text = nn.functional.normalize(tuned.text_module(tokens), dim=1)
        loss = nn.functional.cross_entropy(10 * image @ text.T, torch.arange(3))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    tuned.network.eval()


def features(encoder: Tunable, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        pair = encoder.image_module(images), encoder.text_module(encoder.tokenize(TEXTS))
    return torch.cat([nn.functional.normalize(part, dim=1) for part in pair])


@pytest.mark.parametrize("kind", ALL)
def test_a_copy_with_untrained_layers_gives_the_bases_vectors(
    kind: str, load: Callable[[str], Tunable], pixels: Callable[[Tunable], torch.Tensor]
) -> None:
    encoder = load(kind)
    tuned = prepared(encoder, lora(encoder))
    images = pixels(encoder)
    expected = features(encoder, images)
    torch.testing.assert_close(features(tuned, images), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ALL)
def test_training_moves_the_copy_and_no_bit_of_the_base(
    kind: str, load: Callable[[str], Tunable], pixels: Callable[[Tunable], torch.Tensor]
) -> None:
    encoder = load(kind)
    images, before = pixels(encoder), network_digest(encoder.network)
    untouched = features(encoder, images)
    names = {*stage_parameters(encoder, 1), *projection_parameters(encoder)}
    low_rank = lora(encoder, last_blocks=1, towers=("text",))
    trainables = Together(low_rank, FullParameters(names))
    tuned = prepared(encoder, trainables)
    train(tuned, images)
    assert network_digest(encoder.network) == before
    assert torch.equal(features(encoder, images), untouched)
    assert not any(tensor.requires_grad for tensor in encoder.network.parameters())
    assert float((features(tuned, images) - untouched).abs().max()) > 1e-4


@pytest.mark.parametrize("kind", ALL)
def test_the_changes_added_to_the_base_give_the_trained_copy(
    kind: str, load: Callable[[str], Tunable], pixels: Callable[[Tunable], torch.Tensor]
) -> None:
    encoder = load(kind)
    images = pixels(encoder)
    trainables = Together(FullParameters(projection_parameters(encoder)), lora(encoder))
    tuned = prepared(encoder, trainables)
    train(tuned, images)
    changes = trainables.changes(tuned.network)
    assert set(changes) == trainables.names()
    merged = encoder.with_network(changed(encoder.network, changes))
    torch.testing.assert_close(features(merged, images), features(tuned, images), atol=2e-5, rtol=0)


@pytest.mark.parametrize("kind", ALL)
def test_every_layer_gets_a_gradient(
    kind: str, load: Callable[[str], Tunable], pixels: Callable[[Tunable], torch.Tensor]
) -> None:
    encoder = load(kind)
    tuned = prepared(encoder, lora(encoder))
    image = tuned.image_module(pixels(encoder))
    text = tuned.text_module(tuned.tokenize(TEXTS))
    (image.square().sum() + text.square().sum()).backward()
    trained = {n: p for n, p in tuned.network.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * len(select_layers(find_layers(encoder), towers=BOTH))
    without = {name for name, tensor in trained.items() if tensor.grad is None}
    assert not without
    assert all(
        bool(p.grad.any()) for n, p in trained.items() if "lora_B" in n and p.grad is not None
    )


def test_a_change_is_b_times_alpha_over_rank_times_a(load: Callable[[str], Tunable]) -> None:
    encoder = load("vit")
    layers = select_layers(find_layers(encoder), roles=("attention_in",), last_blocks=1)
    trainables = LoraLayers(layers, rank=3, alpha=12)
    tuned = prepared(encoder, trainables)
    wrapper = tuned.network.get_submodule("visual.transformer.resblocks.1.attn.in_proj")
    a = torch.arange(3 * 64.0).reshape(3, 64)
    b = torch.ones(192, 3)
    with torch.no_grad():
        wrapper.lora_A["default"].weight.copy_(a)  # type: ignore[index, operator, union-attr] # peft's dict
        wrapper.lora_B["default"].weight.copy_(b)  # type: ignore[index, operator, union-attr] # likewise
    change = trainables.changes(tuned.network)["visual.transformer.resblocks.1.attn.in_proj_weight"]
    assert isinstance(change, LowRank)
    expected = 4 * a.sum(dim=0).expand(192, 64)
    assert torch.equal(change.difference(torch.Size((192, 64))), expected)


def test_batch_norms_keep_their_statistics_whoever_calls_train(
    load: Callable[[str], Tunable], pixels: Callable[[Tunable], torch.Tensor]
) -> None:
    encoder = load("resnet")
    names = stage_parameters(encoder, 2)
    tuned = prepared(encoder, FullParameters(names))
    norms = [m for m in tuned.network.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms if norm.running_mean is not None]
    for module in tuned.network.modules():
        module.train()
    assert norms
    assert not any(norm.training for norm in norms)
    train(tuned, pixels(encoder))
    after = [norm.running_mean for norm in norms if norm.running_mean is not None]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert any(name.endswith("bn3.weight") for name in names)  # their scales do train
    assert not any("running" in name for name in names)


def test_the_batch_norms_of_the_base_are_of_their_own_class(load: Callable[[str], Tunable]) -> None:
    encoder = load("resnet")
    copied = sharing_copy(encoder.network)
    keep_statistics(copied)
    kinds = {type(m) for m in encoder.network.modules() if isinstance(m, nn.BatchNorm2d)}
    assert kinds == {nn.BatchNorm2d}
    again = copy.deepcopy(copied).train()
    assert not any(m.training for m in again.modules() if isinstance(m, nn.BatchNorm2d))


def test_the_embedded_convolutions_stay_in_channels_last(
    load: Callable[[str], Tunable], pixels: Callable[[Tunable], torch.Tensor]
) -> None:
    encoder = load("embedded_conse")
    names = [name for name in stage_parameters(encoder, 2) if "depthwise.weight" in name]
    tuned = prepared(encoder, Together(lora(encoder, towers=("image",)), FullParameters(names)))
    network = tuned.network
    train(tuned, pixels(encoder), steps=1)
    seen: list[bool] = []
    for name, module in network.named_modules():
        if name.startswith("vision.stages.") and name.count(".") == 3:
            module.register_forward_hook(
                lambda _m, _given, out: seen.append(
                    out.is_contiguous(memory_format=torch.channels_last)
                )
            )
    tuned.image_module(pixels(encoder))
    assert len(seen) == 16
    assert all(seen)
    for name in names:
        weight = network.get_parameter(name)
        assert weight.is_contiguous(memory_format=torch.channels_last)


def test_the_same_seed_gives_the_same_layers_and_leaves_the_global_generator_alone(
    load: Callable[[str], Tunable],
) -> None:
    encoder = load("vit")
    layers = select_layers(find_layers(encoder))
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    first, same, other = (
        prepared(encoder, LoraLayers(layers, 2, 4.0, seed=seed)).network for seed in (1, 1, 2)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    names = [name for name, _ in first.named_parameters() if "lora_A" in name]
    assert all(torch.equal(first.get_parameter(n), same.get_parameter(n)) for n in names)
    assert not any(torch.equal(first.get_parameter(n), other.get_parameter(n)) for n in names)


def test_names_of_one_tower_do_not_hit_the_other(load: Callable[[str], Tunable]) -> None:
    # "transformer.resblocks.0" is the end of "visual.transformer.resblocks.0"
    encoder = load("vit")
    tuned = prepared(encoder, lora(encoder, towers=("text",)))
    trained = [name for name, p in tuned.network.named_parameters() if p.requires_grad]
    assert trained
    assert not any(name.startswith("visual") for name in trained)


@pytest.mark.parametrize("is_full_first", [True, False])
def test_a_bias_trains_beside_a_lora_layer_in_any_order(
    is_full_first: bool, load: Callable[[str], Tunable], pixels: Callable[[Tunable], torch.Tensor]
) -> None:
    encoder = load("vit")
    block = "visual.transformer.resblocks.1"
    biases = FullParameters([f"{block}.attn.in_proj_bias", f"{block}.mlp.c_fc.bias"])
    both = (biases, lora(encoder)) if is_full_first else (lora(encoder), biases)
    trainables = Together(*both)
    tuned = prepared(encoder, trainables)
    train(tuned, pixels(encoder))
    changes = trainables.changes(tuned.network)
    for name in biases.names():
        change = changes[name]
        assert isinstance(change, Offset)
        assert change.values.any()


def test_two_ranks_in_two_towers(
    load: Callable[[str], Tunable], pixels: Callable[[Tunable], torch.Tensor]
) -> None:
    encoder = load("vit")
    small, large = lora(encoder, 2, towers=("image",)), lora(encoder, 5, towers=("text",))
    both = Together(small, large)
    tuned = prepared(encoder, both)
    train(tuned, pixels(encoder))
    ranks = {
        name.startswith("visual"): change.a.shape[0]
        for name, change in both.changes(tuned.network).items()
        if isinstance(change, LowRank) and change.difference(torch.Size((-1,))).any()
    }
    assert ranks == {True: 2, False: 5}


def test_what_trains_twice_is_refused(load: Callable[[str], Tunable]) -> None:
    encoder = load("vit")
    name = "visual.transformer.resblocks.1.mlp.c_fc.weight"
    with pytest.raises(AdapterError, match=f"{name} would be trained in two ways"):
        Together(lora(encoder), FullParameters([name]))


def test_a_bare_projection_matrix_is_refused_before_anything_changes(
    load: Callable[[str], Tunable],
) -> None:
    encoder = load("vit")
    copied = sharing_copy(encoder.network)
    layers = select_layers(find_layers(encoder), roles=("attention_in", "projection"))
    parts = [type(module) for module in copied.modules()]
    with pytest.raises(AdapterError, match=r"visual\.proj is a bare parameter"):
        LoraLayers(layers, 2, 4.0).prepare(copied)
    assert [type(module) for module in copied.modules()] == parts


def test_a_rank_above_what_a_weight_has_is_refused(load: Callable[[str], Tunable]) -> None:
    encoder = load("embedded_conse")
    with pytest.raises(AdapterError, match=r"vision.stages.0.0.project.weight of \(16, 32\)"):
        prepared(encoder, lora(encoder, 17))


def test_layers_of_another_model_are_refused(load: Callable[[str], Tunable]) -> None:
    trainables = lora(load("timm_vit"))
    with pytest.raises(AdapterError, match=r"has no parameter visual\.trunk"):
        prepared(load("vit"), trainables)


@pytest.mark.parametrize(
    ("rank", "alpha", "dropout"), [(0, 1.0, 0.0), (2, 0.0, 0.0), (2, 1.0, 1.0)]
)
def test_numbers_out_of_range_are_refused(
    rank: int, alpha: float, dropout: float, load: Callable[[str], Tunable]
) -> None:
    layers = select_layers(find_layers(load("vit")))
    with pytest.raises(AdapterError, match="LoRA needs a rank"):
        LoraLayers(layers, rank, alpha, dropout)
