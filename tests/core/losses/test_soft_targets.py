"""Losses whose targets are label vectors, or the likeness of captions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fieldguide.errors import TuningError
from fieldguide.losses.infonce import InfoNCE
from fieldguide.losses.keys import SharedKeys
from fieldguide.losses.similarity import SimilarityTargets, mean_of_partners
from fieldguide.losses.soft_targets import (
    ContextualTargets,
    SemanticMatching,
    as_given,
    medclip_dot,
    unit_length,
)
from fieldguide.losses.targets import Mixture, SharedKeyTargets
from fieldguide.losses.tiles import Targets, Tile

IMAGE = torch.tensor([[1.0, 0.0, 1.0, -1.0]])
TEXTS = torch.tensor([[0.0, 0.0, 1.0, -1.0], [1.0, 0.0, -1.0, 0.0]])


def matrices(targets: Targets, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Read both targets back by subtracting them from zeros."""
    rows, columns = slice(0, shape[0]), slice(0, shape[1])
    found = []
    for factors in ((1.0, 0.0), (0.0, 1.0)):
        tile = Tile(rows, columns, torch.zeros(shape, dtype=torch.float64))
        weights = (torch.full((size,), factor, dtype=torch.float64)
                   for size, factor in zip(shape, factors, strict=True))  # fmt: skip
        targets.subtract(tile, *weights)
        found.append(-tile.values)
    return found[0], found[1]


def soft_clip_loss(logits: Tensor, label_similarity: Tensor) -> Tensor:
    """MedCLIP's released form (medclip/losses.py, _soft_clip_loss), written anew."""
    parts = []
    for matrix, similarity in ((logits, label_similarity), (logits.T, label_similarity.T)):
        crossed = similarity.softmax(1) * matrix.log_softmax(1)
        parts.append(-crossed.sum() / len(matrix))
    return (parts[0] + parts[1]) / 2


def labels(rows: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-1, 2, (rows, 5), generator=generator).double()


def test_products_of_labels_give_the_target_computed_by_hand() -> None:
    assert (as_given(IMAGE) @ as_given(TEXTS).T).tolist() == [[2.0, 0.0]]
    targets = SimilarityTargets(as_given(IMAGE), as_given(TEXTS))
    of_rows, _ = matrices(targets, (1, 2))
    assert of_rows[0].tolist() == pytest.approx([0.8808, 0.1192], abs=5e-5)


def test_cosines_of_labels_are_those_computed_by_hand() -> None:
    cosines = unit_length(IMAGE) @ unit_length(TEXTS).T
    assert cosines[0].tolist() == pytest.approx([0.8165, 0.0], abs=5e-5)


@pytest.mark.parametrize(("n_images", "n_texts"), [(6, 6), (7, 4)])
def test_the_loss_with_products_equals_that_of_the_authors(
    lab: Any, n_images: int, n_texts: int
) -> None:
    images = lab.alone(lab.units(n_images, seed=1), labels(n_images, 3))
    texts = lab.alone(lab.units(n_texts, seed=2), labels(n_texts, 4))
    logits = 9.0 * images.vectors @ texts.vectors.T
    expected = soft_clip_loss(logits, labels(n_images, 3) @ labels(n_texts, 4).T)
    assert lab.value(medclip_dot(), images, texts, 9.0) == pytest.approx(expected.item(), rel=1e-6)


def test_labels_of_their_own_and_a_sharp_target_give_infonce(lab: Any) -> None:
    own = torch.eye(6, dtype=torch.float64)
    images, texts = lab.alone(lab.units(6, seed=1), own), lab.alone(lab.units(6, seed=2), own)
    sharp = lab.value(SemanticMatching(sharpness=60.0), images, texts, 5.0)
    assert sharp == pytest.approx(lab.value(InfoNCE(), images, texts, 5.0), rel=1e-9)


def test_two_patients_with_all_labels_in_common_are_not_pushed_apart(lab: Any) -> None:
    same = torch.ones(2, 3, dtype=torch.float64)
    scale, bias = lab.scalars(1.0)

    def pull(loss: Any) -> float:
        """How much a step against the gradient moves image 0 to the other patient's text."""
        images = torch.eye(2, dtype=torch.float64, requires_grad=True)
        texts = torch.eye(2, dtype=torch.float64)
        (gradient,) = torch.autograd.grad(
            loss(lab.alone(images, same), lab.alone(texts, same), scale, bias), images
        )
        return -float(gradient[0] @ texts[1])

    assert pull(InfoNCE()) < 0 < pull(SemanticMatching())


