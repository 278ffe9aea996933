"""BigEarthNet in its own layout: a table of labels, and a folder of bands a patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio

import fieldguide as fg
from fieldguide.errors import LoadError, UsageError
from fieldguide_remote_sensing.benchmarks import bigearthnet
from fieldguide_remote_sensing.benchmarks.patches import LazyPatch, to_display

if TYPE_CHECKING:
    from pathlib import Path

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
LABELS = (["Arable land", "Pastures"], ["Marine waters"], ["Coniferous forest"])
VALUES = {"B02": 300, "B03": 1500, "B04": 3000}


def write_patch(root: Path, number: int, dtype: str = "uint16", px: int = 120) -> Path:
    """Write a patch whose bands are flat: 300 (blue), 1500 (green), 3000 (red)."""
    name = f"{TILE}_{number}_7"
    folder = root / "BigEarthNet-S2" / TILE / name
    folder.mkdir(parents=True)
    for band, value in VALUES.items():
        profile = {"driver": "GTiff", "width": px, "height": px, "count": 1, "dtype": dtype}
        with rasterio.open(folder / f"{name}_{band}.tif", "w", **profile) as raster:
            raster.write(np.full((px, px), value, dtype), 1)
    return folder


def write_table(root: Path, **changed: Any) -> None:
    rows = {
        "patch_id": [f"{TILE}_{n}_7" for n in range(4)],
        "labels": [*LABELS, ["Pastures"]],
        "split": ["test", "test", "test", "train"],
    }
    pq.write_table(pa.table(rows | changed), root / "metadata.parquet")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(3):
        write_patch(tmp_path, number)
    write_table(tmp_path)
    return tmp_path


def test_the_test_split_is_found_with_its_labels(root: Path) -> None:
    images, missing = bigearthnet.find(root, 3)
    assert (len(images.items), missing) == (3, [])
    assert images.labels == tuple(map(tuple, LABELS))


def test_a_patch_is_shown_as_red_green_blue_from_reflectance_0_to_30_percent(root: Path) -> None:
    images, _ = bigearthnet.find(root, 3)
    pixels = np.asarray(images.items[0].image)
    assert pixels.shape == (120, 120, 3)
    assert pixels[0, 0].tolist() == [255, 128, 26]  # 0.3, 0.15 and 0.03 of 0.3


def test_what_is_brighter_is_clipped() -> None:
    assert to_display(np.array([0, 3000, 65535])).tolist() == [0, 255, 255]


@pytest.mark.parametrize(("dtype", "px"), [("float32", 120), ("uint16", 60)])
def test_a_patch_of_another_form_is_refused(tmp_path: Path, dtype: str, px: int) -> None:
    with pytest.raises(LoadError, match=f"{px} x {px} px and type {dtype}, not one of 120 x 120"):
        np.asarray(LazyPatch(write_patch(tmp_path, 1, dtype, px)))


def test_a_patch_without_a_band_is_counted_out(root: Path) -> None:
    folder = root / "BigEarthNet-S2" / TILE / f"{TILE}_1_7"
    (folder / f"{folder.name}_B02.tif").unlink()
    report = fg.guide("remote_sensing").benchmark("bigearthnet_zero_shot", root, subset=True)
    assert str(report.coverage) == "subset: 2 of 119825"
    assert [row["status"] for row in report.failed] == ["skipped"]
    assert (report.main.metric, report.main.n, report.published) == ("map", 2, ())
    assert {row.part for row in report.figures[1:]} == {
        "Arable land", "Pastures", "Coniferous forest",
    }  # fmt: skip


def test_the_whole_split_is_complete(root: Path) -> None:
    guide = fg.guide("remote_sensing").for_modality("rgb_scene")
    report = bigearthnet.BigEarthNetZeroShot(whole=3)(guide, root)
    assert str(report.coverage) == "complete: 3 of 3"
    assert report.main.value == pytest.approx(
        sum(row.value for row in report.figures[1:]) / 4  # 4 classes occur
    )


def test_a_partial_split_is_refused_and_names_what_is_missing(root: Path) -> None:
    write_table(root, split=["test"] * 4)
    with pytest.raises(UsageError, match=rf"3 of 119825 patches .*\({TILE}_3_7 not there\)"):
        fg.guide("remote_sensing").benchmark("bigearthnet_zero_shot", root)


def test_a_folder_without_metadata_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"metadata\.parquet beside the folder BigEarthNet-S2/"):
        bigearthnet.find(tmp_path, 3)


def test_metadata_that_are_no_parquet_are_refused(root: Path) -> None:
    (root / "metadata.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(UsageError, match="is no metadata of BigEarthNet"):
        bigearthnet.find(root, 3)


def test_metadata_without_a_column_are_refused(root: Path) -> None:
    pq.write_table(pa.table({"patch_id": ["a"], "split": ["test"]}), root / "metadata.parquet")
    with pytest.raises(UsageError, match="is no metadata of BigEarthNet"):
        bigearthnet.find(root, 3)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\\b", "", None])
def test_a_patch_name_that_leads_elsewhere_is_refused(root: Path, name: str | None) -> None:
    write_table(root, patch_id=[name, "a_0_0", "b_0_0", "c_0_0"])
    with pytest.raises(UsageError, match="no name of a patch"):
        bigearthnet.find(root, 3)


def test_a_label_of_the_other_nomenclature_is_refused(root: Path) -> None:
    write_table(root, labels=[["Sea and ocean"]] * 4)
    with pytest.raises(UsageError, match="'Sea and ocean' is not one of the 19 classes"):
        fg.guide("remote_sensing").benchmark("bigearthnet_zero_shot", root, subset=True)
