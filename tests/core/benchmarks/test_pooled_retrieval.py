"""A text finds its own image in pools of a fixed size; the size is the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fieldguide.benchmarks.pooled_retrieval import (
    PooledRetrieval,
    pooled_ranks,
    recall_counts,
)
from fieldguide.benchmarks.reported import PairedImages
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError
from fieldguide.guides import Guide

if TYPE_CHECKING:
    from pathlib import Path


def test_in_one_pool_of_all_the_ranks_are_those_of_the_whole_matrix() -> None:
    similarity = np.random.default_rng(0).normal(size=(20, 20))
    expected = (similarity > np.diag(similarity)[:, None]).sum(axis=1)
    np.testing.assert_array_equal(pooled_ranks(similarity, 20, draws=1)[0], expected)


def test_a_rank_counts_those_of_the_own_pool_alone() -> None:
    similarity = np.random.default_rng(1).normal(size=(7, 7))
    ranks = pooled_ranks(similarity, 3, draws=5, seed=4)
    generator = np.random.default_rng(4)
    for draw in range(5):
        order = generator.permutation(7).tolist()
        assert np.isnan(ranks[draw, order[6]])  # left over
        for pool in (order[:3], order[3:6]):
            for query in pool:
                better = sum(similarity[query, item] > similarity[query, query] for item in pool)
                assert ranks[draw, query] == better


def test_chance_is_one_over_the_size_of_the_pool() -> None:
    similarity = np.random.default_rng(0).normal(size=(512, 512))
    found = [recall_counts(pooled_ranks(similarity, size), 1).value for size in (8, 32, 128)]
    assert found == pytest.approx([1 / 8, 1 / 32, 1 / 128], abs=0.02)
    assert found[0] > found[1] > found[2]


def test_equal_similarities_never_look_like_success() -> None:
    assert recall_counts(pooled_ranks(np.zeros((6, 6)), 3), 1).value == 0
    assert recall_counts(pooled_ranks(np.zeros((6, 6)), 3), 3).value == 1


def test_pools_larger_than_the_set_are_refused() -> None:
    with pytest.raises(ValueError, match="pools of 64 cannot be made of 10 pairs"):
        pooled_ranks(np.zeros((10, 10)), 64)


def test_patients_are_resampled_whole() -> None:
    ranks = np.array([[0, 0, 5, 5, 0, 5]], dtype=float)
    alone = recall_counts(ranks, 1).interval()
    grouped = recall_counts(ranks, 1, ["a", "a", "b", "b", "c", "d"]).interval()
    assert alone.value == grouped.value == 0.5
    assert grouped.high - grouped.low >= alone.high - alone.low


@dataclass(frozen=True)
class Colours:
    """Pictures of one colour with its name."""

    root: Path
    name: str = "colours"

    def find(self, root: Path, *, whole: bool) -> PairedImages:
        items, texts = [], []
        for number, (name, rgb) in enumerate(
            {"red": (250, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 250), "white": (255,) * 3}
            .items()
        ):  # fmt: skip
            path = root / f"{number}.png"
            Image.new("RGB", (32, 32), rgb).save(path)
            items.append(Item(path.as_posix(), path.as_posix(), path))
            texts.append(f"a {name} wall")
        return PairedImages(tuple(items), tuple(texts), whole=9)


def test_a_report_says_the_size_of_its_pools_and_both_directions(tmp_path: Path) -> None:
    guide = Guide("general")
    report = PooledRetrieval(Colours(tmp_path), "colours_pool_2", pool_size=2).on_subset(
        guide, tmp_path
    )
    assert [(row.metric, row.part) for row in report.figures] == [
        ("recall_at_1", "text to image"), ("recall_at_1", "image to text"),
    ]  # fmt: skip
    assert "Pools of 2 pairs" in report.protocol[0]
    assert str(report.coverage) == "subset: 4 of 9"
    assert report.published == ()
    with pytest.raises(UsageError, match="4 pairs make no pool of 64"):
        PooledRetrieval(Colours(tmp_path), "x", pool_size=64).on_subset(guide, tmp_path)


def test_without_pools_every_image_is_searched(tmp_path: Path) -> None:
    report = PooledRetrieval(Colours(tmp_path), "colours_retrieval", cutoffs=(1, 3)).on_subset(
        Guide("general"), tmp_path
    )
    assert "All 4 images are searched" in report.protocol[0]
    assert [row.metric for row in report.figures[:2]] == ["recall_at_1", "recall_at_3"]