@pytest.mark.parametrize("missing", ["images", "texts"])
def test_sides_without_attributes_are_refused_with_another_loss_named(
    lab: Any, missing: str
) -> None:
    sides = {name: lab.alone(lab.units(3), None if name == missing else labels(3, 1))
             for name in ("images", "texts")}  # fmt: skip
    with pytest.raises(TuningError, match="--loss multi_positive"):
        lab.value(SemanticMatching(), sides["images"], sides["texts"], 1.0)


def test_attributes_of_different_number_are_refused(lab: Any) -> None:
    images, texts = (
        lab.alone(lab.units(3), labels(3, 1)),
        lab.alone(lab.units(3), labels(3, 1)[:, 1:]),
    )
    with pytest.raises(TuningError, match="images have 5 and texts 4"):
        lab.value(SemanticMatching(), images, texts, 1.0)


def test_without_softness_contextual_targets_are_infonce(lab: Any) -> None:
    sides = lab.alone(lab.units(6, seed=1)), lab.alone(lab.units(6, seed=2))
    loss = lab.value(ContextualTargets(softness=0.0), *sides, 5.0)
    assert loss == pytest.approx(lab.value(InfoNCE(), *sides, 5.0), rel=1e-12)


@pytest.mark.parametrize("image_share", [0.0, 0.5])
def test_a_batch_of_pairs_has_the_target_written_out(lab: Any, image_share: float) -> None:
    images, texts = lab.units(6, seed=1), lab.units(6, seed=2)
    x, y = images.detach(), texts.detach()
    alike = 7.0 * ((1 - image_share) * y @ y.T + image_share * x @ x.T)
    target = 0.7 * torch.eye(6, dtype=torch.float64) + 0.3 * alike.softmax(1)
    logits = 5.0 * x @ y.T
    expected = (lab.crossed(logits, target) + lab.crossed(logits.T, target)) / 2
    loss = ContextualTargets(softness=0.3, sharpness=7.0, image_share=image_share)
    value = lab.value(loss, lab.alone(images), lab.alone(texts), 5.0)
    assert value == pytest.approx(expected.item(), rel=1e-9)


def test_targets_sum_to_one_and_duplicates_of_a_caption_have_equal_shares(lab: Any) -> None:
    images = lab.units(5, seed=1).detach()
    texts = lab.units(5, seed=2).detach()[[0, 1, 0, 2, 0]]
    keys = [0, 1, 0, 2, 0]
    shared = SharedKeys.of(lab.keyed(images, keys), lab.keyed(texts, keys))
    captions, _ = mean_of_partners(shared, images, texts)
    mixture = Mixture(SharedKeyTargets(shared), SimilarityTargets(captions, texts, 10.0), 0.2)
    of_rows, of_columns = matrices(mixture, (5, 5))
    torch.testing.assert_close(of_rows.sum(1), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(of_columns.sum(0), torch.ones(5, dtype=torch.float64))
    for row in of_rows:
        assert row[0].item() == pytest.approx(row[2].item(), rel=1e-12)
        assert row[0].item() == pytest.approx(row[4].item(), rel=1e-12)


def test_identical_captions_are_at_rest_where_all_is_equally_similar(lab: Any) -> None:
    caption = lab.units(1, seed=2).detach().repeat(4, 1).requires_grad_()
    picture = lab.units(1, seed=1).detach().repeat(4, 1).requires_grad_()
    scale, bias = lab.scalars(10.0)
    sides = lab.keyed(picture, [0] * 4), lab.keyed(caption, [0] * 4)
    at_rest = ContextualTargets()(*sides, scale, bias)
    for gradient in torch.autograd.grad(at_rest, (picture, caption, scale)):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)
    moved = F.normalize(picture + 0.3 * lab.units(4, seed=3), dim=1)
    elsewhere = lab.value(ContextualTargets(), lab.keyed(moved, [0] * 4), sides[1], 10.0)
    assert elsewhere > at_rest.item()


def test_a_row_without_a_partner_has_no_soft_target_either(lab: Any) -> None:
    images, texts = lab.units(4, seed=1), lab.units(3, seed=2)
    sides = lab.keyed(images, [0, 1, 2, -1]), lab.keyed(texts, [0, 1, 2])
    logits = 5.0 * images @ texts.T
    own = torch.cat([texts, torch.zeros(1, 8)]).detach()
    hard = torch.cat([torch.eye(3), torch.zeros(1, 3)]).double()
    alike = 10.0 * own @ texts.detach().T
    of_rows = (0.8 * hard + 0.2 * alike.softmax(1)) * (hard.sum(1, keepdim=True) > 0)
    of_columns = 0.8 * hard + 0.2 * alike.softmax(0)
    expected = (lab.crossed(logits, of_rows) + lab.crossed(logits.T, of_columns.T)) / 2
    assert lab.value(ContextualTargets(), *sides, 5.0) == pytest.approx(expected.item(), rel=1e-9)
