"""Fitting linear projectors between two frozen towers, and linear CKA."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fieldguide.tuning.cka import linear_cka
from fieldguide.tuning.projector import (
    ProjectorPair,
    ProjectorSettings,
    TrainingSet,
    _check,
    _multi_positive,
    fit_projector,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IMAGES, IMAGE_WIDTH, TEXT_WIDTH, LATENT = 600, 64, 24, 8
QUICK = ProjectorSettings(dim=16, steps=3, dropout=0.1, text_anchor=0.0)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def planted(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return images (N, F) and texts (N, T) that are linear views of one latent."""
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(IMAGES, LATENT, generator=generator)
    image_view = torch.randn(LATENT, IMAGE_WIDTH, generator=generator)
    text_view = torch.randn(LATENT, TEXT_WIDTH, generator=generator)
    return latent @ image_view, latent @ text_view


def captioned(images: Tensor, texts: Tensor) -> TrainingSet:
    """Return images with a caption each and no labels."""
    rows = torch.arange(len(images))
    return TrainingSet(
        features=images[None],
        captions=texts,
        pairs=torch.stack([rows, rows], dim=1),
        labels=torch.full((len(images),), -1),
        prompts=[],
    )


def labelled(images: Tensor, labels: Tensor, prompts: Sequence[Tensor]) -> TrainingSet:
    """Return images with labels and no caption."""
    return TrainingSet(
        features=images[None],
        captions=torch.zeros(0, TEXT_WIDTH),
        pairs=torch.zeros(0, 2, dtype=torch.long),
        labels=labels,
        prompts=prompts,
    )


def tensors(pair: ProjectorPair) -> list[Tensor]:
    return [pair.image_weight, pair.image_bias, pair.text_weight, pair.text_bias]


def test_cka_of_features_with_themselves_is_one() -> None:
    x = torch.randn(200, 20, generator=torch.Generator().manual_seed(0))
    assert linear_cka(x, x) == pytest.approx(1)


def test_cka_ignores_rotation_scale_and_shift() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(200, 20, generator=generator) for _ in "xy")
    rotation, _ = torch.linalg.qr(torch.randn(20, 20, generator=generator))
    assert linear_cka(x, 3 * y @ rotation + 5) == pytest.approx(linear_cka(x, y), rel=1e-4)


def test_cka_is_symmetric() -> None:
    x, y = planted()
    assert linear_cka(x, y) == pytest.approx(linear_cka(y, x))


def test_cka_of_independent_features_is_near_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(20_000, 5, generator=generator) for _ in "xy")
    assert linear_cka(x, y) < 1e-3


def test_cka_equals_the_definition_by_gram_matrices() -> None:
    x, y = (z[:30].double() for z in planted())
    center = torch.eye(30, dtype=torch.float64) - 1 / 30
    k, m = (center @ z @ z.T @ center for z in (x, y))
    expected = (k * m).sum() / ((k * k).sum() * (m * m).sum()).sqrt()
    assert linear_cka(x, y) == pytest.approx(float(expected))


def test_cka_with_a_constant_is_zero() -> None:
    x, _ = planted()
    assert linear_cka(x, torch.ones(IMAGES, 3)) == 0


def test_cka_refuses_other_numbers_of_items() -> None:
    with pytest.raises(ValueError, match="3 items"):
        linear_cka(torch.zeros(3, 2), torch.zeros(4, 2))


def test_captions_alone_recover_a_planted_latent() -> None:
    images, texts = planted()
    settings = replace(QUICK, steps=400, learning_rate=1e-2)
    pair = fit_projector(captioned(images[:500], texts[:500]), settings)
    cosine = pair.project_images(images[500:]) @ pair.project_texts(texts[500:]).T
    assert float((cosine.argmax(1) == torch.arange(100)).float().mean()) >= 0.9


def test_labels_alone_recover_planted_classes() -> None:
    images, texts = planted()
    labels = (images @ torch.ones(IMAGE_WIDTH) > 0).long()
    prompts = [texts[labels == 0][:3], texts[labels == 1][:5]]
    settings = replace(QUICK, steps=200, learning_rate=1e-2)
    pair = fit_projector(labelled(images[:500], labels[:500], prompts), settings)
    cosine = pair.project_images(images[500:]) @ pair.project_classes(prompts).T
    assert float((cosine.argmax(1) == labels[500:]).float().mean()) >= 0.9


def test_the_same_settings_give_the_same_weights() -> None:
    data = captioned(*planted())
    first, second = fit_projector(data, QUICK), fit_projector(data, QUICK)
    assert all(torch.equal(a, b) for a, b in zip(tensors(first), tensors(second), strict=True))


