"""Rules that pick a strength, against points whose answer can be seen."""

from __future__ import annotations

import pytest
import torch

from fieldguide.errors import UsageError
from fieldguide.tuning.changes import Offset, changed
from fieldguide.tuning.pareto import BestMean, Fixed, Point, WithinLoss, pareto_front

CURVE = (
    Point(0.0, 0.20, 0.80, 0.00),
    Point(0.5, 0.60, 0.78, 0.02),
    Point(0.75, 0.58, 0.70, 0.10),  # worse than 0.5 in both
    Point(1.0, 0.65, 0.50, 0.30),
)


def test_the_front_leaves_out_a_point_that_another_beats_in_both_scores() -> None:
    assert [point.strength for point in pareto_front(CURVE)] == [0.0, 0.5, 1.0]


def test_equal_points_all_stay_on_the_front() -> None:
    assert len(pareto_front([Point(0.0, 0.5, 0.5), Point(1.0, 0.5, 0.5)])) == 2


@pytest.mark.parametrize(
    ("max_loss", "picked"), [(0.0, 0.0), (0.019, 0.0), (0.02, 0.5), (0.29, 0.5), (0.3, 1.0)]
)
def test_the_bound_decides_how_strong_the_adapter_may_be(max_loss: float, picked: float) -> None:
    assert WithinLoss(max_loss)(CURVE).strength == picked


def test_of_equal_domain_scores_the_weaker_strength_is_taken() -> None:
    points = (Point(0.0, 0.1, 0.9), Point(0.5, 0.6, 0.8, 0.1), Point(1.0, 0.6, 0.8, 0.1))
    assert WithinLoss(0.5)(points).strength == 0.5
    assert BestMean()(points).strength == 0.5


def test_the_best_mean_weighs_both_scores_alike() -> None:
    assert BestMean()(CURVE).strength == 0.5  # 1.38 against 1.00, 1.28 and 1.15


def test_a_bound_that_is_no_fraction_is_refused() -> None:
    with pytest.raises(UsageError, match="Give 0 to 1"):
        WithinLoss(2.0)


def test_a_strength_that_was_not_measured_cannot_be_fixed() -> None:
    assert Fixed(1.0)(CURVE).strength == 1.0
    with pytest.raises(UsageError, match=r"0\.5, 0\.75, 1 were"):
        Fixed(0.6)(CURVE)


class _Shifted:
    """Two tasks of one linear classifier: the sign of one feature each, the other one is noise."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.truth = torch.randint(0, 2, (400,), generator=generator) * 2.0 - 1
        noise = 0.8 * torch.randn(400, generator=generator)
        self.original = torch.stack([self.truth, 0.2 * noise], dim=1)
        self.target = torch.stack([0.4 * noise, self.truth], dim=1)

    def accuracy(self, network: torch.nn.Linear, inputs: torch.Tensor) -> float:
        with torch.no_grad():
            return float((network(inputs)[:, 0].sign() == self.truth).float().mean())


def test_on_a_shifted_domain_an_interior_strength_is_no_worse_than_both_ends() -> None:
    # "works when" of weight-space ensembles: WiSE-FT (arXiv:2109.01903) and FitCLIP
    toy = _Shifted()
    base = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        base.weight.copy_(torch.tensor([[2.0, 0.0]]))
    tuned = torch.nn.Linear(2, 1, bias=False)
    tuned.load_state_dict(base.state_dict())
    optimizer = torch.optim.SGD(tuned.parameters(), lr=2.0, weight_decay=0.02)
    for _ in range(200):
        loss = torch.nn.functional.soft_margin_loss(tuned(toy.target)[:, 0], toy.truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    changes = {"weight": Offset((tuned.weight - base.weight).detach())}

    points = []
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        network = changed(base, changes, strength)
        points.append(
            Point(strength, toy.accuracy(network, toy.target), toy.accuracy(network, toy.original))
        )

    means = [point.domain + point.general for point in points]
    assert points[-1].domain > points[0].domain + 0.3  # it was tuned
    assert points[-1].general < points[0].general - 0.1  # and it forgot
    assert max(means[1:-1]) >= max(means[0], means[-1])
    assert 0 < BestMean()(points).strength < 1
