"""A tower cut into frozen and trained stages gives what the whole tower gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
import torch
from torch import Tensor, nn

from fieldguide.errors import AdapterError
from fieldguide.models.tunable import sharing_copy
from fieldguide.tiny_checkpoints import KINDS
from fieldguide.tuning.layouts.layers import find_layers, select_layers
from fieldguide.tuning.layouts.towers import layout_of
from fieldguide.tuning.lora import LoraLayers
from fieldguide.tuning.splitting import Split, image_parts, split_image, split_text
from fieldguide.tuning.trainables import FullParameters, projection_parameters, stage_parameters
from fieldguide.tuning.training.states import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldguide.models.tunable import Tunable

ALL = [*KINDS, "embedded_conse"]
Tower = Literal["image", "text"]
TEXTS = ["trees near water, seen from above", "a red roof", "x"]


def inputs(encoder: Tunable, tower: Tower, images: Tensor) -> Tensor:
    return images if tower == "image" else encoder.tokenize(TEXTS)


def split_of(encoder: Tunable, tower: Tower, names: object) -> Split:
    split = split_image if tower == "image" else split_text
    return split(encoder, names)  # type: ignore[arg-type] # a tuple or set of names


def whole(encoder: Tunable, tower: Tower) -> nn.Module:
    return encoder.image_module if tower == "image" else encoder.text_module


@pytest.mark.parametrize("tower", ["image", "text"])
@pytest.mark.parametrize("kind", ALL)
def test_every_cut_gives_the_towers_features_to_the_last_bit(
    kind: str,
    tower: Tower,
    load: Callable[[str], Tunable],
    pixels: Callable[[Tunable], Tensor],
) -> None:
    encoder = load(kind)
    given = inputs(encoder, tower, pixels(encoder))
    stages = layout_of(encoder, tower).stages()
    with torch.no_grad():
        expected = whole(encoder, tower)(given)
        for last_stages in range(1, len(stages)):
            names = stage_parameters(encoder, last_stages, tower)
            cut = split_of(encoder, tower, names)
            if last_stages == len(stages) - 1:
                assert cut.prefix is None
                assert torch.equal(cut.suffix(given), expected)
                continue
            assert cut.prefix is not None
            between = cut.prefix(given)
            parts = between if isinstance(between, tuple) else (between,)
            assert all(isinstance(part, Tensor) and len(part) == 3 for part in parts)
            assert torch.equal(cut.suffix(between), expected)


@pytest.mark.parametrize("tower", ["image", "text"])
@pytest.mark.parametrize("kind", ALL)
def test_the_prefix_of_a_prepared_copy_holds_nothing_that_trains_and_the_suffix_all_of_it(
    kind: str, tower: Tower, load: Callable[[str], Tunable]
) -> None:
    encoder = load(kind)
    layers = select_layers(find_layers(encoder), towers=(tower,), last_blocks=1)
    trainables = LoraLayers(layers, 2, 4.0)
    network = sharing_copy(encoder.network)
    trainables.prepare(network)
    cut = split_of(encoder.with_network(network), tower, trainables.names())
    assert cut.prefix is not None
    assert not any(tensor.requires_grad for tensor in cut.prefix.parameters())
    trained = {id(tensor) for tensor in network.parameters() if tensor.requires_grad}
    assert trained <= {id(tensor) for tensor in cut.suffix.parameters()}


@pytest.mark.parametrize("kind", ["vit", "coca", "timm_convnext", "bert_pooler", "embedded_conse"])
def test_gradients_through_the_cut_are_those_through_the_whole_tower(
    kind: str, load: Callable[[str], Tunable], pixels: Callable[[Tunable], Tensor]
) -> None:
    encoder = load(kind)
    tower: Tower = "text" if kind == "bert_pooler" else "image"
    trainables = FullParameters(stage_parameters(encoder, 1, tower))
    network = sharing_copy(encoder.network)
    trainables.prepare(network)
    tuned = encoder.with_network(network)
    given = inputs(tuned, tower, pixels(tuned))
    trained = [tensor for tensor in network.parameters() if tensor.requires_grad]
    cut = split_of(tuned, tower, trainables.names())
    assert cut.prefix is not None
    with torch.no_grad():
        between = cut.prefix(given)
    expected = torch.autograd.grad(whole(tuned, tower)(given).square().sum(), trained)
    found = torch.autograd.grad(cut.suffix(between).square().sum(), trained)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_only_projections_leave_the_pooled_features_between(
    load: Callable[[str], Tunable], pixels: Callable[[Tunable], Tensor]
) -> None:
    encoder = load("embedded_conse")
    cut = split_image(encoder, projection_parameters(encoder))
    assert cut.prefix is not None
    with torch.no_grad():
        between = cut.prefix(pixels(encoder))
    widths = [part.shape[1:] for part in between]
    assert widths == [(16,), (24,), (40,), (80,), (112,), (192,), (320,), (1280,)]


def test_a_frozen_tower_is_all_prefix(
    load: Callable[[str], Tunable], pixels: Callable[[Tunable], Tensor]
) -> None:
    encoder = load("vit")
    cut = split_image(encoder, stage_parameters(encoder, 1, "text"))
    assert cut.prefix is encoder.image_module
    features = torch.randn(2, 3)
    assert cut.suffix(features) is features


def test_feature_maps_from_a_file_give_the_same_features(
    load: Callable[[str], Tunable], pixels: Callable[[Tunable], Tensor]
) -> None:
    # a file keeps numbers, not the order of channels in memory
    encoder = load("embedded_conse")
    cut = split_image(encoder, stage_parameters(encoder, 2))
    assert cut.prefix is not None
    with torch.no_grad():
        between = cut.prefix(pixels(encoder))
        read = tuple(torch.from_numpy(part.contiguous().numpy().copy()) for part in between)
        assert torch.equal(cut.suffix(read), encoder.image_module(pixels(encoder)))


def test_every_stage_goes_on_from_what_the_one_before_gave_alone(
    load: Callable[[str], Tunable], pixels: Callable[[Tunable], Tensor]
) -> None:
    encoder = load("embedded_conse")
    cuts = range(1, 1 + len(layout_of(encoder, "image").stages()))
    state: tuple[Tensor, ...] = (pixels(encoder),)
    with torch.no_grad():
        for part in image_parts(encoder, tuple(cuts)):
            state = run(part, state)
        assert torch.equal(state[0], encoder.image_module(pixels(encoder)))


def test_a_tower_that_computes_in_another_way_is_refused(load: Callable[[str], Tunable]) -> None:
    encoder = load("vit")
    network = sharing_copy(encoder.network)
    other = encoder.with_network(network)
    pool = type(network.visual)._pool  # type: ignore[union-attr] # open_clip's

    def forward(pixels: Tensor) -> Tensor:
        tokens = network.visual.transformer(network.visual._embeds(pixels))  # type: ignore[operator, union-attr] # likewise
        features: Tensor = 2 * pool(network.visual, tokens)[0] @ network.visual.proj  # type: ignore[operator, union-attr] # likewise
        return features

    network.visual.forward = forward  # type: ignore[method-assign, union-attr] # that is the point
    with pytest.raises(AdapterError, match="does not give what the whole one gives"):
        split_image(other, stage_parameters(encoder, 1))
