"""Maps that are trained on standardised features are, folded back, maps of the features."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fieldguide.models.tunable import ProjectionInput, sharing_copy
from fieldguide.tuning.changes import changed
from fieldguide.tuning.projection import Projection, StandardisedInput, calibrate, scale_output

FEATURES = torch.randn(64, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor(
    [100.0, 1.0, 0.01, 5.0, 0.0]
) + torch.tensor([3.0, -20.0, 0.0, 1.0, 7.0])


class Head(nn.Module):
    """A linear map whose input a training may look at, as the embedded model has one."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.image_weight = nn.Parameter(torch.randn(3, 5, generator=generator))
        self.image_bias = nn.Parameter(torch.randn(3, generator=generator))
        self.inputs = ProjectionInput("image_weight", "image_bias")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(self.inputs(x), self.image_weight, self.image_bias)


@pytest.fixture
def base() -> nn.Module:
    outer = nn.Module()
    outer.join = Head()
    return outer.requires_grad_(False)


NAMES = ("join.image_weight", "join.image_bias")


def prepared(base: nn.Module, dropout: float = 0.0) -> tuple[nn.Module, Projection]:
    network, projection = sharing_copy(base), Projection(NAMES, dropout)
    projection.prepare(network)
    calibrate(network, lambda: network.join(FEATURES))
    return network, projection


def test_standardising_changes_nothing_before_the_first_step(base: nn.Module) -> None:
    network, projection = prepared(base)
    torch.testing.assert_close(network.join(FEATURES), base.join(FEATURES), rtol=1e-4, atol=1e-3)
    for change in projection.changes(network).values():
        torch.testing.assert_close(
            change.difference(change.values.shape),  # type: ignore[union-attr] # offsets
            torch.zeros_like(change.values),
            rtol=0,
            atol=2e-4,
        )  # type: ignore[union-attr] # likewise


def test_what_was_learned_on_standardised_features_holds_for_plain_ones(base: nn.Module) -> None:
    network, projection = prepared(base)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        (network.join(FEATURES) - 1).square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    tuned = changed(base, projection.changes(network))
    torch.testing.assert_close(tuned.join(FEATURES), network.join(FEATURES), rtol=1e-3, atol=1e-3)


def test_the_features_that_reach_the_map_have_mean_zero_and_deviation_one(base: nn.Module) -> None:
    network, _ = prepared(base)
    seen = network.join.inputs(FEATURES)
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(5), rtol=0, atol=1e-4)
    deviation = FEATURES.double().std(dim=0, correction=0) > 1e-6
    torch.testing.assert_close(seen.std(dim=0, correction=0), deviation.float(), rtol=0, atol=1e-4)


def test_features_are_dropped_in_train_mode_only(base: nn.Module) -> None:
    network, _ = prepared(base, dropout=0.5)
    inputs = network.join.inputs
    assert isinstance(inputs, StandardisedInput)
    assert torch.equal(inputs.eval()(FEATURES), inputs.eval()(FEATURES))
    torch.manual_seed(0)
    share = (inputs.train()(FEATURES)[:, :4] == 0).float().mean()
    assert 0.35 < share < 0.65


def test_scaling_the_maps_scales_what_they_give(base: nn.Module) -> None:
    network, projection = prepared(base)
    assert scale_output(network, 0.25)
    tuned = changed(base, projection.changes(network))
    torch.testing.assert_close(
        tuned.join(FEATURES), 0.25 * base.join(FEATURES), rtol=1e-3, atol=1e-3
    )
    assert not scale_output(base, 2.0)


def test_the_base_is_not_written(base: nn.Module) -> None:
    before = {name: p.clone() for name, p in base.named_parameters()}
    network, _ = prepared(base)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(1.0)
    assert all(torch.equal(p, before[name]) for name, p in base.named_parameters())
