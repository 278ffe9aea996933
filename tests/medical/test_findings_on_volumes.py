"""Findings planted into CT-like volumes, from NIfTI files to figures, with a tower tuned on them.

The tower is a random open_clip model whose slices are pooled; the suite's own training learns its
maps on sentences of a report, present and absent, and never sees a label.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.models.volumes import VolumeTower
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from fieldguide.guides import Guide

SIZE, SPACING_MM = (32, 32, 4), (10.0, 10.0, 40.0)
NAMES = {
    "mass": ("a mass", "pulmonary mass"),
    "effusion": ("pleural effusion", "pleural fluid"),
    "calcification": ("calcification", "calcified plaque"),
    "emphysema": ("emphysema", "emphysematous change"),
}
PRESENT = ("{} is present.", "there is {}.")
ABSENT = ("{} is not present.", "there is no {}.")
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
X, Y, Z = np.meshgrid(*map(np.arange, SIZE), indexing="ij")


def volume(has: Sequence[bool], generator: np.random.Generator) -> NDArray[np.int16]:
    """Return lungs in a body in Hounsfield units, with what is there: 4 kinds, each of its own."""
    values = generator.normal(-850, 25, SIZE)
    body = ((X - 15.5) / 15.5) ** 2 + ((Y - 15.5) / 14) ** 2 > 1
    values[body] = generator.normal(30, 20, int(body.sum()))
    mass, effusion, calcification, emphysema = has
    if emphysema:  # trapped air in front
        values[(Y > 18) & (values < -500)] = -1020
    if effusion:  # fluid behind
        values[(Y < 8) & ~body & (Z < 3)] = 15
    if calcification:  # in the middle
        values[(X - 15) ** 2 + (Y - 15) ** 2 <= 30] = 1000
    if mass:  # a ball of soft tissue in one lung
        centre = generator.choice([8, 23]), 15 + generator.uniform(-3, 3), generator.integers(1, 3)
        away = (X - centre[0]) ** 2 + (Y - centre[1]) ** 2 + (3 * (Z - centre[2])) ** 2
        values[away <= 6.5**2] = 60
    return np.round(values).astype(np.int16)


def write_split(folder: Path, split: str, count: int, seed: int) -> Path:
    """Write volumes and a manifest whose captions are sentences in the order of a draw."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        has = generator.random(len(NAMES)) < 0.5
        path = folder / f"{split}{number:03}.nii.gz"
        affine = np.diag([*SPACING_MM, 1])
        nib.save(nib.Nifti1Image(volume(has, generator), affine), path)
        said = [sentence(names, is_there, generator)
                for names, is_there in zip(NAMES.values(), has, strict=True)]  # fmt: skip
        generator.shuffle(said)
        rows.append(
            {
                "path": path.name,
                "captions": said,
                "split": "val" if number % 8 == 7 else "train",
                "patient": f"p{number // 2}",
                **{name: int(one) for name, one in zip(NAMES, has, strict=True)},
            }
        )
    manifest = folder / f"{split}.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return manifest


def sentence(names: Sequence[str], is_there: bool, generator: np.random.Generator) -> str:
    template = str(generator.choice(PRESENT if is_there else ABSENT))
    return template.format(generator.choice(names))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("planted")
    classes = "".join(
        f"  - {{label: {label}, names: {json.dumps(names)}}}\n" for label, names in NAMES.items()
    )
    (place / "planted.yaml").write_text(
        "name: planted\nversion: '1'\nsource: made here\nlicence: Apache-2.0\ntemplates: ['{}']\n"
        f"present_templates: {json.dumps(PRESENT)}\nabsent_templates: {json.dumps(ABSENT)}\n"
        f"classes:\n{classes}",
        "utf-8",
    )
    write_tiny_checkpoint(place / "tiny", architecture="vit_bpe")
    (place / "volumes.yaml").write_text(MODEL, "utf-8")
    write_split(place, "train", 128, seed=0)
    write_split(place, "test", 40, seed=1)
    return place


@pytest.fixture(scope="module")
def tuned(folder: Path) -> Guide:
    guide = fg.guide("medical", modality="ct_volume", model=str(folder / "volumes.yaml"),
                     device="cpu")  # fmt: skip
    guide.tune(
        folder / "train.jsonl", folder / "adapter", method="projector", projection_epochs=120,
        projection_rate=1e-2, batch_size=16, checks=1, measure=False, compare=False,
    )  # fmt: skip
    return guide.with_adapter(folder / "adapter")


def run(*arguments: Any) -> tuple[int, str, str]:
    found = CliRunner().invoke(cli, [str(each) for each in arguments])
    return found.exit_code, found.stdout, found.stderr


def test_planted_findings_are_found_without_labels(tuned: Guide, folder: Path) -> None:
    found = tuned.evaluate_findings(
        folder / "test.jsonl", str(folder / "planted.yaml"), group_column="patient"
    )
    auroc = found.macro["auroc"]
    assert auroc.of == 4
    assert auroc.interval is not None
    assert auroc.interval.value >= 0.9
    assert (found.classified, found.groups) == (40, 20)


def test_both_merlins_and_ct_clips_scores_find_them(tuned: Guide, folder: Path) -> None:
    text = (folder / "planted.yaml").read_text("utf-8")
    (folder / "merlin.yaml").write_text(
        text + "finding_classifier: mean_cosine_difference\n", "utf-8"
    )
    found = tuned.evaluate_findings(folder / "test.jsonl", str(folder / "merlin.yaml"))
    assert found.macro["auroc"].interval is not None
    assert found.macro["auroc"].interval.value >= 0.9


def test_a_calibration_of_the_training_rows_helps_on_other_volumes(
    tuned: Guide, folder: Path
) -> None:
    classes = str(folder / "planted.yaml")
    fitted = tuned.calibrate(folder / "train.jsonl", classes, where='split == "val"')
    raw = tuned.evaluate_findings(folder / "test.jsonl", classes)
    better = tuned.evaluate_findings(folder / "test.jsonl", classes, calibration=fitted)
    assert set(fitted.findings) == set(NAMES)
    assert better.reliability.brier.value <= raw.reliability.brier.value + 0.02


def test_the_command_names_every_finding_of_a_volume_by_a_salted_id(
    tuned: Guide, folder: Path, tmp_path: Path
) -> None:
    code, _, error = run(
        "classify", folder / "test000.nii.gz", "--domain", "medical", "--modality", "ct_volume",
        "--adapter", folder / "adapter", "--classes", folder / "planted.yaml", "--device", "cpu",
        "-o", tmp_path / "out.csv",
    )  # fmt: skip
    assert code == 0, error
    with (tmp_path / "out.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["label"] for row in rows) == sorted(NAMES)
    assert [row["status"] for row in rows] == ["ok"] * 4
    assert not any("test000" in row["path"] for row in rows)


def test_a_volume_is_encoded_once_for_all_findings(
    tuned: Guide, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = VolumeTower.forward

    def counted(self: VolumeTower, volumes: Tensor) -> Tensor:
        seen.append(len(volumes))
        return real(self, volumes)

    tuned.classify(folder / "test000.nii.gz", classes="ct_rate_18")  # attaches the adapter
    monkeypatch.setattr(VolumeTower, "forward", counted)
    found = tuned.classify(folder / "test000.nii.gz", classes="ct_rate_18")
    assert len(found[0].guesses) == 18
    assert seen == [1]
