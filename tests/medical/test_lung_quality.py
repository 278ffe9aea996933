"""How good the shipped model of lung tiles is, through the guide."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

import fieldguide as fg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch to one thread; on a busy machine two wait for each other, twice as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def manifest_of(shared_data: Path) -> Path:
    return shared_data / "medical/lc25000_lung/manifest.jsonl"


def test_no_source_tile_lies_on_both_sides_of_the_split(shared_data: Path) -> None:
    splits: dict[str, set[str]] = {}
    for line in manifest_of(shared_data).open(encoding="utf-8"):
        row = json.loads(line)
        splits.setdefault(row["group"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())


def test_tissue_is_named_in_at_least_90_of_100_test_tiles(shared_data: Path) -> None:
    evaluation = fg.guide("medical", modality="histology_tile").evaluate(
        manifest_of(shared_data),
        classes="lung_histology",
        group_column="group",
        where='split == "test"',
    )
    assert (evaluation.classified, evaluation.unclassified, evaluation.groups) == (292, 0, 146)
    assert evaluation.accuracy.value >= 0.90
