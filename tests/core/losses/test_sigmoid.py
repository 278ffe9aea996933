"""The loss of SigLIP."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.loss import SigLipLoss

from fieldguide.losses import keys
from fieldguide.losses.composite import Composite
from fieldguide.losses.infonce import InfoNCE
from fieldguide.losses.sigmoid import Sigmoid


def test_two_pairs_give_the_loss_computed_by_hand(lab: Any) -> None:
    assert lab.value(Sigmoid(), *lab.by_hand(), 10.0, -10.0) == pytest.approx(1.720324, abs=5e-7)


@pytest.mark.parametrize("bias", [0.0, -10.0])
@pytest.mark.parametrize("tile", [(1024, 2048), (4, 3)])
def test_loss_and_gradients_equal_those_of_open_clip(
    lab: Any, bias: float, tile: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldguide.losses.tiles.TILE", tile)
    images, texts = lab.units(11, seed=1), lab.units(11, seed=2)
    scale, shift = lab.scalars(10.0, bias)
    wanted = (images, texts, scale, shift)

    ours = Sigmoid()(lab.alone(images), lab.alone(texts), scale, shift)
    theirs = SigLipLoss()(images, texts, scale, shift)

    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    pairs = zip(torch.autograd.grad(ours, wanted), torch.autograd.grad(theirs, wanted), strict=True)
    for own, other in pairs:
        torch.testing.assert_close(own, other, rtol=1e-6, atol=1e-10)


@given(
    own=st.lists(st.integers(-1, 3), min_size=1, max_size=6),
    others=st.lists(st.integers(-1, 3), min_size=1, max_size=6),
)
def test_every_pair_counts_alone_and_shared_keys_are_positives(
    own: list[int], others: list[int], lab: Any
) -> None:
    images, texts = lab.units(len(own), seed=1), lab.units(len(others), seed=2)
    expected = 0.0
    for i, key in enumerate(own):
        for j, other in enumerate(others):
            logit = 5.0 * float((images[i] @ texts[j]).detach()) - 2.0
            sign = 1 if key == other and key >= 0 else -1
            expected += math.log1p(math.exp(-sign * logit))
    loss = lab.value(Sigmoid(), lab.keyed(images, own), lab.keyed(texts, others), 5.0, -2.0)
    assert loss == pytest.approx(expected / len(own), rel=1e-9)


@given(order=st.permutations(range(5)))
def test_the_order_of_rows_does_not_matter(order: list[int], lab: Any) -> None:
    images, texts = lab.units(5, seed=1), lab.units(5, seed=2)
    expected = lab.value(Sigmoid(), lab.alone(images), lab.alone(texts), 6.0, -1.0)
    shuffled = lab.keyed(images[order], order), lab.alone(texts)
    assert lab.value(Sigmoid(), *shuffled, 6.0, -1.0) == pytest.approx(expected, rel=1e-9)


def test_a_composite_with_one_weight_is_that_loss(lab: Any) -> None:
    sides = lab.alone(lab.units(5, seed=1)), lab.alone(lab.units(5, seed=2))
    composite = Composite({"sigmoid": (1.0, Sigmoid()), "infonce": (0.0, InfoNCE())})
    expected = lab.value(Sigmoid(), *sides, 10.0, -10.0)
    assert lab.value(composite, *sides, 10.0, -10.0) == expected


def test_the_parts_of_a_composite_add_up_to_it(lab: Any) -> None:
    sides = lab.alone(lab.units(5, seed=1)), lab.alone(lab.units(5, seed=2))
    composite = Composite({"sigmoid": (1.0, Sigmoid()), "infonce": (0.25, InfoNCE())})
    parts = composite.parts(*sides, *lab.scalars(10.0, -10.0))
    total = lab.value(composite, *sides, 10.0, -10.0)
    assert set(parts) == {"sigmoid", "infonce"}
    assert sum(part.item() for part in parts.values()) == pytest.approx(total, rel=1e-12)
    expected = 0.25 * lab.value(InfoNCE(), *sides, 10.0)
    assert parts["infonce"].item() == pytest.approx(expected, rel=1e-12)


def test_tiles_cover_every_pair_once() -> None:
    seen = torch.zeros(7, 5)
    for rows, columns in keys.tiles_of((7, 5), (3, 2)):
        seen[rows, columns] += 1
    assert bool((seen == 1).all())
