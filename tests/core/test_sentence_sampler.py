"""Sentences of reports and the draw of one at a time."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest
import torch

from fieldguide.captions.sentences import report_sentences
from fieldguide.tuning.texts import paired_texts

REPORT = """FINDINGS: The heart is normal in size. No pleural effusion
is seen.
IMPRESSION:
1. Nodule of 1.5 cm in the left lobe, seen by Dr. Smith.
2. No change since 2019.There is no pneumothorax.
"""
SENTENCES = (
    "The heart is normal in size.",
    "No pleural effusion is seen.",
    "Nodule of 1.5 cm in the left lobe, seen by Dr. Smith.",
    "No change since 2019.There is no pneumothorax.",
)


def test_a_report_is_cut_at_its_sentences_and_nowhere_else() -> None:
    assert report_sentences(REPORT) == SENTENCES


@pytest.mark.parametrize(
    "text", ["", "   \n", "FINDINGS:", "IMPRESSION:\n\n", "1.\n2.", "XXXX XXXX XXXX.", "Normal."]
)
def test_nothing_is_drawn_from_headings_masks_and_fragments(text: str) -> None:
    assert report_sentences(text) == ()


def test_a_missing_space_after_a_stop_parts_sentences() -> None:
    found = report_sentences("There is a lesion in the apex.There is no effusion.")
    assert found == ("There is a lesion in the apex.", "There is no effusion.")


def test_over_many_draws_every_sentence_is_hit_about_equally_often() -> None:
    stream = paired_texts([SENTENCES, SENTENCES[:2]])
    generator = torch.Generator().manual_seed(0)
    rows = torch.zeros(4000, dtype=torch.int64)
    numbers, _ = stream.draw(rows, generator)
    counts = torch.bincount(numbers, minlength=4)
    assert counts.shape == (4,)
    # binomial with n = 4000, p = 1/4: standard deviation 27.4
    assert (counts - 1000).abs().max() < 5 * 27.4


def test_draws_of_one_seed_are_equal_and_of_two_differ() -> None:
    stream = paired_texts([SENTENCES] * 50)
    rows = torch.arange(50)

    def drawn(seed: int) -> list[int]:
        return stream.draw(rows, torch.Generator().manual_seed(seed))[0].tolist()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.shared_data
def test_no_real_report_gives_an_empty_sentence_or_a_heading() -> None:
    folder = os.environ.get("FIELDGUIDE_TEST_DATA")
    if folder is None:
        pytest.skip("FIELDGUIDE_TEST_DATA names no folder")
    seen = 0
    with (Path(folder) / "medical/reports/openi_reports.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            for sentence in report_sentences(row["findings"]):
                seen += 1
                assert len(re.findall(r"[A-Za-z]+", sentence)) >= 3
                assert not re.fullmatch(r"[A-Z ]+:?", sentence)
                assert sentence in " ".join(row["findings"].split())
    assert seen > 1000
