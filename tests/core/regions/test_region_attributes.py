"""Attributes of a text go to the regions of its image that they are about."""

from __future__ import annotations

import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.data.attribute_heads import (
    AttributeHeads,
    attribute_loss,
    attribute_loss_as_released,
    best_of_image,
)
from fieldguide.data.drawn_documents import ATTRIBUTES, draw_documents
from fieldguide.data.region_attributes import RegionAttributeMapper, Regions, assign
from fieldguide.errors import TuningError

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "region_attributes.py"


def test_the_score_of_an_image_is_that_of_its_best_region() -> None:
    scores = torch.tensor([[0.1, 0.9], [0.5, -0.2], [-1.0, 0.3]])
    found = best_of_image(scores, torch.tensor([0, 0, 1]), 2)
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.9], [-1.0, 0.3]]))


def test_the_loss_is_the_contest_of_an_image_with_those_that_lack_the_attribute() -> None:
    scores = torch.tensor([[2.0, 0.5], [1.0, 3.0], [0.0, 1.0]])
    present = torch.tensor([[True, False], [True, True], [False, False]])
    absent = torch.tensor(
        [[False, True], [False, False], [True, False]]
    )  # row 2, column 1: unknown
    cases = [  # -log e^s / (e^s + sum over those that lack it), by hand
        math.log(1 + math.exp(0 - 2)),
        math.log(1 + math.exp(0 - 1)),
        math.log(1 + math.exp(0.5 - 3)),
    ]
    assert attribute_loss(scores, present, absent).item() == pytest.approx(sum(cases) / 3)


def test_as_released_every_image_with_the_attribute_adds_a_one_to_the_wrong_answers() -> None:
    scores = torch.tensor([[2.0], [1.0], [0.5]])
    present = torch.tensor([[True], [True], [False]])
    wrong = math.exp(0.5) + 2  # exp(s * 0) = 1 for each of the two, villa/losses/stage1_losses.py
    expected = sum(-math.log(math.exp(s) / (math.exp(s) + wrong)) for s in (2.0, 1.0)) / 2
    found = attribute_loss_as_released(scores, present, ~present)
    assert found.item() == pytest.approx(expected, rel=1e-6)
    assert found > attribute_loss(scores, present, ~present)


def test_an_attribute_that_no_image_lacks_gives_no_gradient() -> None:
    scores = torch.tensor([[1.0], [2.0]], requires_grad=True)
    loss = attribute_loss(scores, torch.tensor([[True], [True]]), torch.zeros(2, 1).bool())
    (gradient,) = torch.autograd.grad(loss, scores)
    assert loss.item() == 0
    assert gradient.abs().sum() == 0


def test_each_attribute_has_a_head_of_its_own() -> None:
    heads = AttributeHeads(3, 4, 5, 6)
    features, texts = torch.randn(2, 4), torch.nn.functional.normalize(torch.randn(3, 6), dim=1)
    found = heads(features, texts)
    for r in range(2):
        for a in range(3):
            hidden = torch.relu(features[r] @ heads.inner[a] + heads.inner_bias[a, 0])
            vector = hidden @ heads.outer[a] + heads.outer_bias[a, 0]
            cosine = torch.nn.functional.cosine_similarity(vector, texts[a], dim=0)
            torch.testing.assert_close(found[r, a], cosine)


@given(st.integers(0, 2**32 - 1), st.floats(0, 2))
def test_every_attribute_has_a_region_and_with_epsilon_zero_it_is_the_best_one(
    seed: int, epsilon: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.tensor([0, 0, 0, 1, 1, 2])
    cosines = 2 * torch.rand(6, 4, generator=generator) - 1
    present = torch.rand(3, 4, generator=generator) < 0.6
    wide = assign(cosines, images, present, epsilon)
    sharp = assign(cosines, images, present, 0.0)
    for n in range(3):
        rows = (images == n).nonzero()[:, 0]
        for a in range(4):
            chosen = [int(r) for r in rows if sharp[r, a]]
            best = [int(rows[cosines[rows, a].argmax()])] if present[n, a] else []
            assert chosen == best
            assert set(chosen) <= {int(r) for r in rows if wide[r, a]}
            assert bool(wide[rows, a].any()) == bool(present[n, a])


def test_epsilon_is_a_difference_of_cosines() -> None:
    cosines = torch.tensor([[0.9], [0.75], [0.65]])
    found = assign(cosines, torch.zeros(3).long(), torch.tensor([[True]]), 0.2)
    assert found[:, 0].tolist() == [True, True, False]
    with pytest.raises(ValueError, match="epsilon nan"):
        assign(cosines, torch.zeros(3).long(), torch.tensor([[True]]), math.nan)


def test_nothing_can_be_learned_where_all_images_have_the_same_attributes() -> None:
    present = torch.ones(2, 1).bool()
    regions = Regions(torch.randn(2, 3), torch.arange(2), present, ~present, torch.randn(1, 4))
    with pytest.raises(TuningError, match="no region can be told from others"):
        RegionAttributeMapper().map(regions)


def test_an_image_without_a_region_is_refused() -> None:
    present = torch.ones(3, 1).bool()
    with pytest.raises(ValueError, match="not each of 3 images has a region"):
        Regions(torch.randn(2, 3), torch.arange(2), present, ~present, torch.randn(1, 4))


@pytest.mark.parametrize("complexity", [1, 4, 10, 36])
def test_a_document_has_as_many_attributes_as_its_complexity(complexity: int) -> None:
    found = draw_documents(5, complexity, seed=0)
    assert found.truth.sum(axis=(1, 2)).tolist() == [complexity] * 5
    assert found.pixels.shape == (5, 72, 72, 3)
    np.testing.assert_array_equal(found.pixels[2, 24:48, 48:72], found.cells[2, 5])
    empty = ~found.truth.any(axis=2)
    assert (found.cells[empty] == 255).all()


def test_a_red_digit_is_red() -> None:
    found = draw_documents(40, 2, seed=0)  # digit and colour
    is_red = found.truth[:, :, ATTRIBUTES.index("red")]
    assert is_red.any()
    for cell in found.cells[is_red]:
        darkest = cell.reshape(-1, 3)[cell.sum(axis=2).argmin()].astype(int)
        assert darkest[0] > darkest[1] + 100


@pytest.fixture(scope="module")
def measured() -> dict[int, dict[str, float]]:
    measure: Any = runpy.run_path(str(SCRIPT))["measure"]
    return {complexity: measure(complexity, documents=600) for complexity in (4, 28)}


def test_the_mapping_is_right_for_nine_of_ten_at_every_complexity(
    measured: dict[int, dict[str, float]],
) -> None:
    assert min(row["mapping_f1"] for row in measured.values()) >= 0.9


def test_regions_beat_whole_images_by_more_the_more_complex_images_are(
    measured: dict[int, dict[str, float]],
) -> None:
    assert measured[4]["gap"] == pytest.approx(0, abs=0.02)  # one cell: the region is the image
    assert measured[28]["gap"] >= 0.1
