"""How far an adapter moves the vectors, how exact its merge is, and that nothing is no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model

from fieldguide.errors import AdapterError
from fieldguide.models.embeddings import unit_length
from fieldguide.models.probing import probe_images
from fieldguide.models.tunable import network_digest, sharing_copy
from fieldguide.tiny_checkpoints import KINDS
from fieldguide.tuning.beside import with_changes_beside
from fieldguide.tuning.changes import Change, LowRank, Offset, changed
from fieldguide.tuning.effect import PROBE_IMAGES, measure_effect
from fieldguide.tuning.layouts.layers import find_layers, select_layers
from fieldguide.tuning.lora import LoraLayers

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldguide.models.tunable import Tunable

ALL = [*KINDS, "embedded_conse"]


def low_rank(encoder: Tunable, rank: int = 2, **choice: object) -> dict[str, Change]:
    """Changes of low rank, about a tenth of each weight."""
    found: dict[str, Change] = {}
    for number, layer in enumerate(select_layers(find_layers(encoder), **choice)):  # type: ignore[arg-type] # of a test
        weight = encoder.network.get_parameter(layer.parameter).flatten(1)
        generator = torch.Generator().manual_seed(number)
        a = torch.randn(rank, weight.shape[1], generator=generator)
        b = torch.randn(weight.shape[0], rank, generator=generator)
        found[layer.parameter] = LowRank(a, b * 0.1 * weight.norm() / (b @ a).norm())
    return found


@pytest.mark.parametrize("kind", ALL)
def test_the_merge_is_exact_for_every_layer_of_every_family(
    kind: str, load: Callable[[str], Tunable]
) -> None:
    encoder = load(kind)
    changes = low_rank(encoder, towers=("image", "text"))
    before = network_digest(encoder.network)
    effect = measure_effect(encoder, changes)
    assert effect.merge_error < 1e-5
    assert effect.image_change.largest >= effect.image_change.mean > 0
    assert effect.text_change.largest >= effect.text_change.mean > 0
    assert network_digest(encoder.network) == before


def test_the_distances_are_those_of_the_encoders_vectors(load: Callable[[str], Tunable]) -> None:
    encoder = load("vit")
    changes = low_rank(encoder)
    tuned = encoder.with_network(changed(encoder.network, changes))
    pixels = probe_images(3, 32, 32, PROBE_IMAGES)
    one, other = (
        np.asarray(model.encode_images(pixels).vectors, np.float64) for model in (encoder, tuned)
    )
    distances = 1 - (unit_length(one) * unit_length(other)).sum(axis=1)
    effect = measure_effect(encoder, changes)
    assert effect.image_change.mean == pytest.approx(distances.mean(), abs=1e-6)
    assert effect.image_change.largest == pytest.approx(distances.max(), abs=1e-6)


def test_a_change_of_one_tower_is_shown_as_such(load: Callable[[str], Tunable]) -> None:
    encoder = load("vit")
    effect = measure_effect(encoder, low_rank(encoder, towers=("text",)))
    assert not effect.image_change.is_any
    assert effect.image_change.largest == 0
    assert effect.text_change.is_any


def test_what_the_adapter_holds_is_counted(load: Callable[[str], Tunable]) -> None:
    encoder = load("vit")
    block = "visual.transformer.resblocks.1"
    changes: dict[str, Change] = {
        f"{block}.mlp.c_fc.weight": LowRank(torch.ones(2, 64), torch.ones(256, 2)),
        f"{block}.mlp.c_fc.bias": Offset(torch.ones(256)),
    }
    effect = measure_effect(encoder, changes)
    assert effect.trainable_parameters == 2 * 64 + 256 * 2 + 256
    assert effect.bytes == 4 * effect.trainable_parameters


def test_a_change_beside_a_layer_is_computed_there(load: Callable[[str], Tunable]) -> None:
    # W x + B A x by hand, and not with a sum of the weights
    encoder = load("embedded_conse")
    name = "vision.stages.2.1.project"
    changes = {k: v for k, v in low_rank(encoder).items() if k == f"{name}.weight"}
    network = with_changes_beside(encoder.network, changes, find_layers(encoder))
    change = changes[f"{name}.weight"]
    assert isinstance(change, LowRank)
    x = torch.randn(2, 240, 3, 3)
    narrow = torch.einsum("ri,nihw->nrhw", change.a, x)
    expected = encoder.network.get_submodule(name)(x)
    expected = expected + torch.einsum("or,nrhw->nohw", change.b, narrow)
    torch.testing.assert_close(network.get_submodule(name)(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [lambda shape: Offset(torch.zeros(shape)), None])
def test_changes_that_change_nothing_are_an_error(
    make: Callable[[torch.Size], Change] | None, load: Callable[[str], Tunable]
) -> None:
    encoder = load("vit")
    name = "visual.transformer.resblocks.0.mlp.c_fc.weight"
    untrained = LowRank(torch.ones(2, 64), torch.zeros(256, 2))
    shape = encoder.network.get_parameter(name).shape
    change = untrained if make is None else make(shape)
    with pytest.raises(AdapterError, match="no effect: images and texts get the same vectors"):
        measure_effect(encoder, {name: change})


def test_a_change_of_what_no_tower_uses_is_an_error(load: Callable[[str], Tunable]) -> None:
    encoder = load("coca")
    name = "text_decoder.resblocks.0.mlp.c_fc.weight"
    ones = torch.ones(encoder.network.get_parameter(name).shape)
    with pytest.raises(AdapterError, match="no effect"):
        measure_effect(encoder, {name: Offset(ones)})


def test_peft_around_an_attentions_output_has_no_effect_and_ours_has(
    load: Callable[[str], Tunable],
) -> None:
    # why structures are checked: the attention reads the weight of out_proj and never calls it
    encoder = load("vit")
    name = "visual.transformer.resblocks.0.attn.out_proj"
    pixels = probe_images(3, 32, 32, 2)
    network = sharing_copy(encoder.network)
    config = LoraConfig(r=2, target_modules=name, init_lora_weights=False)
    inject_adapter_in_model(config, network)
    plain = encoder.with_network(network)
    with torch.no_grad():
        before = encoder.image_module(pixels)
        assert torch.equal(plain.image_module(pixels), before)
        ours = sharing_copy(encoder.network)
        layers = [layer for layer in find_layers(encoder) if layer.name == name]
        LoraLayers(layers, 2, 4.0).prepare(ours)
        plain_copy = encoder.with_network(ours).image_module(pixels)  # B is still zero
        for parameter in ours.parameters():
            if parameter.requires_grad:
                parameter.fill_(0.1)
        assert not torch.equal(encoder.with_network(ours).image_module(pixels), plain_copy)
