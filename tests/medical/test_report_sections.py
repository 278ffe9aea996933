"""Sections of reports, sentences in them, and captions made of them."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import pytest
import torch
from click.testing import CliRunner

from fieldguide.captions.sentences import report_sentences, sentence_spans
from fieldguide.cli import cli
from fieldguide.errors import ContractError
from fieldguide.tuning.texts import paired_texts
from fieldguide_medical.captions import finding_captions, report_captions, section_captions
from fieldguide_medical.report_sections import split_sections

if TYPE_CHECKING:
    from pathlib import Path

CT_REPORT = """CT CHEST WITH CONTRAST

CLINICAL INDICATION: Cough for 3 weeks, rule out pneumonia.
COMPARISON:
TECHNIQUE: Helical scan, slices of 1.5 mm.

FINDINGS:
LUNGS: There is a nodule of 2.5 cm in the right upper lobe. No consolidation.
Heart and mediastinum: The heart is enlarged.
Upper abdomen (partially included): The liver is normal.
Bones:

IMPRESSION:
1. Nodule in the right upper lobe, seen by Dr. Smith.
2. The heart is enlarged, e.g. by failure.
"""
ONE_LINE = (
    "INDICATION: Chest pain. COMPARISON: None. FINDINGS: The lungs are clear of nodules. "
    "IMPRESSION: No acute finding is seen."
)
CAPITALS = "FINDINGS\nNo effusion is seen.\nIMPRESSION\nNormal chest CT today.\n"


def test_sections_are_those_listed_by_hand() -> None:
    found = [(section.name, section.heading) for section in split_sections(CT_REPORT)]
    assert found == [
        ("indication", "CLINICAL INDICATION"),
        ("technique", "TECHNIQUE"),
        ("lungs", "LUNGS"),
        ("heart and mediastinum", "Heart and mediastinum"),
        ("upper abdomen partially included", "Upper abdomen (partially included)"),
        ("impression", "IMPRESSION"),
    ]


def test_headings_within_a_line_and_alone_in_capitals_part_sections() -> None:
    names = ["indication", "comparison", "findings", "impression"]
    assert [section.name for section in split_sections(ONE_LINE)] == names
    found = [(section.name, section.text) for section in split_sections(CAPITALS)]
    assert found == [
        ("findings", "No effusion is seen."),
        ("impression", "Normal chest CT today."),
    ]


@pytest.mark.parametrize("text", ["", "FINDINGS:", "FINDINGS:\n\nIMPRESSION:\n", " \n ", '"'])
def test_a_report_without_text_has_no_section(text: str) -> None:
    assert split_sections(text) == ()


def test_text_without_a_heading_is_one_section_without_a_name() -> None:
    (section,) = split_sections("As far as can be seen: no effusion is there. Lungs clear.")
    assert section.name == ""


@pytest.mark.parametrize("report", [CT_REPORT, ONE_LINE, CAPITALS])
def test_places_of_sections_are_those_of_their_texts(report: str) -> None:
    for section in split_sections(report):
        assert report[section.start : section.end] == section.text


def test_abbreviations_decimals_and_numbers_of_lists_end_no_sentence() -> None:
    spans = sentence_spans(CT_REPORT[CT_REPORT.index("IMPRESSION") :])
    text = CT_REPORT[CT_REPORT.index("IMPRESSION") :]
    assert [text[start:end] for start, end in spans] == [
        "Nodule in the right upper lobe, seen by Dr. Smith.",
        "The heart is enlarged, e.g. by failure.",
    ]
    assert report_sentences("A cyst of 2.5 cm is seen vs. the scan of 03.02.2020.") == (
        "A cyst of 2.5 cm is seen vs. the scan of 03.02.2020.",
    )


def test_an_abbreviation_that_begins_a_sentence_ends_none() -> None:
    text = "It was seen. Dr. Smith was told."
    assert [text[a:b] for a, b in sentence_spans(text)] == ["It was seen.", "Dr. Smith was told."]


def test_spans_of_a_part_are_places_in_the_whole() -> None:
    text = "One two three. Four five six. Seven eight nine."
    assert sentence_spans(text, start=15, end=29) == [(15, 29)]
    assert text[15:29] == "Four five six."


def test_sentences_of_sections_that_do_not_describe_the_image_are_no_captions() -> None:
    sentences = report_captions({"report": CT_REPORT})
    assert sentences[0] == "There is a nodule of 2.5 cm in the right upper lobe."
    assert not any("rule out" in sentence or "Helical" in sentence for sentence in sentences)
    assert section_captions({"report": CT_REPORT})[0].template == "section:lungs"


def test_sentences_that_state_a_finding_name_it_and_its_state() -> None:
    found = finding_captions({"report": CT_REPORT + "Possible emphysema in both lungs."})
    said = {str(caption): caption.template.partition(":")[2] for caption in found}
    assert said["There is a nodule of 2.5 cm in the right upper lobe."] == "lung_nodule_present"
    assert said["The heart is enlarged, e.g. by failure."] == "cardiomegaly_present"
    assert not any("emphysema" in text for text in said)  # what is uncertain is not taught


@pytest.mark.parametrize("make", [report_captions, section_captions, finding_captions])
def test_a_row_without_text_says_which_columns_to_fill(make: object) -> None:
    with pytest.raises(ContractError, match="report_text"):
        make({"report": None, "age": 3})  # type: ignore[operator] # three functions of one form


def test_one_sentence_a_step_is_drawn_and_over_many_steps_every_one() -> None:
    sentences = report_captions({"report": CT_REPORT})
    stream = paired_texts([sentences])
    rows = torch.zeros(1000, dtype=torch.int64)
    numbers, _ = stream.draw(rows, torch.Generator().manual_seed(3))
    again, _ = stream.draw(rows, torch.Generator().manual_seed(3))
    assert set(numbers.tolist()) == set(range(len(sentences)))
    assert torch.equal(numbers, again)


def test_the_captions_command_reads_a_table_of_reports(tmp_path: Path) -> None:
    table = tmp_path / "reports.csv"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([("image", "report"), ("a.nii.gz", CT_REPORT)])
    output = tmp_path / "captions.jsonl"
    arguments = ["captions", str(table), "--converter", "report_sentences", "-o", str(output)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    captions = re.findall(r'"caption": "([^"]*)"', output.read_text())
    assert captions == list(report_captions({"report": CT_REPORT}))
