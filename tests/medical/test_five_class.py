"""CheXpert-5x200 and MIMIC-5x200: the rule, the draw and a run, on copies of the public layouts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.benchmarks.published import published_beside
from fieldguide.errors import UsageError
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.zeroshot.class_sets import load_class_set
from fieldguide_medical.benchmarks.five_class import (
    CHEXPERT,
    MIMIC,
    chexpert_5x200_zero_shot,
    mimic_5x200_zero_shot,
)
from fieldguide_medical.benchmarks.five_class_tables import CLASSES, OTHERS, exclusive_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LABELS = ("No Finding", *OTHERS, *CLASSES)
Row = tuple[str, "Mapping[str, str]"]
"""A place and the cells that are not blank."""


def write_image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 32), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=90)


def write_chexpert(root: Path, rows: Sequence[Row], folder: str = "CheXpert-v1.0-small") -> Path:
    (root / folder).mkdir(parents=True, exist_ok=True)
    lines = [",".join(("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS))]
    for place, cells in rows:
        values = (cells.get(label, "") for label in LABELS)
        lines.append(",".join((f"{folder}/{place}", "Female", "50", "Frontal", "AP", *values)))
    (root / folder / "train.csv").write_text("\n".join(lines) + "\n")
    return root


def place(patient: int, view: str = "view1_frontal") -> str:
    return f"train/patient{patient:05}/study1/{view}.jpg"


@pytest.mark.parametrize(
    ("cells", "label"),
    [
        ({"Edema": 1.0}, "Edema"),
        ({"Edema": 1.0, "Lung Opacity": -1.0, "Fracture": 0.0, "Pneumonia": ""}, "Edema"),
        ({"Edema": 1.0, "Atelectasis": 1.0}, None),
        ({"Edema": 1.0, "Support Devices": 1.0}, None),
        ({"Edema": -1.0}, None),
        ({"Pneumothorax": 1.0}, None),
        ({"Edema": 1.0, "No Finding": 1.0}, "Edema"),  # as the authors' code has it
    ],
)
def test_an_image_has_exactly_one_positive_label(
    cells: Mapping[str, object], label: str | None
) -> None:
    assert exclusive_label(cells) == label


def test_200_of_each_class_are_drawn_by_the_hash_of_their_places(tmp_path: Path) -> None:
    edema = [place(number) for number in range(250)]
    rows: list[Row] = [(each, {"Edema": "1.0"}) for each in edema]
    rows += [(place(300 + n), {"Edema": "1.0", "Cardiomegaly": "1.0"}) for n in range(10)]
    rows.append((place(400), {"Cardiomegaly": "1.0"}))
    drawn = CHEXPERT.draw(write_chexpert(tmp_path, rows)).candidates
    expected = sorted(edema, key=lambda each: hashlib.sha256(each.encode()).hexdigest())[:200]
    assert [each.place for each in drawn if each.label == "Edema"] == expected
    assert [each.place for each in drawn if each.label == "Cardiomegaly"] == [place(400)]


def test_the_small_and_the_large_copy_give_the_same_draw_in_any_order(tmp_path: Path) -> None:
    rows: list[Row] = [(place(n), {"Edema": "1.0"}) for n in range(220)]
    small = CHEXPERT.draw(write_chexpert(tmp_path / "small", rows))
    large = CHEXPERT.draw(write_chexpert(tmp_path / "large", rows[::-1], "CheXpert-v1.0"))
    assert small.candidates == large.candidates
    assert large.folder.name == "CheXpert-v1.0"


@pytest.fixture
def chexpert(tmp_path: Path) -> Path:
    """Two patients a class, two images of each, and one image that is not there."""
    rows: list[Row] = []
    for number, label in enumerate(CLASSES):
        for patient in (10 * number, 10 * number + 1):
            rows += [(place(patient, view), {label: "1.0"})
                     for view in ("view1_frontal", "view2_lateral")]  # fmt: skip
    root = write_chexpert(tmp_path, [*rows, (place(99), {"Edema": "1.0"})])
    for seed, (each, _) in enumerate(rows):
        write_image(root / "CheXpert-v1.0-small" / each, seed)
    return root


@pytest.fixture
def guide(tmp_path: Path) -> fg.Guide:
    model = write_tiny_checkpoint(tmp_path / "model")
    return fg.guide("medical", modality="radiograph", model=str(model), show_paths=True,
                    out_of_scope=True)  # fmt: skip


def test_a_part_is_measured_as_such_with_patients_resampled(
    chexpert: Path, guide: fg.Guide
) -> None:
    report = chexpert_5x200_zero_shot.on_subset(guide, chexpert)
    assert str(report.coverage) == "subset: 20 of 1000"
    assert [figure.part for figure in report.figures if figure.metric == "class_accuracy"] == [
        *CLASSES
    ]
    assert "bootstrap samples of groups" in report.protocol[-1]
    assert report.published == ()
    assert any("a draw of ours" in trap for trap in report.traps)


def test_a_part_is_not_taken_for_the_whole(chexpert: Path, guide: fg.Guide) -> None:
    with pytest.raises(UsageError, match=r"20 of 1000 images; of 200 each: Atelectasis 4, .*"
                       r"patient00099.* not there.*--subset"):  # fmt: skip
        chexpert_5x200_zero_shot(guide, chexpert)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (("train/../../etc/patient1/study1/view1_frontal.jpg", {}), "Path is not like"),
        (("train/Jane_Doe/study1/view1_frontal.jpg", {}), "Path is not like"),
        ((place(1), {"Edema": "maybe"}), "'Edema' is not 1, 0, -1 or blank"),
    ],
)
def test_a_row_of_another_table_is_refused_without_repeating_it(
    tmp_path: Path, row: Row, fault: str
) -> None:
    write_chexpert(tmp_path, [(place(2), {}), row])
    with pytest.raises(
        UsageError, match=f"train.csv, line 3, is no row of CheXpert-5x200: {fault}"
    ) as caught:
        CHEXPERT.draw(tmp_path)
    assert "Jane" not in str(caught.value)


def test_a_table_without_a_label_is_another_table(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(f"Path,Edema\nCheXpert-v1.0/{place(1)},1.0\n")
    with pytest.raises(UsageError, match="it has no column 'Atelectasis'"):
        CHEXPERT.draw(tmp_path)


def image_name(number: int) -> str:
    return "-".join([f"{number:08x}"] * 5)


def write_mimic(root: Path, studies: Sequence[Mapping[str, str]]) -> Path:
    """One patient a study, two images of each."""
    columns = sorted(LABELS)
    labels = [",".join(("subject_id", "study_id", *columns))]
    images = ["dicom_id,subject_id,study_id,ViewPosition,StudyDate,StudyTime"]
    for number, cells in enumerate(studies):
        ids = f"{10_000_000 + number},{50_000_000 + number}"
        labels.append(",".join((ids, *(cells.get(label, "") for label in columns))))
        images += [f"{image_name(2 * number + k)},{ids},PA,21800506,213014.531" for k in (0, 1)]
    (root / MIMIC.tables.labels).write_text("\n".join(labels) + "\n")  # type: ignore[attr-defined]  # of MimicTables
    (root / MIMIC.tables.images).write_text("\n".join(images) + "\n")  # type: ignore[attr-defined]  # of MimicTables
    return root


def test_the_images_of_mimic_lie_by_patient_and_study(tmp_path: Path, guide: fg.Guide) -> None:
    studies = [{label: "1.0"} for label in CLASSES] + [{"Edema": "1.0", "Fracture": "1.0"}]
    root = write_mimic(tmp_path, studies)
    places = MIMIC.places(str(root)).splitlines()
    assert f"files/p10/p10000003/s50000003/{image_name(6)}.jpg" in places
    assert len(places) == 10
    for seed, each in enumerate(places):
        write_image(root / each, seed)
    report = mimic_5x200_zero_shot.on_subset(guide, root)
    assert str(report.coverage) == "subset: 10 of 1000"


def test_packed_tables_of_mimic_are_told(tmp_path: Path) -> None:
    write_mimic(tmp_path, [])
    table = tmp_path / "mimic-cxr-2.0.0-negbio.csv"
    table.rename(table.with_name(f"{table.name}.gz"))
    with pytest.raises(UsageError, match=r"gunzip mimic-cxr-2.0.0-negbio.csv.gz"):
        MIMIC.draw(tmp_path)


def test_published_figures_of_other_draws_are_told_apart() -> None:
    registry = get_catalog().registry
    for dataset, value in (("chexpert_5x200", 0.594), ("mimic_5x200", 0.502)):
        (row,) = published_beside(registry, f"{dataset}_zero_shot", dataset, {"top1_accuracy"})
        assert (row.model, row.value, row.same_protocol) == ("MedCLIP-ViT", value, False)


def test_the_prompts_of_the_five_findings_are_ours_and_said_to_be() -> None:
    found = load_class_set("chest_xray_5", get_catalog())
    assert found.labels == CLASSES
    assert "sentences are ours" in found.source.replace("\n", " ")
    assert len({prompt for each in found.prompts().values() for prompt in each}) == 5 * 5 * 4
