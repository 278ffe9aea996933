"""Rows that share a key are all right."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.loss import ClipLoss
from torch import Tensor

from fieldguide.losses.infonce import InfoNCE
from fieldguide.losses.multi_positive import MultiPositive, class_level


def class_loss_by_loops(images: Tensor, texts: Tensor, labels: list[int], scale: float) -> float:
    """AdaptCLIPZS: means over all texts of the class, image by image, and the other way."""
    total = 0.0
    for own, others in ((images, texts), (texts, images)):
        for i, label in enumerate(labels):
            logits = [scale * float(own[i] @ other) for other in others]
            log_sum = math.log(sum(math.exp(logit) for logit in logits))
            same = [log_sum - logits[j] for j, other in enumerate(labels) if other == label]
            total += sum(same) / len(same) / len(labels)
    return total


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=9), scale=st.floats(0.1, 30))
def test_the_class_level_loss_equals_explicit_loops(
    labels: list[int], scale: float, lab: Any
) -> None:
    images, texts = lab.units(len(labels), seed=1).detach(), lab.units(len(labels), seed=2).detach()
    loss = lab.value(class_level(), lab.keyed(images, labels), lab.keyed(texts, labels), scale)
    assert loss == pytest.approx(class_loss_by_loops(images, texts, labels, scale), rel=1e-6)


def test_distinct_classes_give_the_sum_of_both_directions_of_clip(lab: Any) -> None:
    images, texts = lab.units(8, seed=1), lab.units(8, seed=2)
    sides = lab.alone(images), lab.alone(texts)
    loss = lab.value(class_level(), *sides, 5.0)
    assert loss == pytest.approx(2 * ClipLoss()(images, texts, 5.0).item(), rel=1e-9)


def test_distinct_keys_give_infonce(lab: Any) -> None:
    sides = lab.alone(lab.units(8, seed=1)), lab.alone(lab.units(8, seed=2))
    expected = lab.value(InfoNCE(), *sides, 5.0)
    assert lab.value(MultiPositive(), *sides, 5.0) == pytest.approx(expected, rel=1e-12)


@given(
    order=st.permutations(range(7)),
    other=st.permutations(range(5)),
    names=st.permutations(range(10, 14)),
)
def test_order_of_rows_and_names_of_keys_do_not_matter(
    order: list[int], other: list[int], names: list[int], lab: Any
) -> None:
    images, texts = lab.units(7, seed=1), lab.units(5, seed=2)
    own, others = [0, 1, 1, 2, 3, 3, 0], [0, 0, 1, 2, 3]
    expected = lab.value(MultiPositive(), lab.keyed(images, own), lab.keyed(texts, others), 6.0)
    shuffled = (
        lab.keyed(images[order], [names[own[i]] for i in order]),
        lab.keyed(texts[other], [names[others[i]] for i in other]),
    )
    assert lab.value(MultiPositive(), *shuffled, 6.0) == pytest.approx(expected, rel=1e-9)


def test_several_captions_of_one_image_share_its_target(lab: Any) -> None:
    images, texts = lab.units(2, seed=1), lab.units(3, seed=2)
    sides = lab.keyed(images, [[0, 1], [2, -1]]), lab.keyed(texts, [0, 1, 2])
    logits = 4.0 * images @ texts.T
    of_rows, of_columns = logits.log_softmax(1), logits.log_softmax(0)
    to_text = -((of_rows[0, 0] + of_rows[0, 1]) / 2 + of_rows[1, 2]) / 2
    to_image = -(of_columns[0, 0] + of_columns[0, 1] + of_columns[1, 2]) / 3
    expected = (to_text + to_image).item() / 2
    assert lab.value(MultiPositive(), *sides, 4.0) == pytest.approx(expected, rel=1e-12)


def test_a_row_without_a_partner_is_only_a_negative(lab: Any) -> None:
    images, texts = lab.units(3, seed=1), lab.units(2, seed=2)
    sides = lab.keyed(images, [0, 1, -1]), lab.keyed(texts, [0, 1])
    logits = 4.0 * images @ texts.T
    to_text = -(logits[:2].log_softmax(1).diagonal()).mean()  # the third image asks for nothing
    to_image = -(logits.log_softmax(0)[:2].diagonal()).mean()  # and stands among the negatives
    expected = (to_text + to_image).item() / 2
    assert lab.value(MultiPositive(), *sides, 4.0) == pytest.approx(expected, rel=1e-12)


def test_missing_keys_never_match_each_other(lab: Any) -> None:
    sides = lab.keyed(lab.units(3, seed=1), [-1, -1, -1]), lab.keyed(lab.units(3, seed=2), [-1] * 3)
    assert lab.value(MultiPositive(), *sides, 4.0) == 0.0


@pytest.mark.parametrize(("n_images", "n_texts"), [(0, 3), (3, 0), (0, 0)])
def test_an_empty_side_gives_zero_loss_and_zero_gradient(
    lab: Any, n_images: int, n_texts: int
) -> None:
    images, texts = lab.units(n_images), lab.units(n_texts)
    scale, bias = lab.scalars(10.0)
    empty = torch.zeros(0, 1, dtype=torch.int64)
    sides = [
        lab.alone(side) if len(side) else type(lab.alone(texts))(side, empty)
        for side in (images, texts)
    ]
    loss = MultiPositive()(*sides, scale, bias)
    loss.backward()
    assert loss.item() == 0.0
    for tensor in (images, texts, scale):
        assert tensor.grad is not None
        assert bool((tensor.grad == 0).all())


def test_images_beside_all_class_prompts_equal_the_whole_matrix(lab: Any) -> None:
    images, prompts = lab.units(11, seed=1), lab.units(4, seed=2)
    sides = lab.keyed(images, [0, 1, 2, 0, 1, 2, 0, 0, 1, 1, 1]), lab.keyed(prompts, [0, 1, 2, 3])
    scale, bias = lab.scalars(7.0)
    ours = MultiPositive(weights=(0.75, 0.25))(*sides, scale, bias)
    theirs = lab.naive(*sides, scale, (0.75, 0.25))
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    wanted = (images, prompts, scale)
    pairs = zip(torch.autograd.grad(ours, wanted), torch.autograd.grad(theirs, wanted), strict=True)
    for own, other in pairs:
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-12)


def test_keys_that_do_not_fit_the_vectors_are_refused(lab: Any) -> None:
    side = lab.keyed(lab.units(3), [0, 1, 2])
    short = type(side)(side.vectors, side.keys[:2])
    with pytest.raises(ValueError, match="3 vectors but 2 keys"):
        lab.value(MultiPositive(), short, side, 1.0)
    with pytest.raises(ValueError, match="8 dimensions, texts 4"):
        lab.value(MultiPositive(), side, lab.alone(lab.units(3, dim=4)), 1.0)
