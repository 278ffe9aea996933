"""The logit scale that makes probabilities honest."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from fieldguide.zeroshot.logit_scale import MAX_SCALE, fit_logit_scale


def cosines(rows: int, classes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    images, names = (F.normalize(torch.randn(n, 16, generator=generator)) for n in (rows, classes))
    return images @ names.T


def test_a_known_scale_is_recovered() -> None:
    given = cosines(20_000, 10)
    drawn = torch.multinomial((9 * given).softmax(1), 1, generator=torch.Generator().manual_seed(1))
    assert fit_logit_scale(given, drawn[:, 0]) == pytest.approx(9, rel=0.05)


def test_no_scale_of_a_grid_has_a_lower_loss() -> None:
    given = cosines(50, 4)
    labels = (given + 0.3 * torch.randn(50, 4, generator=torch.Generator().manual_seed(2))).argmax(
        1
    )
    best = float(F.cross_entropy(fit_logit_scale(given, labels) * given, labels))
    grid = [float(F.cross_entropy(scale * given, labels)) for scale in torch.logspace(0, 2.3, 200)]
    assert best <= min(grid) + 1e-6


def test_without_any_error_the_scale_is_the_largest_allowed() -> None:
    given = cosines(50, 4)
    assert fit_logit_scale(given, given.argmax(1)) == pytest.approx(MAX_SCALE, rel=0.01)
