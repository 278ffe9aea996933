"""Boxes of CT volumes: where they lie, what is the patient, and the files of a search."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

from fieldguide.data.windows import place_of
from fieldguide.errors import UsageError
from fieldguide.localization.grid import make_grid
from fieldguide.localization.result import Region, Regions, Scored
from fieldguide.samples import Window
from fieldguide_medical.body import body_mask
from fieldguide_medical.heat_volume import heat_of_voxels
from fieldguide_medical.nifti import NiftiLoader
from fieldguide_medical.volume_windows import WindowedVolume, open_volume_windows

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (24, 30, 16)
AFFINE_LPS = np.array([[-2.0, 0, 0, 40.0], [0, -2.0, 0, 55.0], [0, 0, 3.0, -100.0], [0, 0, 0, 1]])
"""Of a file whose first axis runs to the left and whose second runs to posterior."""


def patient(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return air around an ellipse of water that holds two round lungs."""
    x, y, _ = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    values = np.full(shape, -1000.0, np.float32)
    values[(x / 0.8) ** 2 + (y / 0.7) ** 2 < 1] = 30
    for side in (-0.35, 0.35):
        values[((x - side) / 0.2) ** 2 + (y / 0.3) ** 2 < 1] = -850
    return values


def write(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE_LPS) -> Path:
    image = nib.Nifti1Image(values.astype(np.int16), affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


def opened(path: Path) -> WindowedVolume:
    with open_volume_windows(NiftiLoader(), path) as source:
        return source


def test_the_body_holds_its_lungs_and_not_the_air_nor_the_table() -> None:
    values = patient()
    table = np.s_[:, 1:3, :]
    values[table] = 100
    body = body_mask(values)
    outline = patient() > -900  # water and lungs
    assert (body == outline).all()


def test_a_volume_of_air_has_no_body() -> None:
    assert not body_mask(np.full((4, 4, 4), -1000)).any()


def test_a_box_is_the_same_voxels_at_the_same_place(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-1000, 400, SHAPE)
    source = opened(write(tmp_path / "ct.nii.gz", values))
    window = Window((3, 5, 2), (10, 12, 6))
    part = source.read(window, 1)
    file = nib.load(tmp_path / "ct.nii.gz")
    to_file = np.linalg.inv(file.affine)
    for voxel in [(0, 0, 0), (9, 11, 5), (4, 7, 3)]:
        world_mm = np.array(part.metadata["affine"]) @ [*voxel, 1]
        at = np.round(to_file @ world_mm)[:3].astype(int)
        assert part.array[(*voxel, 0)] == file.dataobj[tuple(at)]


def test_the_middle_of_a_box_is_told_in_millimetres(tmp_path: Path) -> None:
    source = opened(write(tmp_path / "ct.nii.gz", patient()))
    place = place_of(Window((0, 0, 4), (24, 30, 5)), source)
    # x: voxel centres from 40 - 2 * 23 = -6 to 40; y: 55 - 2 * 29 = -3 to 55; z: -88 to -76
    assert (place["x_mm"], place["y_mm"], place["z_mm"]) == (17.0, 26.0, -82.0)
    assert (place["slice_first"], place["slice_last"]) == (4, 8)
    assert place["z_vox"], place["z_size_vox"] == (4, 5)


def test_a_box_of_air_has_no_data_and_one_in_the_patient_has(tmp_path: Path) -> None:
    source = opened(write(tmp_path / "ct.nii.gz", patient()))
    assert source.read(Window((0, 0, 0), (3, 3, 3)), 1).valid_fraction == 0
    assert source.read(Window((10, 13, 5), (4, 4, 4)), 1).valid_fraction == 1


def test_the_usual_box_is_the_models_input_at_its_own_spacing(tmp_path: Path) -> None:
    class Contract:
        size_px = (20, 20, 10)
        spacing_mm = (1.0, 1.0, 6.0)

    source = opened(write(tmp_path / "ct.nii.gz", patient()))
    contract: Any = Contract()
    assert source.usual_window_px(contract) == (10, 10, 20)  # 20 mm / 2 mm, 60 mm / 3 mm


def search(path: Path, texts: tuple[str, ...] = ("nodule",)) -> Regions:
    """Return a search whose best window begins at voxel (8, 8, 6) in RAS order."""
    source = opened(path)
    grid = make_grid(source.size_px, (8, 8, 4), 0.5)
    scores = np.zeros((len(grid), len(texts)), np.float32)
    best = [window.start_px for window in grid].index((8, 8, 6))
    scores[best] = 1
    scores[[window.start_px[0] == 0 for window in grid]] = np.nan
    scored = Scored("ct.nii.gz", source.metadata, texts, (grid,), (scores,))
    region = Region(texts[0], 1, 1.0, "ct.nii.gz", grid[best], source.place(grid[best]))
    return Regions([region], {"domain": "medical"}, [scored])


@pytest.mark.parametrize("name", ["heat.nii.gz", "heat.nii"])
def test_the_heat_map_lies_on_the_grid_of_the_file(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "ct.nii.gz", patient())
    found = search(path)
    found.write(tmp_path / name)
    heat, file = nib.load(tmp_path / name), nib.load(path)
    assert heat.shape == file.shape
    np.testing.assert_allclose(heat.affine, file.affine, atol=1e-6)
    values = heat.get_fdata()
    hottest = np.argwhere(values == np.nanmax(values)).mean(axis=0)
    world_mm = (heat.affine @ [*hottest, 1])[:3]
    middle = [found[0].metadata[name] for name in ("x_mm", "y_mm", "z_mm")]
    np.testing.assert_allclose(world_mm, middle, atol=2.0)  # a voxel is 2 x 2 x 3 mm


def test_several_texts_are_a_fourth_axis(tmp_path: Path) -> None:
    path = write(tmp_path / "ct.nii.gz", patient())
    search(path, ("nodule", "cyst")).write(tmp_path / "heat.nii.gz")
    assert nib.load(tmp_path / "heat.nii.gz").shape == (*SHAPE, 2)


def test_heat_is_linear_between_cells_and_unknown_where_nothing_was_scored(tmp_path: Path) -> None:
    source = search(write(tmp_path / "ct.nii.gz", patient())).sources[0]
    cells, heat = source.heat("nodule"), heat_of_voxels(source, "nodule")
    assert cells.shape == (6, 8, 8)  # 24 / 4, 30 / 4 and 16 / 2
    assert np.isnan(heat[:4]).all()  # no window with a score covers the middle of the first cell
    assert np.isfinite(heat[12:]).all()
    # voxel 13 of x lies at cell (13.5 / 4) - 0.5 = 2.875; z voxel 7 at 3.25; y voxel 11 at 2.5667
    part = cells[2:4, 2:4, 3:5].astype(np.float64)
    weights = np.einsum("i,j,k->ijk", *([1 - f, f] for f in (0.875, 11.5 * 8 / 30 - 0.5 - 2, 0.25)))
    assert heat[13, 11, 7] == pytest.approx(float((part * weights).sum()), abs=1e-6)


def test_the_list_of_slices_begins_with_the_one_that_shows_it(tmp_path: Path) -> None:
    path = write(tmp_path / "ct.nii.gz", patient())
    search(path).write(tmp_path / "found.slices.csv")
    with (tmp_path / "found.slices.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == SHAPE[2]
    assert [int(row["rank"]) for row in rows] == list(range(1, 17))
    assert int(rows[0]["slice"]) in (7, 8)  # the window covers slices 6 to 9
    assert float(rows[0]["z_mm"]) == -100 + 3 * int(rows[0]["slice"])
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_two_volumes_do_not_fit_into_one_heat_map(tmp_path: Path) -> None:
    found = search(write(tmp_path / "ct.nii.gz", patient()))
    twice = Regions(list(found), found.provenance, found.sources * 2)
    with pytest.raises(UsageError, match="one volume, and 2 were searched"):
        twice.write(tmp_path / "heat.nii.gz")


def test_the_heat_map_of_a_picture_is_no_volume(tmp_path: Path) -> None:
    grid = make_grid((8, 8), 4, 0.5)
    scored = Scored("a.png", {}, ("x",), (grid,), (np.zeros((len(grid), 1), np.float32),))
    with pytest.raises(UsageError, match="is for CT volumes"):
        Regions([], {"domain": "medical"}, [scored]).write(tmp_path / "heat.nii.gz")
