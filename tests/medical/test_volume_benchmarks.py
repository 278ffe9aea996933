"""Volumes and reports, searched end to end on small copies of the public layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

import fieldguide as fg
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.zeroshot.class_sets import load_class_set
from fieldguide_medical.benchmarks import ct_rate

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


def test_volumes_and_reports_are_searched(guide: fg.Guide, scans: Path) -> None:
    nearest = ct_rate.volume_retrieval.on_subset(guide, scans)
    assert [row.metric for row in nearest.figures] == ["map_at_5", "map_at_1"]
    found = ct_rate.retrieval.on_subset(guide, scans)
    assert {row.metric for row in found.figures} == {"recall_at_5"}
