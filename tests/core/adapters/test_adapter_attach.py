"""An adapter on its base: the arithmetic, the base untouched, and what is refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from fieldguide.errors import AdapterError, UsageError
from fieldguide.models.computing import image_side
from fieldguide.models.text_cache import cache_texts
from fieldguide.models.tunable import network_digest
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.adapter import Adapter, ProbeClassifier
from fieldguide.tuning.attach import attach, attach_for_work, check_effect
from fieldguide.tuning.changes import LowRank, Offset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.models.openclip import OpenClipEncoder

IMAGE_WEIGHT = "visual.transformer.resblocks.0.mlp.c_fc.weight"
TEXT_BIAS = "transformer.resblocks.1.mlp.c_proj.bias"
TEXTS = ["a river", "two cats"]


def by_hand(load: Callable[[Path], OpenClipEncoder], folder: Path, adapter: Adapter,
            strength: float) -> OpenClipEncoder:  # fmt: skip
    """Return a model of its own whose weights were changed in place."""
    model = load(folder)
    with torch.no_grad():
        low_rank = adapter.changes[IMAGE_WEIGHT]
        assert isinstance(low_rank, LowRank)
        model.network.get_parameter(IMAGE_WEIGHT).add_(strength * (low_rank.b @ low_rank.a))
        offset = adapter.changes[TEXT_BIAS]
        assert isinstance(offset, Offset)
        model.network.get_parameter(TEXT_BIAS).add_(strength * offset.values)
    return model


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_vectors_equal_those_of_a_model_whose_weights_were_changed_in_place(
    base: OpenClipEncoder, model_folder: Path, adapter: Adapter, pixels: torch.Tensor,
    load: Callable[[Path], OpenClipEncoder], strength: float,
) -> None:  # fmt: skip
    expected = by_hand(load, model_folder, adapter, strength)
    tuned = attach(base, adapter, strength=strength)

    images, texts = tuned.encode_images(pixels), tuned.encode_texts(TEXTS)
    np.testing.assert_allclose(images.vectors, expected.encode_images(pixels).vectors, atol=1e-6)
    np.testing.assert_allclose(texts.vectors, expected.encode_texts(TEXTS).vectors, atol=1e-6)
    assert np.abs(images.vectors - base.encode_images(pixels).vectors).max() > 1e-3


def test_the_base_is_the_same_to_the_last_bit_afterwards(
    base: OpenClipEncoder, adapter: Adapter, pixels: torch.Tensor
) -> None:
    before, vectors = network_digest(base.network), base.encode_images(pixels).vectors
    attach(base, adapter).encode_images(pixels)

    assert network_digest(base.network) == before == adapter.config.base.network
    assert np.array_equal(base.encode_images(pixels).vectors, vectors)


def test_strength_0_is_the_base_to_the_last_bit_and_in_its_space(
    base: OpenClipEncoder, adapter: Adapter, pixels: torch.Tensor
) -> None:
    tuned = attach(base, adapter, strength=0)

    assert np.array_equal(tuned.encode_images(pixels).vectors, base.encode_images(pixels).vectors)
    assert tuned.space == base.space
    assert tuned.logit_scale == pytest.approx(base.logit_scale)


def test_each_strength_is_a_space_of_its_own(base: OpenClipEncoder, adapter: Adapter) -> None:
    digests = {attach(base, adapter, strength=s).space.digest for s in (0, 0.25, 0.5, 1)}
    assert len(digests) == 4
    assert (
        attach(base, adapter.with_strength(0.25)).space
        == attach(base, adapter, strength=0.25).space
    )


def test_two_adapters_are_two_spaces(
    base: OpenClipEncoder, make_adapter: Callable[..., Adapter]
) -> None:
    one, other = make_adapter(seed=0), make_adapter(seed=1)
    assert attach(base, one).space.digest != attach(base, other).space.digest


def test_the_logit_scale_follows_the_strength_on_the_geometric_path(
    base: OpenClipEncoder, make_adapter: Callable[..., Adapter]
) -> None:
    adapter = make_adapter(strength=0.5, logit_scale=20.0)

    assert attach(base, adapter).logit_scale == pytest.approx(20.0)
    half = math.sqrt(base.logit_scale * 20.0)
    assert attach(base, adapter, strength=0.25).logit_scale == pytest.approx(half)
    assert attach(base, adapter, strength=1.0).logit_scale == pytest.approx(20.0)


def test_another_way_of_resizing_is_another_contract_and_space(
    base: OpenClipEncoder, make_adapter: Callable[..., Adapter]
) -> None:
    squashed = base.contract.model_copy(update={"resize": "squash"})
    tuned = attach(base, make_adapter(contract=squashed))

    assert tuned.contract == squashed
    assert tuned.space.contract == squashed.digest != base.space.contract


def test_texts_are_cached_apart_from_those_of_the_base(
    base: OpenClipEncoder, adapter: Adapter
) -> None:
    plain, tuned = cache_texts(base), cache_texts(attach(base, adapter))
    plain.encode_texts(TEXTS)

    found = tuned.encode_texts(TEXTS)
    expected = attach(base, adapter).encode_texts(TEXTS)
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-6)
    assert found.space == expected.space


def test_a_job_in_bfloat16_runs_the_changed_tower(
    base: OpenClipEncoder, adapter: Adapter, pixels: torch.Tensor
) -> None:
    tuned = attach(base, adapter)
    job = image_side(tuned, get_catalog().backends["torch"], "bf16").for_job(6, 4)

    found, exact = job.encoder.encode_images(pixels), tuned.encode_images(pixels)
    assert found.space == tuned.space
    assert (found.vectors * exact.vectors).sum(axis=1).min() > 0.99
    far = base.encode_images(pixels).vectors
    assert np.abs(found.vectors - exact.vectors).max() < np.abs(found.vectors - far).max()


def test_an_adapter_for_other_weights_is_refused_with_both_named(
    adapter: Adapter, tmp_path: Path, load: Callable[[Path], OpenClipEncoder]
) -> None:
    other = load(write_tiny_checkpoint(tmp_path / "other", architecture="vit", seed=1))

    with pytest.raises(AdapterError) as caught:
        attach(other, adapter)
    assert adapter.config.base.encoder[:12] in str(caught.value)
    assert other.space.encoder[:12] in str(caught.value)
    assert f"--model {adapter.config.base.model}" in str(caught.value)


def test_an_adapter_for_another_contract_is_refused(
    base: OpenClipEncoder, adapter: Adapter
) -> None:
    squashed = base.contract.model_copy(update={"resize": "squash"})
    other = base.with_network(base.network, contract=squashed)

    with pytest.raises(AdapterError, match="with the input contract"):
        attach(other, adapter)


def test_an_adapter_that_wants_other_pixels_is_refused(
    base: OpenClipEncoder, make_adapter: Callable[..., Adapter]
) -> None:
    other = base.contract.model_copy(update={"mean": (1.0, 2.0, 3.0)})

    with pytest.raises(AdapterError, match=r"mean \(1\.0, 2\.0, 3\.0\) instead of"):
        attach(base, make_adapter(contract=other))


def test_an_adapter_on_top_of_another_is_refused(base: OpenClipEncoder, adapter: Adapter) -> None:
    with pytest.raises(AdapterError, match="adapters combine"):
        attach(attach(base, adapter), adapter)


def test_an_adapter_of_zeros_is_an_error(base: OpenClipEncoder, adapter: Adapter) -> None:
    zero = Adapter(adapter.config, {name: c.scaled(0.0) for name, c in adapter.changes.items()})
    with pytest.raises(AdapterError, match="changes nothing"):
        attach(base, zero)
    with pytest.raises(AdapterError, match="changes nothing"):
        attach(base, Adapter(adapter.config, {}))


def test_a_change_of_what_no_tower_uses_is_an_error(
    base: OpenClipEncoder, adapter: Adapter
) -> None:
    unused = Adapter(adapter.config, {"logit_scale": Offset(torch.tensor(1.0))})
    with pytest.raises(AdapterError, match="no effect"):
        attach_for_work(base, unused)


def test_a_change_below_the_last_bit_is_an_error(base: OpenClipEncoder, adapter: Adapter) -> None:
    tiny = Adapter(adapter.config, {TEXT_BIAS: adapter.changes[TEXT_BIAS].scaled(1e-30)})
    with pytest.raises(AdapterError, match="no effect"):
        check_effect(base, attach(base, tiny), "tiny")


@pytest.mark.parametrize(
    "change",
    [
        LowRank(torch.ones(1, 3), torch.ones(256, 1)),
        LowRank(torch.ones(1, 64), torch.ones(3, 1)),
        LowRank(torch.ones(2, 64), torch.ones(256, 1)),
        LowRank(torch.ones(1, 100_000_000), torch.ones(100_000_000, 1)),
        Offset(torch.ones(64, 256)),
        Offset(torch.ones(3)),
    ],
)
def test_a_change_of_another_shape_is_refused_before_it_is_computed(
    base: OpenClipEncoder, adapter: Adapter, change: LowRank | Offset
) -> None:
    with pytest.raises(AdapterError, match="has with shape"):
        attach(base, Adapter(adapter.config, {IMAGE_WEIGHT: change}))


def test_a_parameter_that_the_model_lacks_is_named(base: OpenClipEncoder, adapter: Adapter) -> None:
    strange = Adapter(adapter.config, {"visual.nosuch": Offset(torch.ones(3))})
    with pytest.raises(AdapterError, match=r"visual\.nosuch, which the model .* does not have"):
        attach(base, strange)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_is_from_0_to_1(
    base: OpenClipEncoder, adapter: Adapter, strength: float
) -> None:
    with pytest.raises(UsageError, match="strength"):
        attach(base, adapter, strength=strength)


def test_a_probe_answers_by_the_softmax_of_its_linear_map(
    base: OpenClipEncoder, probe_adapter: Adapter, pixels: torch.Tensor
) -> None:
    tuned = attach(base, probe_adapter)
    assert tuned.space == base.space
    probe = probe_adapter.classifier
    assert probe is not None
    vectors = tuned.encode_images(pixels)

    found = ProbeClassifier(probe, tuned.space).probabilities(vectors)
    logits = torch.nn.functional.linear(torch.tensor(vectors.vectors), probe.weights, probe.bias)
    np.testing.assert_allclose(found, logits.softmax(dim=1).numpy(), atol=1e-6)


def test_a_probe_among_some_labels_is_the_conditional_probability(
    base: OpenClipEncoder, probe_adapter: Adapter, pixels: torch.Tensor
) -> None:
    probe, vectors = probe_adapter.classifier, base.encode_images(pixels)
    assert probe is not None
    whole = ProbeClassifier(probe, base.space).probabilities(vectors)

    some = ProbeClassifier(probe.among(["blue", "red"]), base.space).probabilities(vectors)
    expected = whole[:, [2, 0]] / whole[:, [2, 0]].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(some, expected, atol=1e-6)
    with pytest.raises(UsageError, match="its own labels only, not mauve"):
        probe.among(["red", "mauve"])
