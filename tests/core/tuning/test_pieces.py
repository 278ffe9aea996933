"""Schedules, symmetries, requests and what a card may say, each alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import UsageError
from fieldguide.tuning.methods.lora import Lora
from fieldguide.tuning.pareto import BestMean, Fixed, WithinLoss
from fieldguide.tuning.training.requests import RECORDS, make_request
from fieldguide.tuning.training.schedules import SCHEDULES, rate_share
from fieldguide.tuning.training.symmetry import symmetry, views_of

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


@pytest.mark.parametrize("view", range(8))
def test_symmetries_are_quarter_turns_of_the_picture_or_its_mirror_image(view: int) -> None:
    mirrored = PICTURE[:, :, ::-1] if view >= 4 else PICTURE
    expected = np.stack([np.rot90(channel, view % 4) for channel in mirrored])
    assert np.array_equal(symmetry(torch.from_numpy(PICTURE), view).numpy(), expected)


def test_the_eight_symmetries_differ_and_each_picture_gets_its_own() -> None:
    pictures = torch.from_numpy(PICTURE)[None].expand(8, -1, -1, -1)
    seen = views_of(pictures, torch.arange(8))
    assert len({bytes(picture.numpy().tobytes()) for picture in seen}) == 8
    for view in range(8):
        assert torch.equal(seen[view], symmetry(pictures[0], view))


@given(steps=st.integers(1, 500), warmup=st.floats(0, 0.9), name=st.sampled_from(sorted(SCHEDULES)))
def test_a_rate_rises_to_its_largest_and_never_above_or_below_zero(
    steps: int, warmup: float, name: Any
) -> None:
    shares = [rate_share(step, steps, warmup, SCHEDULES[name]) for step in range(steps)]
    assert all(0 < share <= 1 for share in shares) or name == "cosine"
    assert all(share >= 0 for share in shares)
    peak = shares.index(max(shares))
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)


def test_the_cosine_schedule_is_half_way_down_in_the_middle() -> None:
    assert rate_share(50, 100, 0.0, SCHEDULES["cosine"]) == pytest.approx(0.5)
    quarter = 0.5 * (1 + math.cos(math.pi / 4))
    assert rate_share(25, 100, 0.0, SCHEDULES["cosine"]) == pytest.approx(quarter)


def test_no_setting_is_in_two_records() -> None:
    names = [name for record in (*RECORDS.values(), Lora) for name in record.model_fields]
    assert len(names) == len(set(names))


def test_settings_go_to_their_records_and_none_means_nothing_said() -> None:
    request, tuner = make_request(
        "lora", Lora, {"rank": 4, "seed": 3, "where": None, "name": "mine", "resume": True}
    )
    assert isinstance(tuner, Lora)
    assert tuner.rank == 4
    assert (request.training.seed, request.publishing.name, request.running.resume) == (
        3, "mine", True,
    )  # fmt: skip
    assert request.reading.where is None


@pytest.mark.parametrize(
    ("asked", "rule"),
    [({}, Fixed(1.0)), ({"best_mean": True}, BestMean()), ({"max_loss": 0.02}, WithinLoss(0.02)),
     ({"pick_strength": 0.3}, Fixed(0.3))],
)  # fmt: skip
def test_what_is_asked_for_picks_the_strength(asked: dict[str, Any], rule: object) -> None:
    request, _ = make_request("lora", Lora, asked)
    assert request.measuring.rule() == rule


def test_a_method_of_a_plugin_that_is_no_record_takes_what_is_left() -> None:
    class Own:
        def __init__(self, strength_of_it: int = 1) -> None:
            self.strength_of_it = strength_of_it

        def fits(self, encoder: object, seed: int) -> tuple[()]:
            return ()

    request, tuner = make_request("own", Own, {"strength_of_it": 2, "seed": 1})
    assert isinstance(tuner, Own)
    assert tuner.strength_of_it == 2
    assert request.tuner == {"strength_of_it": 2}


def test_a_licence_that_is_no_spdx_expression_is_refused() -> None:
    with pytest.raises(UsageError, match="licence"):
        make_request("lora", Lora, {"licence": "see the file LICENCE.txt"})
