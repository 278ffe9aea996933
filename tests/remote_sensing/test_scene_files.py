"""Scenes of several files become one dataset: names, values, scale, tags, one grid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import Affine

from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide_remote_sensing.scene_files import open_scene

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Write = Callable[..., Path]

L2A_BANDS = ("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08",
             "nir09", "swir16", "swir22")  # fmt: skip
TILE = "T32TQM_20220711T101559"


def refused(path: Path, error: type[InputError], reason: str) -> None:
    with pytest.raises(error, match=reason), open_scene(path) as dataset:
        dataset.read()


def test_a_safe_folder_is_one_dataset_of_named_bands_on_the_ten_metre_grid(
    tmp_path: Path, make_safe: Make
) -> None:
    with open_scene(make_safe(tmp_path)) as dataset:
        assert dataset.descriptions == L2A_BANDS
        assert dataset.transform == Affine(10, 0, 600_000, 0, -10, 5_100_000)
        assert (dataset.height, dataset.width, dataset.crs.to_epsg()) == (120, 120, 32632)
        values = dataset.read()[:, 60, 60].tolist()
    # Sorted by name, B01 is the first band and holds 1000; B10, the tenth, is not in L2A.
    order = sorted(["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10",
                    "B11", "B12"])  # fmt: skip
    named = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]
    assert values == [1000 * (order.index(name) + 1) for name in named]


def test_level_1c_has_thirteen_bands(tmp_path: Path, make_safe: Make) -> None:
    with open_scene(make_safe(tmp_path, "L1C")) as dataset:
        assert dataset.descriptions == (*L2A_BANDS[:10], "cirrus", *L2A_BANDS[10:])
        assert dataset.tags()["SENSOR"] == "sentinel2_l1c"
        assert dataset.offsets == (-0.1,) * 13


def test_scale_offset_and_nodata_are_what_the_product_says(tmp_path: Path, make_safe: Make) -> None:
    with open_scene(make_safe(tmp_path)) as dataset:
        # reflectance = (stored - 1000) / 10000: 3000 is 0.2
        assert dataset.scales == (0.0001,) * 12
        assert dataset.offsets == (-0.1,) * 12
        assert dataset.nodatavals == (0.0,) * 12
        masks = dataset.read_masks()
        assert not masks[:, :3, :3].any()
        assert masks[:, 12:, 12:].all()


def test_products_from_before_the_offset_have_none(tmp_path: Path, make_safe: Make) -> None:
    with open_scene(make_safe(tmp_path, offset=0)) as dataset:
        assert dataset.offsets == (0.0,) * 12


def test_a_safe_folder_says_sensor_level_baseline_time_and_clouds(
    tmp_path: Path, make_safe: Make
) -> None:
    with open_scene(make_safe(tmp_path)) as dataset:
        tags = dataset.tags()
        assert tags["SENSOR"] == "sentinel2_l2a"
        assert tags["PROCESSING_LEVEL"] == "L2A"
        assert tags["PROCESSING_BASELINE"] == "04.00"
        imagery = dataset.tags(ns="IMAGERY")
        assert imagery == {"ACQUISITIONDATETIME": "2022-07-11 10:15:59", "CLOUDCOVER": "12.5"}


def test_a_coarser_band_is_bilinear_between_its_pixels(tmp_path: Path, make_safe: Make) -> None:
    safe = make_safe(tmp_path)
    (coarse,) = safe.rglob(f"{TILE}_B11_20m.jp2")
    with rasterio.open(coarse) as dataset:
        profile = dict(dataset.profile, QUALITY="100", REVERSIBLE="YES")
    ramp = np.tile(np.arange(60, dtype="uint16") * 100 + 1000, (60, 1))
    with rasterio.open(coarse, "w", **profile) as target:
        target.write(ramp, 1)
    with open_scene(safe) as dataset:
        row = dataset.read(11)[50]
    # Centres of 10 m pixels lie a quarter of a coarse pixel beside its centre: 1000 + 25, + 75 ...
    assert row[1:-1].tolist() == [1000 + 25 + 50 * i for i in range(118)]


def test_landsat_files_of_one_folder_are_one_scene(tmp_path: Path, make_landsat: Make) -> None:
    with open_scene(make_landsat(tmp_path / "scene")) as dataset:
        names = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
        assert dataset.descriptions == names
        assert dataset.read()[:, 5, 5].tolist() == [9000 + 1000 * n for n in range(1, 8)]
        # Level 2, not the factors of Level 1 that stand in the same file.
        assert set(dataset.scales) == {2.75e-05}
        assert set(dataset.offsets) == {-0.2}
        assert dataset.tags()["SENSOR"] == "landsat_8"
        imagery = dataset.tags(ns="IMAGERY")
        assert imagery == {"ACQUISITIONDATETIME": "2020-01-01 10:04:05", "CLOUDCOVER": "7.25"}


def test_level_1_of_landsat_is_divided_by_the_sine_of_the_suns_elevation(
    tmp_path: Path, make_landsat: Make
) -> None:
    folder = make_landsat(tmp_path, "LC08_L1TP_195028_20200101_20200113_02_T1")
    for path in folder.glob("*_SR_B*.TIF"):
        path.rename(folder / path.name.replace("_SR_B", "_B"))
    with open_scene(folder) as dataset:  # the sine of 30 degrees is a half
        assert dataset.scales == pytest.approx((4e-05,) * 7)
        assert dataset.offsets == pytest.approx((-0.2,) * 7)
        assert "SENSOR" not in dataset.tags()


@pytest.mark.parametrize(
    ("names", "bands", "sensor", "moment"),
    [
        (
            ["HLS.S30.T32TQM.2020183T101559.v2.0.B8A.tif",
             "HLS.S30.T32TQM.2020183T101559.v2.0.B04.tif",
             "HLS.S30.T32TQM.2020183T101559.v2.0.B09.tif"],
            ("red", "nir08", "nir09"), "hls_sentinel2", "2020-07-01 10:15:59",
        ),
        (
            ["HLS.L30.T32TQM.2020001T101559.v2.0.B05.tif"],
            ("nir08",), "hls_landsat", "2020-01-01 10:15:59",
        ),
        ([f"{TILE}_B03_10m.jp2", f"{TILE}_B02_10m.jp2"], ("blue", "green"), "sentinel2_l2a",
         "2022-07-11 10:15:59"),
        ([f"{TILE}_B8A.jp2"], ("nir08",), "sentinel2_l1c", "2022-07-11 10:15:59"),
        (
            ["LE07_L2SP_195028_20030101_20200113_02_T1_SR_B4.TIF",
             "LE07_L2SP_195028_20030101_20200113_02_T1_SR_B3.TIF",
             "LE07_L2SP_195028_20030101_20200113_02_T1_ST_B6.TIF"],
            ("red", "nir08"), "landsat_7", "2003-01-01",
        ),
    ],
)  # fmt: skip
def test_files_are_known_by_the_names_that_agencies_give_them(
    tmp_path: Path,
    write_band: Write,
    names: list[str],
    bands: tuple[str, ...],
    sensor: str,
    moment: str,
) -> None:
    for name in names:
        write_band(tmp_path / name, 30, 500)
    with open_scene(tmp_path) as dataset:
        assert dataset.descriptions == bands
        assert dataset.tags()["SENSOR"] == sensor
        assert dataset.tags(ns="IMAGERY")["ACQUISITIONDATETIME"] == moment


def test_bands_of_two_scenes_in_one_folder_are_refused(tmp_path: Path, make_landsat: Make) -> None:
    make_landsat(tmp_path)
    make_landsat(tmp_path, "LC09_L2SP_195028_20220101_20220113_02_T1")
    refused(tmp_path, ContractError, "bands of 2 scenes .*a folder of its own")


def test_the_finest_file_of_a_band_is_taken(tmp_path: Path, write_band: Write) -> None:
    write_band(tmp_path / f"{TILE}_B04_20m.jp2", 20, 222)
    write_band(tmp_path / f"{TILE}_B04_10m.jp2", 10, 111)
    with open_scene(tmp_path) as dataset:
        assert (dataset.count, dataset.res) == (1, (10, 10))
        assert (dataset.read() == 111).all()


def test_the_own_scale_of_a_file_wins(tmp_path: Path, write_band: Write) -> None:
    path = write_band(tmp_path / "HLS.L30.T32TQM.2020001T101559.v2.0.B04.tif", 30, 500)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets, target.nodata = (0.5,), (3.0,), 7
    with open_scene(tmp_path) as dataset:
        assert (dataset.scales, dataset.offsets, dataset.nodata) == ((0.5,), (3.0,), 7)


def test_a_panchromatic_grid_that_lies_half_a_pixel_aside_is_cut_to_what_all_cover(
    tmp_path: Path, write_band: Write
) -> None:
    scene = "LC08_L1TP_195028_20200101_20200113_02_T1"
    write_band(tmp_path / f"{scene}_B4.TIF", 30, 400)
    aside = Affine(15, 0, 600_007.5, 0, -15, 5_099_992.5)  # as USGS places band 8
    write_band(tmp_path / f"{scene}_B8.TIF", 15, 800, transform=aside)
    with open_scene(tmp_path) as dataset:
        assert dataset.transform == aside
        assert (dataset.height, dataset.width) == (79, 79)  # 1192.5 m hold 79 whole pixels
        assert (dataset.read(1) == 400).all()
        assert (dataset.read(2) == 800).all()


def test_bands_of_several_types_are_read_as_one_type_that_holds_both(
    tmp_path: Path, write_band: Write
) -> None:
    write_band(tmp_path / f"{TILE}_B03.tif", 10, 65_535)
    write_band(tmp_path / f"{TILE}_B04.tif", 10, -5, dtype="int16")
    with open_scene(tmp_path) as dataset:
        assert dataset.read()[:, 0, 0].tolist() == [65_535, -5]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"crs": "EPSG:32633"}, "different coordinate systems"),
        ({"crs": None}, "names no coordinate system"),
        ({"transform": Affine(10, 0, 700_000, 0, -10, 5_100_000)}, "cover different areas"),
        ({"height": 60}, "cover different areas"),
        ({"transform": Affine(10, 1, 600_000, 1, -10, 5_100_000)}, "not north up"),
    ],
)
def test_files_that_do_not_lie_on_one_grid_are_refused(
    tmp_path: Path, write_band: Write, options: dict[str, Any], reason: str
) -> None:
    write_band(tmp_path / f"{TILE}_B03.tif", 10, 5)
    write_band(tmp_path / f"{TILE}_B04.tif", 10, 5, **options)
    refused(tmp_path, ContractError, reason)


def test_a_file_of_several_bands_is_no_band(tmp_path: Path, write_band: Write) -> None:
    path = write_band(tmp_path / f"{TILE}_B04.tif", 10, 5)
    with rasterio.open(path) as dataset:
        profile = dict(dataset.profile, count=3)
    with rasterio.open(path, "w", **profile):
        pass
    refused(tmp_path, ContractError, "has 3 bands and not just red")


def test_a_folder_without_bands_says_what_it_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    refused(tmp_path, LoadError, "holds no band of a scene that is known by its file name")


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ("no metadata", LoadError, "it has none. Unpack"),
        ("broken metadata", LoadError, "MTD_MSIL2A.xml is broken"),
        ("a document type", LoadError, "declares a document type"),
        ("a wrong number", LoadError, "not a number that a product can have"),
        ("no granule", LoadError, "GRANULE"),
        ("two granules", ContractError, "holds 2 granules"),
        ("no images", LoadError, "holds no band"),
        ("a broken image", LoadError, "gdalinfo -checksum"),
        ("a text as image", LoadError, "gdalinfo -checksum"),
    ],
)
def test_a_damaged_safe_folder_ends_in_a_reason(
    tmp_path: Path, make_safe: Make, change: str, error: type[InputError], reason: str
) -> None:
    safe = make_safe(tmp_path)
    metadata, granules = safe / "MTD_MSIL2A.xml", safe / "GRANULE"
    (granule,) = granules.iterdir()
    (red,) = safe.rglob(f"{TILE}_B04_10m.jp2")
    text = metadata.read_text()
    bomb = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;&b;">]>'
    {
        "no metadata": metadata.unlink,
        "broken metadata": lambda: metadata.write_text(text[:500]),
        "a document type": lambda: metadata.write_text(text.replace("?>", "?>" + bomb, 1)),
        "a wrong number": lambda: metadata.write_text(text.replace(">-1000<", ">nan<", 1)),
        "no granule": lambda: granules.rename(safe / "EMPTY"),
        "two granules": lambda: (granules / "second/IMG_DATA").mkdir(parents=True),
        "no images": lambda: [path.unlink() for path in granule.rglob("*.jp2")],
        "a broken image": lambda: red.write_bytes(red.read_bytes()[:200]),
        "a text as image": lambda: red.write_text("<VRTDataset></VRTDataset>"),
    }[change]()
    refused(safe, error, reason)


@pytest.mark.parametrize(
    ("old", "new"),
    [("-0.2", "lots"), ("2.75e-05", "inf"), ("= 7.25", "= nan"), ("GROUP", "GROUP\x00")],
)
def test_a_damaged_landsat_metadata_file_is_a_reason_or_not_used(
    tmp_path: Path, make_landsat: Make, old: str, new: str
) -> None:
    folder = make_landsat(tmp_path)
    (metadata,) = folder.glob("*_MTL.txt")
    metadata.write_text(metadata.read_text().replace(old, new))
    try:
        with open_scene(folder) as dataset:
            assert np.isfinite([*dataset.scales, *dataset.offsets]).all()
    except LoadError as error:
        assert "_MTL.txt is broken" in str(error)


def test_landsat_metadata_in_json_say_the_same(tmp_path: Path, make_landsat: Make) -> None:
    folder = make_landsat(tmp_path)
    (metadata,) = folder.glob("*_MTL.txt")
    factors = {f"REFLECTANCE_{kind}_BAND_{n}": value for n in range(1, 8)
               for kind, value in (("MULT", "2.75e-05"), ("ADD", "-0.2"))}  # fmt: skip
    groups = {
        "IMAGE_ATTRIBUTES": {"DATE_ACQUIRED": "2020-01-01", "SCENE_CENTER_TIME": "10:04:05.1Z"},
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": factors,
    }
    metadata.with_suffix(".json").write_text(json.dumps({"LANDSAT_METADATA_FILE": groups}))
    metadata.unlink()
    with open_scene(folder) as dataset:
        assert (set(dataset.scales), set(dataset.offsets)) == ({2.75e-05}, {-0.2})
        assert dataset.tags(ns="IMAGERY") == {"ACQUISITIONDATETIME": "2020-01-01 10:04:05"}


def test_names_with_signs_that_xml_knows_are_read(tmp_path: Path, make_safe: Make) -> None:
    with open_scene(make_safe(tmp_path / 'a & b <"c">')) as dataset:
        assert dataset.read(4)[60, 60] == 4000


def test_decimated_reads_take_the_mean_of_what_they_cover(
    tmp_path: Path, write_band: Write
) -> None:
    ramp = np.arange(120 * 120).reshape(120, 120) % 5000 + 1  # 0 is nodata
    write_band(tmp_path / f"{TILE}_B04.tif", 10, ramp)
    with open_scene(tmp_path) as dataset:
        read = dataset.read(1, out_shape=(30, 30), resampling=Resampling.average)
    expected = ramp.reshape(30, 4, 30, 4).mean(axis=(1, 3))
    assert np.abs(read - expected).max() <= 0.5  # whole numbers
