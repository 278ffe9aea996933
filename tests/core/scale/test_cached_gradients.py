"""Cached gradients are those of the whole batch, with dropout too, in less memory."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.errors import TuningError
from fieldguide.tuning.cached_gradients import cached_backward

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROWS = 7


class Pair(nn.Module):
    """Two small towers in float64; the image tower may drop some of what it sees."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Dropout(dropout), nn.Linear(8, 4))
        self.text = nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.Linear(8, 4))
        self.scale = nn.Parameter(torch.tensor(4.0))
        self.double()

    def forward(self, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        images, texts = inputs
        return F.normalize(self.image(images), dim=1), F.normalize(self.text(texts), dim=1)

    def loss(self, images: Tensor, texts: Tensor) -> Tensor:
        logits = self.scale * images @ texts.T
        return logits.logsumexp(1).mean() - logits.diagonal().mean()

    def take_gradients(self) -> dict[str, Tensor]:
        found = {
            name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
            for name, p in self.named_parameters()
        }
        self.zero_grad()
        return found


def parts_of(*sizes: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    images, texts = (
        torch.randn(ROWS, width, generator=generator, dtype=torch.float64) for width in (5, 3)
    )
    return list(zip(images.split(list(sizes)), texts.split(list(sizes)), strict=True))


def whole_batch(
    encode: Callable[[tuple[Tensor, Tensor]], Sequence[Tensor]],
    parts: Sequence[tuple[Tensor, Tensor]],
    loss: Callable[..., Tensor],
) -> float:
    """The same with one graph for all parts, as one would write it without a limit on memory."""
    columns = [torch.cat(column) for column in zip(*map(encode, parts), strict=True)]
    total = loss(*columns)
    total.backward()
    return total.item()


@pytest.mark.parametrize("sizes", [(7,), (4, 3), (1, 1, 5), (3, 0, 4), (1,) * 7])
def test_parts_of_any_size_give_the_gradient_of_the_whole_batch(sizes: tuple[int, ...]) -> None:
    pair, parts = Pair(), parts_of(*sizes)
    expected_loss, expected = whole_batch(pair, parts_of(ROWS), pair.loss), pair.take_gradients()

    loss = cached_backward(pair, parts, pair.loss)

    assert loss == pytest.approx(expected_loss, rel=1e-12)
    for name, found in pair.take_gradients().items():
        torch.testing.assert_close(found, expected[name], rtol=1e-9, atol=1e-12)


def test_both_passes_over_a_part_drop_the_same_numbers() -> None:
    pair, parts = Pair(dropout=0.5), parts_of(3, 4)
    torch.manual_seed(5)
    whole_batch(pair, parts, pair.loss)
    expected = pair.take_gradients()

    torch.manual_seed(5)
    cached_backward(pair, parts, pair.loss)

    for name, found in pair.take_gradients().items():
        torch.testing.assert_close(found, expected[name], rtol=1e-9, atol=1e-12)


def test_what_is_drawn_afterwards_is_what_one_pass_would_leave() -> None:
    pair, parts = Pair(dropout=0.5), parts_of(3, 4)

    def noisy(images: Tensor, texts: Tensor) -> Tensor:
        return pair.loss(images + 0.1 * torch.randn_like(images), texts)

    torch.manual_seed(5)
    whole_batch(pair, parts, noisy)
    expected = torch.rand(3)

    torch.manual_seed(5)
    cached_backward(pair, parts, noisy)

    assert torch.equal(torch.rand(3), expected)


def test_a_locked_tower_gets_no_gradient_and_the_other_its_own() -> None:
    pair, parts = Pair(), parts_of(3, 4)
    whole_batch(pair, parts, pair.loss)
    expected = pair.take_gradients()
    pair.image.requires_grad_(False)

    cached_backward(pair, parts, pair.loss)

    assert all(p.grad is None for p in pair.image.parameters())
    for name, found in pair.take_gradients().items():
        if not name.startswith("image"):
            torch.testing.assert_close(found, expected[name], rtol=1e-9, atol=1e-12)


def test_vectors_that_the_loss_does_not_use_send_a_gradient_of_zero() -> None:
    pair, parts = Pair(), parts_of(3, 4)

    cached_backward(pair, parts, lambda images, _: images.sum())

    assert all(not p.grad.any() for p in pair.text.parameters() if p.grad is not None)
    assert any(p.grad is not None and p.grad.any() for p in pair.image.parameters())


def test_nothing_to_train_is_an_error() -> None:
    pair, parts = Pair(), parts_of(3, 4)
    pair.image.requires_grad_(False)
    pair.text.requires_grad_(False)

    with pytest.raises(TuningError, match="nothing would be learned"):
        cached_backward(pair, parts, pair.loss)


def test_gradients_add_to_those_that_are_there() -> None:
    pair, parts = Pair(), parts_of(3, 4)
    cached_backward(pair, parts, pair.loss)
    once = pair.take_gradients()

    for _ in range(2):
        cached_backward(pair, parts, pair.loss)

    for name, found in pair.take_gradients().items():
        torch.testing.assert_close(found, 2 * once[name], rtol=1e-9, atol=1e-12)


def test_a_scaled_loss_scales_all_gradients() -> None:
    pair, parts = Pair(), parts_of(3, 4)
    cached_backward(pair, parts, pair.loss)
    once = pair.take_gradients()

    cached_backward(pair, parts, pair.loss, backward=lambda loss: (1024 * loss).backward())

    for name, found in pair.take_gradients().items():
        torch.testing.assert_close(found, 1024 * once[name], rtol=1e-9, atol=1e-12)


def test_no_more_than_one_part_has_a_graph_at_a_time() -> None:
    pair, parts = Pair(), parts_of(*(1,) * 7)
    alive = itertools.count()
    kept: list[int] = []

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, values: Tensor) -> Tensor:
            next(alive)
            return values.clone()

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            kept.append(next(alive))
            return gradient

    def encode(part: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        images, texts = pair(part)
        with_graph = images.requires_grad
        return (Counted.apply(images) if with_graph else images), texts

    cached_backward(encode, parts, pair.loss)

    # each part's forward is followed by its own backward: 0 1, 2 3, 4 5 ...
    assert kept == list(range(1, 14, 2))
