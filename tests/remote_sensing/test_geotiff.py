"""The loader of rasters: names, masks, place, refusals. Expected values are worked out by hand."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from fieldguide.contract import InputContract
from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Reader
from fieldguide.errors import ContractError, LoadError
from fieldguide.models.prepare import prepare
from fieldguide_remote_sensing import cost
from fieldguide_remote_sensing.geotiff import GeoTiffLoader
from fieldguide_remote_sensing.plugin import RGB_SCENE, register_loaders

CONTRACT = InputContract(size_px=(224, 224), resize="squash", mean=(127.0,) * 3, std=(128.0,) * 3)
SENTINEL_2 = "coastal,blue,green,red,rededge1,rededge2,rededge3,nir,nir08,nir09,swir16,swir22"
GRID = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def write(path: Path, array: np.ndarray[Any, Any], **options: Any) -> Path:
    """Write (H, W, C) as a GeoTIFF in UTM zone 32 north, unless the options say otherwise."""
    names = options.pop("names", ())
    colours = options.pop("colours", None)
    tags = options.pop("tags", {})
    profile = {"driver": "GTiff", "crs": "EPSG:32632", "transform": GRID, **options}
    height, width, count = array.shape
    size = {"height": height, "width": width, "count": count, "dtype": array.dtype}
    with rasterio.open(path, "w", **profile, **size) as target:
        target.write(np.moveaxis(array, -1, 0))
        target.update_tags(**tags)
        if names:
            target.descriptions = names
        if colours:
            target.colorinterp = colours
    return path


def values(shape: tuple[int, ...] = (6, 5, 3), dtype: str = "uint8") -> np.ndarray[Any, Any]:
    return np.random.default_rng(7).integers(1, 200, shape).astype(dtype)


def plan(path: Path, bands: str | None = None) -> tuple[str, ...]:
    sample = GeoTiffLoader(bands)(path)
    return prepare(sample, CONTRACT, RGB_SCENE.repairs)[0].repairs


def read_row(path: Path) -> tuple[str, str]:
    """Return status and reason of the core's own pipeline."""
    specs = list(register_loaders())
    reader = Reader({"geotiff": GeoTiffLoader()}, specs, CONTRACT, RGB_SCENE.repairs)
    row, _ = reader.read(Item(str(path), path.name, path))
    return row.status, row.reason


def expected_cases() -> list[tuple[str, str]]:
    folder = Path(os.environ.get("FIELDGUIDE_TEST_DATA", "")) / "remote_sensing/rasterio_cases"
    if not (folder / "expected.csv").is_file():
        return []
    with (folder / "expected.csv").open(newline="") as stream:
        return [
            (row["file"], row["expected of the remote-sensing RGB modality"])
            for row in csv.DictReader(stream)
        ]


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "outcome"), expected_cases())
def test_every_rasterio_case_ends_as_its_table_says(
    shared_data: Path, name: str, outcome: str
) -> None:
    status, reason = read_row(shared_data / "remote_sensing/rasterio_cases" / name)
    assert {"ok": "accepted"}.get(status, status) == outcome, reason


@pytest.mark.shared_data
def test_unnamed_sentinel_bands_are_refused_with_the_option_and_accepted_with_it(
    shared_data: Path,
) -> None:
    files = sorted((shared_data / "remote_sensing/sentinel2_l2a").glob("*.tif"))
    assert len(files) == 5
    for path in files:
        with pytest.raises(ContractError, match=f"--bands {SENTINEL_2}"):
            GeoTiffLoader()(path)
        assert plan(path, SENTINEL_2) == ("select_bands_by_name", "stretch_percentiles_2_98")


@pytest.mark.shared_data
def test_a_real_file_is_valid_where_any_band_differs_from_its_nodata(shared_data: Path) -> None:
    path = shared_data / "remote_sensing/rasterio_cases/RGB.byte.tif"
    sample = GeoTiffLoader()(path)
    stored = tifffile.imread(path)
    np.testing.assert_array_equal(sample.array, stored)
    np.testing.assert_array_equal(sample.valid, (stored != 0).any(axis=-1))
    assert sample.metadata["crs"] == "EPSG:32618"
    assert sample.units == "srgb8"


