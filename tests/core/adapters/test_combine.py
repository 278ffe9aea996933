"""The sum of adapters is exact, and only what belongs together is added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from fieldguide.errors import AdapterError, UsageError
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.adapter import Adapter, base_of
from fieldguide.tuning.adapter_files import load_adapter, save_adapter
from fieldguide.tuning.changes import LowRank, Offset
from fieldguide.tuning.combine import added, combine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.models.openclip import OpenClipEncoder


def differences(adapter: Adapter, base: OpenClipEncoder) -> dict[str, torch.Tensor]:
    return {
        name: change.difference(base.network.get_parameter(name).shape).double()
        for name, change in adapter.changes.items()
    }


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.3, -2.0)])
def test_a_sum_changes_each_parameter_by_the_weighted_sum(
    base: OpenClipEncoder, make_adapter: Callable[..., Adapter], weights: tuple[float, float],
    tmp_path: Path,
) -> None:  # fmt: skip
    one, other = make_adapter("one", seed=0), make_adapter("other", seed=1).with_strength(0.5)
    found = load_adapter(save_adapter(combine([one, other], weights), tmp_path / "sum"))

    left, right = differences(one, base), differences(other, base)
    for name, total in differences(found, base).items():
        expected = weights[0] * left[name] + weights[1] * 0.5 * right[name]
        torch.testing.assert_close(total, expected, atol=1e-6, rtol=1e-5)


def test_a_sum_of_low_rank_stays_of_low_rank(make_adapter: Callable[..., Adapter]) -> None:
    found = combine([make_adapter("one"), make_adapter("other", seed=1)])
    change = next(c for c in found.changes.values() if isinstance(c, LowRank))
    assert change.a.shape == (4, 64)


def test_a_parameter_that_one_adapter_leaves_alone_is_changed_by_the_other(
    make_adapter: Callable[..., Adapter],
) -> None:
    one, other = make_adapter("one"), make_adapter("other", seed=1)
    (image, change), (text, offset) = one.changes.items()
    found = combine([Adapter(one.config, {image: change}), Adapter(other.config, {text: offset})])
    assert set(found.changes) == {image, text}


def test_low_rank_and_whole_differences_of_a_pointwise_convolution_are_added() -> None:
    low_rank = LowRank(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]))
    whole = Offset(torch.ones(2, 2, 1, 1))

    found = added([low_rank, whole]).difference(torch.Size([2, 2, 1, 1]))
    assert found[:, :, 0, 0].tolist() == [[4.0, 7.0], [5.0, 9.0]]


def test_a_sum_whose_rank_saves_nothing_becomes_the_whole_difference() -> None:
    one = LowRank(torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    found = added([one, one])
    assert isinstance(found, Offset)
    assert found.values.tolist() == [[2.0, 4.0], [6.0, 8.0]]


def test_licences_limits_scopes_and_prompts_of_the_parts_all_hold(
    make_adapter: Callable[..., Adapter],
) -> None:
    one = make_adapter("one", licence="MIT", prompts={"x": ("a x",)}, scope=("photo",))
    other = make_adapter(
        "other", seed=1, licence="CC-BY-4.0", research_only=True, licence_limits="ask first",
        prompts={"x": ("the x",), "y": ("a y",)}, scope=("rgb_scene", "photo"),
    )  # fmt: skip
    config = combine([one, other]).config

    assert config.licence == "MIT AND CC-BY-4.0"
    assert config.research_only and config.licence_limits == "ask first"
    assert config.scope == ("photo", "rgb_scene")
    assert config.prompts == {"x": ("a x", "the x"), "y": ("a y",)}
    assert config.figures == {}


def test_adapters_of_two_bases_are_refused_with_both_named(
    make_adapter: Callable[..., Adapter], load: Callable[[Path], OpenClipEncoder], tmp_path: Path
) -> None:
    folder = write_tiny_checkpoint(tmp_path / "other", architecture="vit", seed=1)
    stranger = make_adapter("stranger", base=base_of(load(folder), "./other_model"))
    mine = make_adapter("mine")

    with pytest.raises(AdapterError) as caught:
        combine([mine, stranger])
    assert mine.config.base.model in str(caught.value) and "./other_model" in str(caught.value)


def test_adapters_of_two_contracts_are_refused(
    base: OpenClipEncoder, make_adapter: Callable[..., Adapter]
) -> None:
    squashed = base.contract.model_copy(update={"resize": "squash"})
    with pytest.raises(AdapterError, match="squash"):
        combine([make_adapter("one"), make_adapter("other", contract=squashed)])


def test_a_probe_cannot_be_added(adapter: Adapter, probe_adapter: Adapter) -> None:
    with pytest.raises(UsageError, match="is a probe"):
        combine([adapter, probe_adapter])


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0, 3.0), (1.0, float("nan"))])
def test_weights_must_be_finite_and_one_for_each(
    adapter: Adapter, weights: tuple[float, ...]
) -> None:
    with pytest.raises(UsageError, match="do not go together"):
        combine([adapter, adapter], weights)


def test_one_adapter_alone_is_no_sum(adapter: Adapter) -> None:
    with pytest.raises(UsageError, match="two or more"):
        combine([adapter])
