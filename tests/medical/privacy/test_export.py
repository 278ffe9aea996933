"""De-identified copies: nothing planted is left, pixels are the same, originals are untouched."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from fieldguide.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def export(*words: Any) -> Result:
    return CliRunner().invoke(cli, ["medical", "export", *map(str, words)])


def everything(folder: Path) -> bytes:
    """Return all names and bytes below a folder, unpacked ones too."""
    parts = []
    for path in sorted(folder.rglob("*")):
        parts.append(str(path.relative_to(folder)).encode())
        if path.is_file():
            parts.append(path.read_bytes())
            if path.suffix == ".gz":
                parts.append(gzip.decompress(path.read_bytes()))
    return b"\n".join(parts)


def found_in(content: bytes, words: tuple[str, ...]) -> list[str]:
    return [word for word in words if word.encode() in content]


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="session")
def copies(planted_series: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an export of the series makes."""
    folder = tmp_path_factory.mktemp("copies") / "out"
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.getbasetemp() / "private_home"
        patch.setenv("FIELDGUIDE_SALT_FILE", str(home / "salt"))
        done = export(planted_series, "-o", folder)
    assert done.exit_code == 0, done.output
    return folder


def slices_of(folder: Path) -> list[pydicom.FileDataset]:
    found = [pydicom.dcmread(path) for path in folder.rglob("*.dcm")]
    return sorted(found, key=lambda ds: int(ds.InstanceNumber))


def small_slices(folder: Path) -> list[Path]:
    """Return the slices that have few elements."""
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_size)[:2]


def test_the_planted_series_holds_what_is_looked_for(
    planted_series: Path, planted_words: tuple[str, ...]
) -> None:
    assert set(found_in(everything(planted_series.parent), planted_words)) >= {
        "Quuxley", "quuxley", "Zebedee", "ZEBQUX", "7719923", "19570413",
    }  # fmt: skip


def test_nothing_planted_is_left_in_copies_report_and_names(
    copies: Path, planted_words: tuple[str, ...]
) -> None:
    assert found_in(everything(copies), planted_words) == []


def test_pixels_are_the_same_bytes_and_geometry_stays(planted_series: Path, copies: Path) -> None:
    for old, new in zip(slices_of(planted_series), slices_of(copies), strict=True):
        assert new.PixelData == old.PixelData
        for name in ("ImagePositionPatient", "PixelSpacing", "RescaleSlope", "Rows", "Modality"):
            assert new[name].value == old[name].value


def test_copies_say_how_they_were_made(copies: Path) -> None:
    for ds in slices_of(copies):
        assert ds.PatientIdentityRemoved == "YES"
        assert ds.LongitudinalTemporalInformationModified == "REMOVED"
        assert [c.CodeValue for c in ds.DeidentificationMethodCodeSequence] == ["113100"]
        assert ds.StudyDate == ds.PatientBirthDate == ds.AccessionNumber == ""


def test_new_uids_keep_series_together_and_instances_apart(
    planted_series: Path, copies: Path
) -> None:
    old, new = slices_of(planted_series), slices_of(copies)
    assert len({ds.SeriesInstanceUID for ds in new}) == 1
    assert len({ds.SOPInstanceUID for ds in new}) == len(new)
    assert {ds.SOPInstanceUID for ds in new}.isdisjoint(ds.SOPInstanceUID for ds in old)
    assert all(ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID for ds in new)
    assert all(pydicom.uid.UID(ds.SOPInstanceUID).is_valid for ds in new)


def test_a_patient_has_one_name_in_all_copies(copies: Path) -> None:
    names = {(str(ds.PatientName), ds.PatientID) for ds in slices_of(copies)}
    ((name, patient_id),) = names
    assert name == patient_id
    assert name.startswith("patient-")


