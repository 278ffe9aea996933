"""Captions from masks of organs, their numbers counted again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from fieldguide.cli import cli
from fieldguide.errors import ContractError
from fieldguide_medical.organ_captions import organ_captions, organ_words
from fieldguide_medical.organ_masks import measure_organs, read_organ_mask

if TYPE_CHECKING:
    from pathlib import Path

TABLE = (
    '<?xml version="1.0"?><CaretExtension><VolumeInformation><LabelTable>'
    '<Label Key="1"><![CDATA[liver]]></Label><Label Key="2"><![CDATA[spleen]]></Label>'
    '<Label Key="3"><![CDATA[Zaphod_Beeblebrox]]></Label></LabelTable></VolumeInformation>'
    "</CaretExtension>"
)
SPACING_MM = (2.0, 2.0, 5.0)  # a voxel is 0.02 ml


def save(path: Path, values: Any, *, table: str | None = None, flip: bool = False) -> Path:
    affine = np.diag([*SPACING_MM, 1.0])
    if flip:  # the same places in space, the first axis written from the other end
        values = values[::-1]
        affine[0] = [-SPACING_MM[0], 0, 0, SPACING_MM[0] * (values.shape[0] - 1)]
    image = nib.Nifti1Image(values, affine)
    if table is not None:
        image.header.extensions.append(nib.nifti1.Nifti1Extension(0, table.encode()))
    nib.save(image, path)
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A CT of air with a liver of 50 HU (800 voxels) and a spleen of 30 HU at the border."""
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5:15, 5:15, 5:13] = 1
    labels[0:4, 0:5, 0:5] = 2
    labels[18, 18, 18] = 3
    ct = np.full(labels.shape, -1000, np.int16)
    ct[labels == 1] = 50
    ct[labels == 2] = 30
    save(tmp_path / "ct.nii.gz", ct)
    save(tmp_path / "mask.nii.gz", labels, table=TABLE)
    save(tmp_path / "flipped.nii.gz", labels, table=TABLE, flip=True)
    save(tmp_path / "bare.nii.gz", labels)
    save(tmp_path / "short.nii.gz", labels[..., :10], table=TABLE)
    return tmp_path


def row(folder: Path, mask: str, **more: str) -> dict[str, str]:
    path, source = (folder / name for name in ("ct.nii.gz", "manifest.csv"))
    return {"path": str(path), "source": str(source), "mask": mask, **more}


@pytest.mark.parametrize("mask", ["mask.nii.gz", "flipped.nii.gz"])
def test_volumes_and_densities_are_those_of_the_voxels(scan: Path, mask: str) -> None:
    said = set(map(str, organ_captions(row(scan, mask), per_image=9)))
    assert any("liver" in text and " 16 ml" in text for text in said)  # 800 x 0.02 ml
    assert "The part of the spleen in the image has a volume of 2.0 ml." in said
    assert any("liver" in text and " 50 H" in text for text in said)
    assert any("spleen" in text and " 30 H" in text for text in said)
    assert any("the liver and the spleen" in text.lower() for text in said)
    assert len(said) == 5  # which are visible, two volumes, two densities


def test_a_name_in_the_header_that_is_no_organ_is_never_said(scan: Path) -> None:
    every = [organ_captions(row(scan, "mask.nii.gz"), seed=seed) for seed in range(5)]
    assert not any("Beeblebrox" in text for texts in every for text in texts)


