"""Sets of findings: complete, paired, distinct, and honest about whose sentences they are."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from fieldguide.plugins import get_catalog
from fieldguide.zeroshot.class_sets import ClassSet, load_class_set

if TYPE_CHECKING:
    from pathlib import Path

COUNTED = {"ct_rate_18": 18, "ct_rate_18_ctclip": 18, "merlin_abdomen_30": 30, "chest_xray_14": 14}

# column names of the data sets, copied from the public label files
CT_RATE = """Medical material;Arterial wall calcification;Cardiomegaly;Pericardial effusion;
    Coronary artery wall calcification;Hiatal hernia;Lymphadenopathy;Emphysema;Atelectasis;
    Lung nodule;Lung opacity;Pulmonary fibrotic sequela;Pleural effusion;
    Mosaic attenuation pattern;Peribronchial thickening;Consolidation;Bronchiectasis;
    Interlobular septal thickening"""
MERLIN = """submucosal_edema renal_hypodensities aortic_valve_calcification coronary_calcification
    thrombosis metastatic_disease pancreatic_atrophy renal_cyst osteopenia
    surgically_absent_gallbladder atelectasis abdominal_aortic_aneurysm anasarca hiatal_hernia
    lymphadenopathy prostatomegaly biliary_ductal_dilation cardiomegaly splenomegaly hepatomegaly
    atherosclerosis ascites pleural_effusion hepatic_steatosis appendicitis gallstones
    hydronephrosis bowel_obstruction free_air fracture"""
CHEST_XRAY = """Atelectasis Cardiomegaly Effusion Infiltration Mass Nodule Pneumonia Pneumothorax
    Consolidation Edema Emphysema Fibrosis Pleural_Thickening Hernia"""


def found(name: str) -> ClassSet:
    return load_class_set(name, get_catalog())


@pytest.mark.parametrize(("name", "findings"), COUNTED.items())
def test_a_set_has_as_many_findings_as_its_name_says(name: str, findings: int) -> None:
    assert len(found(name).classes) == findings
    assert found(name).has_findings


@pytest.mark.parametrize("name", COUNTED)
def test_no_sentence_says_two_things(name: str) -> None:
    pairs = found(name).pairs().values()
    said = [text for pair in pairs for side in pair for text in side]
    assert len(said) == len(set(said))


@pytest.mark.parametrize("name", COUNTED)
def test_a_set_cites_its_source_and_its_sentences_end_with_a_full_stop(name: str) -> None:
    assert "arXiv:" in found(name).source
    assert found(name).licence == "Apache-2.0"
    pairs = found(name).pairs().values()
    assert all(text.endswith(".") for pair in pairs for side in pair for text in side)


def test_the_labels_are_the_columns_of_the_data_sets() -> None:
    ct_rate = tuple(name.strip() for name in CT_RATE.split(";"))
    assert found("ct_rate_18").labels == found("ct_rate_18_ctclip").labels == ct_rate
    assert found("merlin_abdomen_30").labels == tuple(MERLIN.split())
    assert found("chest_xray_14").labels == tuple(CHEST_XRAY.split())


@pytest.mark.shared_data
def test_the_labels_of_ct_rate_are_the_columns_of_its_table(shared_data: Path) -> None:
    with (shared_data / "medical/reports/ct_rate_train.csv").open(encoding="utf-8") as lines:
        columns = next(csv.reader(lines))
    assert found("ct_rate_18").labels == tuple(columns[2:])


def test_the_prompts_of_ct_clip_are_its_pair_of_sentences() -> None:
    for label, pair in found("ct_rate_18_ctclip").pairs().items():
        assert pair.present == (f"{label} is present.",)
        assert pair.absent == (f"{label} is not present.",)


def test_the_larger_set_of_chest_ct_begins_with_the_sentences_of_ct_clip() -> None:
    for label, pair in found("ct_rate_18").pairs().items():
        assert pair.present[0] == f"{label} is present."
        assert pair.absent[0] == f"{label} is not present."


def test_sets_whose_sentences_are_ours_say_so() -> None:
    assert "sentences are not the authors'" in found("merlin_abdomen_30").source
    assert "sentences are ours" in found("chest_xray_14").source