def test_shifted_dates_keep_their_distance_and_are_others(
    planted_series: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for path, day in zip(small_slices(planted_series), ("20200310", "20200314"), strict=True):
        ds = pydicom.dcmread(path)
        ds.StudyDate = day
        ds.save_as(source / path.name)
    export(source, "-o", tmp_path / "out", "--shift-dates")
    copied = slices_of(tmp_path / "out")
    days = sorted(pydicom.valuerep.DA(ds.StudyDate) for ds in copied)
    assert (days[1] - days[0]).days == 4
    assert days[0].isoformat() < "2020-03-10"


def test_originals_are_not_touched(planted_series: Path, tmp_path: Path) -> None:
    before = digests(planted_series)
    export(small_slices(planted_series)[0], "-o", tmp_path / "out")
    assert digests(planted_series) == before


def test_an_output_inside_the_input_is_refused(planted_series: Path) -> None:
    done = export(planted_series, "-o", planted_series / "out")
    assert "Name another --output" in str(done.exception)
    assert not (planted_series / "out").exists()


def test_a_second_run_keeps_what_is_there_and_the_list_lies_outside(
    planted_series: Path, copies: Path
) -> None:
    before = digests(copies)
    done = export(planted_series, "-o", copies)
    assert "3 kept" in done.stderr
    assert (
        digests(copies).items()
        >= {name: digest for name, digest in before.items() if name.endswith(".dcm")}.items()
    )
    assert not list(copies.rglob("sources.parquet"))
    assert (copies.parent / "sources.parquet").stat().st_mode & 0o777 == 0o600


def test_nifti_loses_all_text_and_keeps_voxels_and_affine(
    planted_nifti: Path, tmp_path: Path, planted_words: tuple[str, ...]
) -> None:
    done = export(planted_nifti.parent, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert found_in(everything(tmp_path / "out"), planted_words) == []
    (copy,) = (tmp_path / "out").rglob("*.nii.gz")
    old, new = nib.load(planted_nifti), nib.load(copy)
    np.testing.assert_array_equal(np.asanyarray(new.dataobj), np.asanyarray(old.dataobj))
    np.testing.assert_array_equal(new.affine, old.affine)
    assert len(new.header.extensions) == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"BurnedInAnnotation": "YES"}, "--allow-burned-in"),
        ({"Modality": "US"}, "--allow-burned-in"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "--allow-burned-in"),
    ],
)
def test_what_may_have_a_name_in_its_pixels_is_refused_unless_asked_for(
    planted_series: Path, tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    source = tmp_path / "one.dcm"
    ds = pydicom.dcmread(small_slices(planted_series)[0])
    for name, value in changes.items():
        setattr(ds, name, value)
    ds.save_as(source)
    refused = export(source, "-o", tmp_path / "out")
    assert refused.exit_code == 1
    assert says in refused.stderr
    assert export(source, "-o", tmp_path / "out", "--allow-burned-in").exit_code == 0


def test_reports_slides_and_broken_files_are_refused_with_a_reason_each(
    planted_series: Path, tmp_path: Path, planted_words: tuple[str, ...]
) -> None:
    source = tmp_path / "Quuxley"
    source.mkdir()
    ds = pydicom.dcmread(small_slices(planted_series)[0])
    del ds.PixelData
    ds.save_as(source / "Quuxley report.dcm")
    (source / "Quuxley.svs").write_bytes(b"II*\0")
    (source / "Quuxley.txt").write_text("Quuxley")
    (source / "cut.dcm").write_bytes(small_slices(planted_series)[0].read_bytes()[:700])
    done = export(source, "-o", tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / "export.jsonl").open()]
    assert sorted(row["status"] for row in rows) == ["refused", "refused", "refused", "skipped"]
    assert all(row["reason"] and not row["copy"] for row in rows)
    said = done.output.replace(str(tmp_path / "out"), "").encode()
    assert found_in(said + everything(tmp_path / "out"), planted_words) == []


def test_numbers_that_only_the_header_of_a_file_has_are_replaced_like_others(
    planted_series: Path, tmp_path: Path
) -> None:
    source = tmp_path / "one.dcm"
    ds = pydicom.dcmread(small_slices(planted_series)[0])
    kept_class, old = ds.SOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID
    ds.SOPClassUID = ds.SOPInstanceUID = ""  # as some systems leave them
    ds.save_as(source)
    done = export(source, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    (copy,) = slices_of(tmp_path / "out")
    assert copy.SOPClassUID == kept_class
    assert copy.SOPInstanceUID == copy.file_meta.MediaStorageSOPInstanceUID
    assert copy.SOPInstanceUID not in {"", old}