def test_pixels_equal_those_that_tifffile_reads(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", values((40, 30, 3)), photometric="RGB", interleave="pixel")
    sample = GeoTiffLoader()(path)
    np.testing.assert_array_equal(sample.array, tifffile.imread(path))
    assert (sample.bands, sample.units, sample.valid) == (("red", "green", "blue"), "srgb8", None)


def test_three_bytes_of_red_green_and_blue_need_no_repair(tmp_path: Path) -> None:
    assert plan(write(tmp_path / "a.tif", values(), photometric="RGB")) == ()


def test_three_bands_without_names_or_colours_are_refused_with_the_line_to_type(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.tif", values(), photometric="MINISBLACK")
    with pytest.raises(ContractError, match=r"--bands red,green,blue$"):
        GeoTiffLoader()(path)
    assert GeoTiffLoader("red,green,blue")(path).bands == ("red", "green", "blue")


def test_bands_are_taken_by_name_and_not_by_position(tmp_path: Path) -> None:
    array = values((6, 5, 4))
    path = write(tmp_path / "a.tif", array, names=("nir", "blue", "green", "red"))
    sample = GeoTiffLoader()(path)
    ready, _ = prepare(sample, CONTRACT, RGB_SCENE.repairs)
    assert ready.repairs == ("select_bands_by_name",)
    np.testing.assert_array_equal(ready.array, array[..., [3, 2, 1]])


def test_a_wrong_number_of_names_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", values(), photometric="RGB")
    with pytest.raises(ContractError, match="3 bands and --bands names 2"):
        GeoTiffLoader("red,green")(path)


def test_alpha_is_the_mask_and_never_a_band(tmp_path: Path) -> None:
    array = values((6, 5, 4))
    array[..., 3] = 255
    array[:2, :, 3] = 0  # 10 of 30 pixels
    path = write(tmp_path / "a.tif", array, photometric="RGB", alpha="YES")
    sample = GeoTiffLoader()(path)
    assert sample.bands == ("red", "green", "blue")
    assert sample.valid_fraction == pytest.approx(2 / 3)


def test_a_named_fourth_byte_is_a_band_although_gdal_wrote_it_as_alpha(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", values((6, 5, 4)), names=("nir", "red", "green", "blue"))
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp[3] == ColorInterp.alpha
    assert GeoTiffLoader()(path).bands == ("nir", "red", "green", "blue")


def test_an_alpha_that_the_option_calls_a_band_is_one(tmp_path: Path) -> None:
    array = values((6, 5, 4))
    array[0, 0, 3] = 0
    path = write(tmp_path / "a.tif", array, photometric="RGB", alpha="YES")
    sample = GeoTiffLoader("red,green,blue,nir")(path)
    np.testing.assert_array_equal(sample.array, array)
    assert sample.valid is None


def test_nodata_and_alpha_both_mask(tmp_path: Path) -> None:
    array = values((6, 5, 4))
    array[..., 3] = 255
    array[0, 0, :3] = 0  # nodata
    array[0, 1, 3] = 0  # transparent
    array[0, 2, 0] = 0  # dark in one band only
    path = write(tmp_path / "a.tif", array, nodata=0, photometric="RGB", alpha="YES")
    valid = GeoTiffLoader()(path).valid
    assert valid is not None
    assert np.argwhere(~valid).tolist() == [[0, 0], [0, 1]]


def test_not_a_number_is_masked_without_a_declared_nodata(tmp_path: Path) -> None:
    array = values(dtype="float32")
    array[1, 2, 0] = np.nan
    sample = GeoTiffLoader()(write(tmp_path / "a.tif", array, names=("red", "green", "blue")))
    assert sample.valid is not None
    assert np.argwhere(~sample.valid).tolist() == [[1, 2]]
    assert sample.units == "digital_number"


def test_a_file_of_only_nodata_is_skipped_with_the_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.zeros((6, 5, 3), "uint8"), nodata=0, photometric="RGB")
    status, reason = read_row(path)
    assert status == "skipped"
    assert "no pixel of it is valid" in reason


def test_a_plain_file_without_any_place_is_accepted_silently(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values())
    recwarn.clear()
    assert "crs" not in GeoTiffLoader()(path).metadata
    assert not recwarn.list


def test_complex_numbers_and_palettes_are_refused(tmp_path: Path) -> None:
    radar = write(tmp_path / "a.tif", values(dtype="complex64"), names=("red", "green", "blue"))
    with pytest.raises(ContractError, match="complex numbers"):
        GeoTiffLoader()(radar)
    palette = write(tmp_path / "b.tif", values((6, 5, 1)), colours=[ColorInterp.palette])
    with pytest.raises(ContractError, match=r"gdal_translate -expand rgb b.tif rgb.tif"):
        GeoTiffLoader()(palette)


@pytest.mark.parametrize("length", [0, 3, 100, 4000])
def test_a_truncated_file_is_a_load_error(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "a.tif", values((64, 64, 3)), photometric="RGB")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(LoadError, match=r"gdalinfo -checksum a.tif"):
        GeoTiffLoader()(path)


def test_a_file_that_is_not_there_is_a_load_error(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no such file"):
        GeoTiffLoader()(tmp_path / "a.tif")


def test_large_rasters_are_read_small_and_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "MAX_PIXELS", 10_000)
    monkeypatch.setattr(cost, "MAX_SIDE_PX", 64)
    array = np.repeat(np.repeat(values((64, 32, 3)), 4, axis=0), 4, axis=1)  # 256 x 128
    sample = GeoTiffLoader()(write(tmp_path / "a.tif", array, photometric="RGB"))
    assert sample.repairs == ("read_decimated",)
    np.testing.assert_array_equal(sample.array, array[::4, ::4])  # means of equal values
    assert (sample.metadata["height_px"], sample.metadata["width_px"]) == (256, 128)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((10_000, 10_000, 3), (10_000, 10_000)),  # exactly 100 megapixels
        ((20_000, 10_000, 3), (8192, 4096)),
        ((10_980, 10_980, 12), (5000, 5000)),  # 300 million values = 5000 * 5000 * 12
        ((1, 200_000_000, 1), (1, 8192)),
    ],
)
def test_what_is_read_stays_within_the_limits(
    size: tuple[int, int, int], expected: tuple[int, int]
) -> None:
    assert cost.read_size_px(*size) == expected


def test_a_giant_without_overviews_is_skipped_with_the_command(tmp_path: Path) -> None:
    path = tmp_path / "a.vrt"
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{i}"><ColorInterp>{c}</ColorInterp></VRTRasterBand>'
        for i, c in enumerate(("Red", "Green", "Blue"), start=1)
    )
    path.write_text(f'<VRTDataset rasterXSize="1000000" rasterYSize="1000000">{bands}</VRTDataset>')
    with pytest.raises(LoadError, match=r"gdaladdo -r average a.vrt"):
        GeoTiffLoader()(path)
