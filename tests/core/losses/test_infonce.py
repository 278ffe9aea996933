"""The loss of CLIP, and its directions weighted as in ConVIRT."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.loss import ClipLoss

from fieldguide.losses.infonce import InfoNCE, convirt


@pytest.mark.parametrize(("scale", "expected"), [(1.0, 0.403740), (10.0, 0.0011585)])
def test_two_pairs_give_the_loss_computed_by_hand(lab: Any, scale: float, expected: float) -> None:
    assert lab.value(InfoNCE(), *lab.by_hand(), scale) == pytest.approx(expected, rel=3e-5)


def test_three_quarters_of_the_weight_on_images_give_the_loss_computed_by_hand(lab: Any) -> None:
    assert lab.value(convirt(), *lab.by_hand(), 1.0) == pytest.approx(0.404017, abs=5e-7)


def test_equal_weights_of_convirt_are_the_loss_of_clip(lab: Any) -> None:
    images, texts = lab.units(7, seed=1), lab.units(7, seed=2)
    ours = lab.value(InfoNCE(image_to_text_weight=0.5), lab.alone(images), lab.alone(texts), 5.0)
    assert ours == pytest.approx(ClipLoss()(images, texts, 5.0).item(), rel=1e-12)


@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
@pytest.mark.parametrize("rows", [1, 2, 33])
def test_loss_and_gradients_equal_those_of_open_clip(lab: Any, rows: int, scale: float) -> None:
    images, texts = lab.units(rows, seed=1), lab.units(rows, seed=2)
    factor, bias = lab.scalars(scale)
    wanted = (images, texts, factor)

    ours = InfoNCE()(lab.alone(images), lab.alone(texts), factor, bias)
    theirs = ClipLoss()(images, texts, factor)

    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6, abs=1e-9)
    pairs = zip(torch.autograd.grad(ours, wanted), torch.autograd.grad(theirs, wanted), strict=True)
    for own, other in pairs:
        torch.testing.assert_close(own, other, rtol=1e-6, atol=1e-10)


def test_nothing_changes_when_images_and_texts_swap_places(lab: Any) -> None:
    images, texts = lab.alone(lab.units(9, seed=1)), lab.alone(lab.units(9, seed=2))
    swapped = lab.value(InfoNCE(), texts, images, 8.0)
    assert lab.value(InfoNCE(), images, texts, 8.0) == pytest.approx(swapped, rel=1e-12)


def test_swapped_sides_and_swapped_weights_cancel(lab: Any) -> None:
    images, texts = lab.alone(lab.units(9, seed=1)), lab.alone(lab.units(9, seed=2))
    swapped = lab.value(InfoNCE(image_to_text_weight=0.25), texts, images, 8.0)
    assert lab.value(convirt(), images, texts, 8.0) == pytest.approx(swapped, rel=1e-12)


@pytest.mark.parametrize("rows", [2, 16])
def test_equal_vectors_give_the_logarithm_of_the_batch(lab: Any, rows: int) -> None:
    side = lab.alone(lab.units(1).detach().repeat(rows, 1))
    assert lab.value(InfoNCE(), side, side, 100.0) == pytest.approx(math.log(rows), rel=1e-12)


@given(order=st.permutations(range(6)), other=st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(order: list[int], other: list[int], lab: Any) -> None:
    images, texts = lab.units(6, seed=1), lab.units(6, seed=2)
    expected = lab.value(InfoNCE(), lab.alone(images), lab.alone(texts), 6.0)
    shuffled = lab.keyed(images[order], order), lab.keyed(texts[other], other)
    assert lab.value(InfoNCE(), *shuffled, 6.0) == pytest.approx(expected, rel=1e-9)


def test_an_equal_caption_beside_the_own_one_is_a_negative_as_in_clip(lab: Any) -> None:
    images, texts = lab.units(3, seed=1), lab.units(3, seed=2)
    keys = [4, 4, 5]
    loss = lab.value(InfoNCE(), lab.keyed(images, keys), lab.keyed(texts, keys), 5.0)
    assert loss == pytest.approx(ClipLoss()(images, texts, 5.0).item(), rel=1e-12)


def test_class_prompts_are_a_classifier_in_one_direction(lab: Any) -> None:
    images, prompts = lab.units(6, seed=1), lab.units(3, seed=2)
    classes = [0, 1, 2, 2, 1, 2]
    one_way = InfoNCE(image_to_text_weight=1.0)
    loss = lab.value(one_way, lab.keyed(images, classes), lab.keyed(prompts, [0, 1, 2]), 5.0)
    logits = 5.0 * images @ prompts.T
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(classes))
    assert loss == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_a_weight_that_is_no_share_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        InfoNCE(image_to_text_weight=weight)
