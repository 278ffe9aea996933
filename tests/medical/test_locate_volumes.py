"""Text search inside CT volumes by a model of slices, against each box embedded by itself."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.localization.grid import make_grid
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_medical.body import body_mask
from fieldguide_medical.nifti import NiftiLoader

if TYPE_CHECKING:
    from pathlib import Path

MODEL = """
base: ./tiny
contract: {like: chest_slices, spacing_mm: [2, 2, 2], size: [32, 32, 16]}
pooling: mean
"""
WINDOW = (12, 12, 8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(folder / "tiny")
    (folder / "slices.yaml").write_text(MODEL)
    return folder / "slices.yaml"


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a volume of (30, 26, 16) voxels, stored with its first axis to the left."""
    x, y, _ = np.meshgrid(*(np.linspace(-1, 1, n) for n in (30, 26, 16)), indexing="ij")
    values = np.where((x / 0.8) ** 2 + (y / 0.7) ** 2 < 1, 40, -1000)
    noise = np.random.default_rng(2).integers(-300, 300, values.shape)
    image = nib.Nifti1Image((values + noise).astype(np.int16), np.diag([-3.0, -3, 4, 1]))
    image.header.set_xyzt_units("mm")
    path = tmp_path_factory.mktemp("scans") / "scan.nii.gz"
    nib.save(image, path)
    return path


def guide(model: Path, **more: Any) -> Any:
    return fg.guide("medical", model=str(model), device="cpu", out_of_scope=True, **more)


def test_scores_of_boxes_are_those_of_boxes_embedded_one_by_one(
    model: Path, scan: Path, tmp_path: Path
) -> None:
    ours = guide(model, modality="ct_volume")
    found = ours.locate(scan, "a cyst", templates=["{}"], windows=["12x12x8"], vectors=tmp_path)
    sample = NiftiLoader()(scan)
    body = body_mask(sample.array[..., 0])
    text = ours.encode_text("a cyst").vectors[0]
    grid = make_grid(sample.size_px, WINDOW, 0.5)
    for window, score in zip(grid, found.sources[0].scores[0][:, 0], strict=True):
        part = tuple(slice(s, s + n) for s, n in zip(window.start_px, window.size_px, strict=True))
        if body[part].mean() < 0.05:
            assert np.isnan(score)
            continue
        affine = np.array(sample.metadata["affine"])
        affine[:3, 3] = (affine @ [*window.start_px, 1])[:3]
        metadata = {**sample.metadata, "affine": tuple(map(tuple, affine.tolist()))}
        alone = replace(sample, array=sample.array[part], metadata=metadata)
        assert score == pytest.approx(float(ours.encode_image(alone).vectors[0] @ text), abs=1e-5)


def test_the_command_writes_heat_map_slices_and_regions(
    model: Path, scan: Path, tmp_path: Path
) -> None:
    outputs = [tmp_path / name for name in ("heat.nii.gz", "found.slices.csv", "found.csv")]
    words = [
        *("locate", str(scan), "a cyst", "--domain", "medical", "--model", str(model)),
        *("--out-of-scope", "--window", "40mm", "--vectors", str(tmp_path / "kept")),
        *(word for output in outputs for word in ("-o", str(output))),
    ]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert done.exit_code == 0, done.output
    heat = nib.load(outputs[0])
    assert heat.shape == (30, 26, 16)
    np.testing.assert_allclose(heat.affine, nib.load(scan).affine, atol=1e-6)
    regions = list(csv.DictReader(outputs[2].open()))
    assert {"x_vox", "z_size_vox", "x_mm", "slice_first"} <= set(regions[0])
    best = next(csv.DictReader(outputs[1].open()))
    hottest = np.nanmax(heat.get_fdata(), axis=(0, 1))
    assert int(best["slice"]) == int(np.nanargmax(hottest))
    assert float(best["score"]) == pytest.approx(np.nanmax(hottest), abs=1e-5)


def test_regions_of_a_volume_are_a_manifest_of_boxes(
    model: Path, scan: Path, tmp_path: Path
) -> None:
    ours = guide(model, roots=[scan.parent], show_paths=True)
    found = ours.locate(scan, "a cyst", windows=["12x12x8"], top=3, vectors=tmp_path)
    found.write(tmp_path / "found.csv")
    rows = ours.classify(tmp_path / "found.csv", ["cyst", "stone"])
    assert [row.status for row in rows] == ["ok"] * 3  # a model of one's own has no scope
    assert rows[0].metadata["x_vox"] == found[0].window.start_px[0]


def test_boxes_of_a_volume_can_be_indexed_and_searched(
    model: Path, scan: Path, tmp_path: Path
) -> None:
    index = guide(model).index(scan, tmp_path / "boxes.fg", windows=["12x12x8"])
    best = index.search("a cyst", k=2, where="slice_first >= 4")
    assert len(best) == 2
    assert all(match.metadata["slice_first"] >= 4 for match in best)


def test_a_box_that_fills_the_model_shows_the_whole_of_a_small_volume(
    model: Path, scan: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = guide(model).locate(scan, "a cyst", vectors=tmp_path)
    # 32 x 2 mm / 3 mm = 21 voxels in x and y, 16 x 2 mm / 4 mm = 8 slices
    assert found.sources[0].grids[0].window_px == (21, 21, 8)


@pytest.mark.parametrize("windows", [[], ["40mm"]])
def test_a_model_of_images_is_refused_for_a_volume(
    model: Path, scan: Path, tmp_path: Path, windows: list[str]
) -> None:
    ours = guide(model.parent / "tiny")
    found = ours.locate(scan, "a cyst", windows=windows, vectors=tmp_path)
    assert len(found) == 0
    ((_, _, reason),) = found.skipped
    assert reason.startswith("it is a volume and the model takes an image.")


def test_examples_in_the_help_of_commands_stand_line_by_line() -> None:
    for command in ("series", "findings", "export"):
        shown = CliRunner().invoke(cli, ["medical", command, "--help"]).output
        assert "\\b" not in shown
        assert f"\n  fieldguide medical {command} " in shown
