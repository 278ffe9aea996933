"""The card of the shipped adapter of lung tiles says what a user must know, and it is true."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from fieldguide.cli import cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def card() -> str:
    result = CliRunner().invoke(cli, ["adapters", "show", "lung_histology_lora"])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    "part",
    [
        "For: histology_tile, in the domain medical",
        "benign lung tissue, lung adenocarcinoma, lung squamous cell carcinoma",
        "decisions about people's health or safety",
        "arXiv:1912.12142",
        "LicenseRef-research-only",
        "For research or non-commercial use only",
        "| groups | group |",
        "292 in 146 groups",
    ],
)
def test_the_card_states_scope_data_licence_and_the_split_by_source_tile(
    card: str, part: str
) -> None:
    assert part in card


@pytest.mark.shared_data
def test_the_counts_on_the_card_are_those_of_the_data(card: str, shared_data: Path) -> None:
    manifest = shared_data / "medical/lc25000_lung/manifest.jsonl"
    rows = [json.loads(line) for line in manifest.open(encoding="utf-8")]
    for split, count in Counter(row["split"] for row in rows).items():
        assert f"| images, {split} | {count} |" in card
    groups = {
        split: {r["group"] for r in rows if r["split"] == split} for split in ("train", "test")
    }
    assert not groups["train"] & groups["test"]
    assert f"| groups | {len({row['group'] for row in rows})} |" in card
