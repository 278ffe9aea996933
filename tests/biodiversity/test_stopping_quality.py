"""Where answers stop on real photographs, by the model and the tree that come with the plugin."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING

import pytest

import fieldguide as fg
from fieldguide.benchmarks.taxa_scores import ScoredTaxa, score_taxa
from fieldguide.benchmarks.taxa_stops import evaluate_held_out

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.shared_data

ANIMALS = {
    "cat": "cats?|kitten", "dog": "dogs?|puppy", "horse": "horses?", "sheep": "sheep",
    "cow": "cows?", "elephant": "elephants?", "bear": "bears?", "zebra": "zebras?",
    "giraffe": "giraffes?", "bird": "birds?",
}  # fmt: skip
AGREEING = 3
"""Captions of a photograph that name the animal; no other one is named in any."""


def animal_of(captions: list[str]) -> str | None:
    counts = {
        name: sum(bool(re.search(rf"\b({words})\b", text.lower())) for text in captions)
        for name, words in ANIMALS.items()
    }
    named = [name for name, count in counts.items() if count]
    return named[0] if len(named) == 1 and counts[named[0]] >= AGREEING else None


@pytest.fixture
def scored(shared_data: Path, tmp_path: Path) -> ScoredTaxa:
    folder = shared_data / "generic/coco_mini"
    table = tmp_path / "animals.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "label"])
        for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            if (animal := animal_of(row["captions"])) is not None:
                writer.writerow([folder / row["image"], animal])
    guide = fg.guide("biodiversity", roots=[shared_data])
    return score_taxa(guide, table, fg.taxa("biodiversity", "Animalia"))


def test_answers_at_class_or_below_are_mostly_right_and_mostly_given(scored: ScoredTaxa) -> None:
    assert len(scored.truth) == 41
    assert not scored.unknown
    figures = {(one.rule, one.rank): one for one in evaluate_held_out(scored).figures}
    sure = figures["confidence 0.6", "class"]
    assert sure.coverage.value >= 0.5
    assert sure.right.value >= 0.8
    assert sure.mean_depth > figures["always phylum", "phylum"].mean_depth + 1