def test_the_same_seed_gives_the_same_captions(scan: Path) -> None:
    first, again, other = (
        organ_captions(row(scan, "mask.nii.gz"), seed=seed, per_image=3) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert all(re.fullmatch(r"organs/\d+:\w+", text.template) for text in first)


def test_a_mask_alone_tells_volumes_only(scan: Path) -> None:
    said = organ_captions({"path": str(scan / "mask.nii.gz")}, per_image=9)
    assert len(said) == 3
    assert not any("H" in str(text)[1:] for text in said if "CT" not in text)


def test_a_table_of_ones_own_names_the_numbers(scan: Path) -> None:
    (scan / "names.txt").write_text("background\nliver\nbig_tumour\nspeck\n")
    said = organ_captions(row(scan, "bare.nii.gz", mask_labels="names.txt"), per_image=9)
    assert any("big tumour" in text for text in said)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"mask": "short.nii.gz"}, "Resample the mask"),
        ({"mask": "bare.nii.gz"}, "mask_labels"),
        ({"mask": "ct.nii.gz"}, "no labels"),
        ({"mask": "../mask.nii.gz"}, "outside the manifest's folder"),
        ({"mask": "/etc/passwd"}, "outside the manifest's folder"),
        ({"mask": "mask.nii.gz", "mask_labels": "/etc/passwd"}, "outside the manifest's folder"),
        ({"mask": "bare.nii.gz", "mask_labels": "ct.nii.gz"}, "no list of names"),
    ],
)
def test_what_cannot_be_counted_is_refused(scan: Path, record: dict[str, str], reason: str) -> None:
    with pytest.raises(ContractError, match=re.escape(reason)):
        organ_captions({**row(scan, ""), **record})


def test_a_mask_that_lies_elsewhere_is_refused(scan: Path) -> None:
    mask = read_organ_mask(scan / "mask.nii.gz")
    moved = mask.affine.copy()
    moved[0, 3] += 1.0  # a millimetre
    with pytest.raises(ContractError, match="affine"):
        measure_organs(mask, np.zeros(mask.labels.shape), moved)


@pytest.mark.parametrize(
    "table",
    ["<CaretExtension><Label Key='x'>a</Label></CaretExtension>",
     "<CaretExtension><L></CaretExtension>", "<CaretExtension><Label>a</Label></CaretExtension>"],
)  # fmt: skip
def test_a_broken_table_in_the_header_is_refused(tmp_path: Path, table: str) -> None:
    save(tmp_path / "mask.nii.gz", np.ones((5, 5, 5), np.uint8), table=table)
    with pytest.raises(ContractError, match="table of labels"):
        read_organ_mask(tmp_path / "mask.nii.gz")


def test_every_sentence_has_the_places_of_its_kind() -> None:
    words = organ_words()
    kinds = {"visible": {"organs"}, "volume": {"organ", "ml"}, "volume_cut": {"organ", "ml"},
             "density": {"organ", "hu"}}  # fmt: skip
    for kind, places in kinds.items():
        for sentence in getattr(words, kind):
            assert set(re.findall(r"\{(\w+)\}", sentence.text)) == places


@pytest.mark.shared_data
def test_a_real_mask_is_counted_as_numpy_counts_it(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "medical/ct"
    for name in ("example_ct_sm.nii.gz", "example_seg.nii.gz"):
        (tmp_path / name).symlink_to(folder / name)
    manifest = tmp_path / "scans.csv"
    manifest.write_text("image,mask\nexample_ct_sm.nii.gz,example_seg.nii.gz\n")
    output = tmp_path / "captions.jsonl"
    done = CliRunner().invoke(
        cli,
        ["captions", str(manifest), "--converter", "organ_captions", "--per-image", "200",
         "--root", str(folder), "-o", str(output)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    text = output.read_text()
    labels = np.asarray(nib.load(folder / "example_seg.nii.gz").dataobj)
    values = np.asarray(nib.load(folder / "example_ct_sm.nii.gz").dataobj)
    for number, organ in ((1, "spleen"), (5, "liver"), (2, "right kidney")):
        voxels = int((labels == number).sum())
        ml = voxels * 27 / 1000  # voxels of 3 mm
        assert re.search(rf"{organ}[^.]* {ml:.0f} ml", text)
        assert re.search(rf"{organ} [a-z ]*{values[labels == number].mean():.0f} H", text)
