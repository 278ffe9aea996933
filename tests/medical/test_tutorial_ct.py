"""The commands of the tutorials of CT and of radiographs, in their order, on real data."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from fieldguide.cli import cli
from fieldguide.errors import FieldguideError
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.shared_data

DOCS = Path(__file__).parents[2] / "docs"
SMALLER = {
    "224, 224, 36": "224, 224, 2",
    "224, 224, 10": "224, 224, 1",
    "120mm": "240mm",
}
"""What makes the page's commands quick: few slices and few boxes."""
SCANS = ("example_ct.nii.gz", "aorta_ct_cropped.nii.gz", "pulmonary_ct_cropped.nii.gz")
REPORTS = ("val_1", "val_2", "val_3", "val_25")
"""The last leaves a sequela uncertain."""


def blocks(page: str, language: str) -> Iterator[str]:
    """Yield what stands in a page's blocks of a language, made smaller."""
    text = (DOCS / page).read_text("utf-8")
    for large, small in SMALLER.items():
        text = text.replace(large, small)
    yield from re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def run_page(page: str) -> dict[str, str]:
    """Run a page's commands, which must end as it says; return what each printed."""
    for block in blocks(page, "yaml"):
        Path(block.splitlines()[0].removeprefix("# ")).write_text(block)
    printed = {}
    for line in "".join(blocks(page, "bash")).splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "fieldguide"
        done = CliRunner().invoke(cli, words)
        allowed = (1,) if line.endswith("# refused") else (0, 3) if "export films" in line else (0,)
        assert done.exit_code in allowed, f"{line}\n{done.output}"
        refusal = done.exception if isinstance(done.exception, FieldguideError) else ""
        printed[line.partition("  #")[0]] = f"{done.output}{refusal}"
    return printed


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write_reports(rows: list[dict[str, Any]]) -> None:
    with Path("reports.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def study(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page says that its reader has; its folder is the current one."""
    medical = shared_data / "medical"
    monkeypatch.chdir(tmp_path)
    for ours, theirs in (("abdomen", "siemens_abdomen"), ("head", "ge_head_gantry_tilt")):
        shutil.copytree(medical / "ct_dicom" / theirs, tmp_path / "study" / ours)
    (tmp_path / "scans").mkdir()
    for name in SCANS:
        shutil.copyfile(medical / "ct" / name, tmp_path / "scans" / name)
    shutil.copyfile(medical / "ct/CT_AVM.nii.gz", tmp_path / "CT_AVM.nii.gz")
    texts = {row["AccessionNo"]: row for row in rows_of(str(medical / "reports/ct_rate_val.csv"))}
    paths = ("study/abdomen", *(f"scans/{name}" for name in SCANS))
    write_reports([{"path": path, "report_text": texts[name]["report_text"]}
                   for path, name in zip(paths, REPORTS, strict=True)])  # fmt: skip
    return tmp_path


def test_the_tutorial_of_ct_runs_as_it_is_written(study: Path) -> None:
    printed = run_page("tutorial_ct.md")

    said = {row["slices"]: row["verdict"] for row in rows_of("series.csv")}
    assert said["20"] == "ready"
    assert said["28"].startswith("refused: gantry tilt")
    assert "--correct-gantry-tilt" in printed["fieldguide show study/head/ --domain medical"]
    assert "--assume-hu" in printed["fieldguide show CT_AVM.nii.gz --domain medical"]

    heat, scan = nib.load("heat.nii.gz"), nib.load("scans/example_ct.nii.gz")
    assert heat.shape == scan.shape
    np.testing.assert_allclose(heat.affine, scan.affine, atol=1e-4)
    assert len(rows_of("found.slices.csv")) == scan.shape[2]

    labels = rows_of("labels.csv")
    assert [row["path"] for row in labels] == [row["path"] for row in rows_of("reports.csv")]
    assert labels[3]["Pulmonary fibrotic sequela"] == "-1"
    assert (study / "my_adapter/card.md").is_file()
    answers = rows_of("answers.csv")
    assert len(answers) == 3 * 5
    assert {row["status"] for row in answers} == {"ok"}  # the adapter is one of volumes

    copies = [pydicom.dcmread(path) for path in (study / "for_partner").rglob("*.dcm")]
    assert len(copies) == 20
    assert len({copy.SOPInstanceUID for copy in copies}) == 20
    written = "".join(path.read_text() for path in study.glob("*.csv")
                      if path.name not in {"reports.csv", "labels.csv", "captions.csv", "why.csv"}
                      )  # fmt: skip
    assert "example_ct" not in written


def write_film(path: Path) -> None:
    """A CR of a bright stripe, stored dark, in which a person is named."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = "1.2.3", ExplicitVRLittleEndian
    film = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    film.SOPClassUID, film.SOPInstanceUID = ComputedRadiographyImageStorage, "1.2.3"
    film.Modality, film.PatientName, film.ViewPosition = "CR", "Beeblebrox", "PA"
    film.BurnedInAnnotation = "NO"
    film.Rows, film.Columns, film.SamplesPerPixel = 64, 48, 1
    film.PhotometricInterpretation, film.PixelRepresentation = "MONOCHROME1", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    film.WindowCenter, film.WindowWidth = 2048, 4096
    pixels = np.full((64, 48), 4000, "<u2")
    pixels[:, 20:28] = 100
    film.PixelData = pixels.tobytes()
    film.save_as(path, enforce_file_format=True)


def test_the_tutorial_of_radiographs_runs_as_it_is_written(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    write_film(tmp_path / "films/chest.dcm")
    for number in (1, 2):
        noise = np.random.default_rng(number).integers(0, 256, (64, 48), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"films/{number}.png")
    write_tiny_checkpoint(tmp_path / "my-clip")
    texts = rows_of(str(shared_data / "medical/reports/openi_reports.csv"))
    write_reports([{"path": f"films/{name}", "findings": row["findings"],
                    "impression": row["impression"]}
                   for name, row in zip(("chest.dcm", "1.png", "2.png"), texts, strict=False)
                   ])  # fmt: skip

    printed = "".join(run_page("tutorial_radiograph.md").values())

    assert "monochrome1_inverted" in printed
    shown = np.asarray(Image.open("chest.jpg").convert("L"))
    assert shown[32, 24] > 200 > 50 > shown[32, 5]  # bone is bright
    assert len(rows_of("answers.csv")) == 3 * 5
    assert all(row["status"] == "ok" for row in rows_of("answers.csv"))
    (copy,) = (tmp_path / "for_partner").rglob("*.dcm")
    assert b"Beeblebrox" not in copy.read_bytes()
    assert "Beeblebrox" not in printed