def test_another_seed_gives_other_weights() -> None:
    data = captioned(*planted())
    first, second = fit_projector(data, QUICK), fit_projector(data, replace(QUICK, seed=1))
    assert not torch.equal(first.image_weight, second.image_weight)


def test_folded_standardisation_equals_standardised_features() -> None:
    images, texts = planted()
    raw = images * torch.linspace(0.1, 50, IMAGE_WIDTH) + 7
    standard = (raw - raw.mean(0)) / raw.std(0, correction=0)
    settings = replace(QUICK, steps=30)
    folded = fit_projector(captioned(raw, texts), settings)
    plain = fit_projector(captioned(standard, texts), settings)
    assert torch.allclose(folded.project_images(raw), plain.project_images(standard), atol=1e-3)


def test_a_text_projector_of_equal_width_starts_as_the_identity() -> None:
    settings = ProjectorSettings(dim=TEXT_WIDTH, steps=1, learning_rate=0.0, average_from=0.0)
    pair = fit_projector(captioned(*planted()), settings)
    assert torch.equal(pair.text_weight, torch.eye(TEXT_WIDTH))


def test_a_class_is_the_direction_of_the_mean_of_its_projected_prompts() -> None:
    images, texts = planted()
    pair = fit_projector(captioned(images, texts), QUICK)
    prompts = [texts[:2], texts[2:7]]
    for found, of_class in zip(pair.project_classes(prompts), prompts, strict=True):
        total = torch.zeros(QUICK.dim)
        for prompt in of_class:
            vector = pair.text_weight @ prompt + pair.text_bias
            total += vector / vector.norm()
        assert torch.allclose(found, total / total.norm(), atol=1e-6)


def test_progress_is_called_after_each_step() -> None:
    calls: list[tuple[int, int]] = []
    fit_projector(captioned(*planted()), QUICK, lambda step, of, _: calls.append((step, of)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_with_one_positive_a_row_the_loss_is_plain_infonce() -> None:
    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    rows = torch.arange(6)
    expected = (F.cross_entropy(logits, rows) + F.cross_entropy(logits.T, rows)) / 2
    assert _multi_positive(logits, torch.eye(6, dtype=torch.bool)) == pytest.approx(float(expected))


def shared_captions() -> TrainingSet:
    """Return four images: 0 and 2 share caption 1, 3 has none."""
    return TrainingSet(
        features=torch.randn(1, 4, 3),
        captions=torch.randn(3, TEXT_WIDTH),
        pairs=torch.tensor([[0, 1], [1, 0], [2, 1], [0, 2]]),
        labels=torch.full((4,), -1),
        prompts=[],
    )


def test_images_that_share_a_caption_are_positives_of_each_other() -> None:
    batches = _check(shared_captions(), 0)
    found = batches.positives(torch.tensor([0, 1, 2]), torch.tensor([1, 0, 1]))
    assert found.tolist() == [[True, False, True], [False, True, False], [True, False, True]]


def test_draws_take_captions_of_the_image_only() -> None:
    data = shared_captions()
    batches, allowed = _check(data, 0), data.pairs.tolist()
    for _ in range(50):
        rows, _, captions = batches.draw(4)
        assert sorted(rows.tolist()) == [0, 1, 2, 3]
        for row, caption in zip(rows.tolist(), captions.tolist(), strict=True):
            assert (row, caption) == (3, -1) or [row, caption] in allowed


def test_draws_reach_every_caption_of_an_image() -> None:
    batches = _check(shared_captions(), 0)
    drawn = itertools.chain.from_iterable(batches.draw(4)[2].tolist() for _ in range(50))
    assert set(drawn) == {-1, 0, 1, 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.full((IMAGES,), 5)}, "no prompts"),
        ({"pairs": torch.tensor([[0, 999]])}, "outside"),
        ({"pairs": torch.tensor([[-1, 0]])}, "outside"),
        ({"labels": torch.zeros(3).long()}, "labels"),
        ({"labels": torch.full((IMAGES,), -1)}, "captions or labels"),
        ({"features": torch.zeros(IMAGES, 3)}, "features"),
        ({"prompts": [torch.zeros(0, TEXT_WIDTH)]}, "prompts"),
        ({"prompts": [torch.zeros(2, 5)]}, "prompts"),
    ],
)
def test_wrong_shapes_are_refused(change: dict[str, Tensor], message: str) -> None:
    images, texts = planted()
    data = labelled(images, torch.zeros(IMAGES).long(), [texts[:2]])
    with pytest.raises(ValueError, match=message):
        fit_projector(replace(data, **change), QUICK)  # type: ignore[arg-type]
