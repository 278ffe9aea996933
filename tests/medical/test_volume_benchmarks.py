"""Findings and reports of volumes, measured end to end on small copies of the public layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

import fieldguide as fg
from fieldguide.errors import UsageError
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.zeroshot.class_sets import load_class_set
from fieldguide_medical.benchmarks import ct_rate, merlin_findings

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (16, 16, 4)
MODEL = """
base: ./tiny
contract:
  like: chest_slices
  size: [32, 32, 4]
  spacing_mm: [10, 10, 40]
  windows:
    - {name: lung, range: [-1050, -300]}
    - {name: soft, range: [-200, 300]}
    - {name: bone, range: [200, 1200]}
pooling: mean
"""


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> fg.Guide:
    folder = tmp_path_factory.mktemp("model")
    write_tiny_checkpoint(folder / "tiny", architecture="vit")
    (folder / "volumes.yaml").write_text(MODEL)
    return fg.guide(
        "medical", modality="ct_volume", model=str(folder / "volumes.yaml"), show_paths=True
    )


def write_volume(path: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(-850, 25, SIZE)  # lungs in a body
    values[: 4 + seed] = generator.normal(30, 20, (4 + seed, *SIZE[1:]))
    values = values.astype(np.int16)
    image = nib.Nifti1Image(values, np.diag([10.0, 10.0, 40.0, 1.0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


def labels_of(class_set: str) -> list[str]:
    return [entry.label for entry in load_class_set(class_set, get_catalog()).classes]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six volumes of CT-RATE's layout with reports and findings."""
    root = tmp_path_factory.mktemp("ct_rate")
    columns = labels_of("ct_rate_18")
    findings, reports = (
        [",".join(["VolumeName", *columns])],
        ["VolumeName,Findings_EN,Impressions_EN"],
    )
    for number in range(6):
        name = f"valid_{number}_a_1.nii.gz"
        write_volume(root / f"dataset/valid_fixed/valid_{number}/valid_{number}_a/{name}", number)
        findings.append(",".join([name, *(str((number + k) % 2) for k in range(18))]))
        reports.append(f"{name},Finding number {number}.,Clear.")
    for place, lines in (("multi_abnormality_labels/valid_predicted_labels.csv", findings),
                         ("radiology_text_reports/validation_reports.csv", reports)):  # fmt: skip
        (root / "dataset" / place).parent.mkdir(parents=True)
        (root / "dataset" / place).write_text("\n".join(lines) + "\n")
    return root


def test_18_findings_are_judged_and_named_as_a_subset(guide: fg.Guide, scans: Path) -> None:
    report = ct_rate.findings_zero_shot.on_subset(guide, scans)
    assert report.main.metric == "auroc"
    assert str(report.coverage) == "subset: 6 of 3039"
    assert report.published == ()
    assert sum(row.metric == "auroc" and bool(row.part) for row in report.figures) == 18
    with pytest.raises(UsageError, match="6 of 3039 volumes"):
        ct_rate.findings_zero_shot(guide, scans)


def test_volumes_and_reports_are_searched(guide: fg.Guide, scans: Path) -> None:
    nearest = ct_rate.volume_retrieval.on_subset(guide, scans)
    assert [row.metric for row in nearest.figures] == ["map_at_5", "map_at_1"]
    found = ct_rate.retrieval.on_subset(guide, scans)
    assert {row.metric for row in found.figures} == {"recall_at_5"}


def test_labels_of_minus_one_are_left_out_of_merlins_findings(
    guide: fg.Guide, tmp_path: Path
) -> None:
    columns = labels_of("merlin_abdomen_30")
    lines = [",".join(["study id", *columns])]
    for number, first in enumerate((1, 0, -1, 1)):
        write_volume(tmp_path / f"merlin_data/AC{number}.nii.gz", number)
        lines.append(",".join([f"AC{number}", str(first), *["0", "1"][number % 2] * 29]))
    (tmp_path / "zero_shot_findings_disease_cls.csv").write_text("\n".join(lines) + "\n")
    report = merlin_findings.zero_shot(guide, tmp_path)  # as large as its table
    assert report.main.metric == "f1"
    assert str(report.coverage) == "complete: 4 of 4"
    assert "count as: ignore" in report.protocol[1]
