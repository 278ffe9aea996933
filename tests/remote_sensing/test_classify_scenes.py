"""From what a user types to a row for each scene: rasters, scenes of several files, options."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine
from rasterio.warp import transform
from shapely.geometry import box, mapping

from fieldguide.cli import main
from fieldguide.errors import UsageError
from fieldguide.guides import Guide, open_index
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_remote_sensing.geotiff import make_raster_loader

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldguide.zeroshot.classify import Prediction

    Make = Callable[..., Path]

LABELS = ["forest", "river"]
ADVICE = {  # what the reason has to say, by what the table of cases says
    "advise gdalwarp": "gdalwarp",
    "unnamed": "--bands",
    "without a name": "--bands",
    "no valid pixel": "no pixel of it is valid",
    "source file is absent": "is missing",
    "read error": "GDAL cannot read it",
    "nodata 0 masks": "fill_nodata_with_mean",
    "alpha becomes the mask": "fill_nodata_with_mean",
    "order by name": "select_bands_by_name",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def rows(model: str) -> Callable[..., dict[str, Prediction]]:
    """Classify what a user names, with options of the domain; rows by the name of the file."""

    def classify(*inputs: Path, **options: Any) -> dict[str, Prediction]:
        guide = Guide("remote_sensing", model=model, options=options)
        found = guide.classify([str(path) for path in inputs], LABELS)
        return {Path(row.path).name: row for row in found}

    return classify


def scene(path: Path, day: str | None = None, west_m: float = 600_000) -> Path:
    """Write 64 x 64 px of 10 m in UTM zone 32 north."""
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "photometric": "RGB", "height": 64,
               "width": 64, "crs": "EPSG:32632",
               "transform": Affine(10, 0, west_m, 0, -10, 5_100_000)}  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(np.random.default_rng(1).integers(1, 200, (3, 64, 64)).astype("uint8"))
        if day is not None:
            target.update_tags(ns="IMAGERY", ACQUISITIONDATETIME=f"{day} 10:00:00")
    return path


def cases() -> list[dict[str, str]]:
    table = Path(os.environ.get("FIELDGUIDE_TEST_DATA", "")) / "remote_sensing/rasterio_cases"
    if not (table / "expected.csv").is_file():
        return []
    with (table / "expected.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.shared_data
def test_a_folder_of_edge_cases_is_classified_as_its_table_says(
    shared_data: Path, rows: Callable[..., dict[str, Prediction]]
) -> None:
    folder = shared_data / "remote_sensing/rasterio_cases"
    found, table = rows(folder), cases()
    assert set(found) == {case["file"] for case in table}
    assert len(table) == 14
    for case in table:
        row = found[case["file"]]
        outcome = case["expected of the remote-sensing RGB modality"]
        assert {"ok": "accepted"}.get(row.status, row.status) == outcome, (case, row.reason)
        assert bool(row.guesses) == (outcome == "accepted")
        advice = [words for part, words in ADVICE.items() if part in case["why"]]
        assert all(words in row.reason for words in advice), (case, row.reason)
        assert advice or outcome == "accepted"


@pytest.mark.shared_data
def test_reading_the_edge_cases_reaches_what_the_table_says_can_be_opened(
    shared_data: Path, model: str
) -> None:
    guide = Guide("remote_sensing", model=model, options={"bands": "gray"})
    folder = shared_data / "remote_sensing/rasterio_cases"
    for case in cases():
        if case["opens"] == "yes" and "one unnamed" in case["why"]:  # named, it can be read
            sample, _ = guide.show(folder / case["file"])
            assert sample.bands == ("gray",)


def test_a_folder_with_scenes_of_every_kind_gives_a_row_for_each(
    tmp_path: Path, rows: Callable[..., Any], make_safe: Make, make_landsat: Make
) -> None:
    safe = make_safe(tmp_path / "sentinel")
    make_landsat(tmp_path / "landsat")
    (tmp_path / "landsat/LC08_L2SP_195028_20200101_20200113_02_T1_thumb_large.jpeg").touch()
    scene(tmp_path / "single.tif")
    (tmp_path / "item.json").write_text("{}")  # read only where it is named
    found = rows(tmp_path)
    assert {name: row.status for name, row in found.items()} == {
        safe.name: "ok", "landsat": "ok", "single.tif": "ok",
    }  # fmt: skip
    assert "select_bands_by_name" in found["landsat"].reason


def test_the_command_line_takes_a_safe_folder_and_a_stac_item(
    tmp_path: Path, make_safe: Make, write_band: Make, model: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    safe = make_safe(tmp_path)
    assets = {}
    for name in ("red", "green", "blue"):
        write_band(tmp_path / f"{name}.tif", 10, np.arange(14_400).reshape(120, 120))
        assets[name] = {"href": f"{name}.tif", "eo:bands": [{"name": name, "common_name": name}]}
    item = {"type": "Feature", "stac_version": "1.0.0", "properties": {}, "assets": assets}
    (tmp_path / "item.json").write_text(json.dumps(item))
    words = ["classify", str(safe), str(tmp_path / "item.json"), "--domain", "remote_sensing",
             "--classes", "aid", "--model", model]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["fieldguide", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    captured = capsys.readouterr()
    assert (stopped.value.code or 0) == 0, captured.err
    assert "2 ok" in captured.err


def test_dates_choose_scenes_and_the_rest_is_skipped_with_a_reason(
    tmp_path: Path, rows: Callable[..., Any]
) -> None:
    scene(tmp_path / "may.tif", "2022-05-31")
    scene(tmp_path / "june.tif", "2022-06-01")
    scene(tmp_path / "july.tif", "2022-07-01")
    scene(tmp_path / "undated.tif")
    found = rows(tmp_path, after="2022-06-01", before="2022-07-01")
    assert {name: row.status for name, row in found.items()} == {
        "may.tif": "skipped", "june.tif": "ok", "july.tif": "skipped", "undated.tif": "skipped",
    }  # fmt: skip
    assert "before --after" in found["may.tif"].reason
    assert "not before --before" in found["july.tif"].reason
    assert "does not say when it was taken" in found["undated.tif"].reason


def test_dates_of_safe_folders_and_landsat_are_known(
    tmp_path: Path, rows: Callable[..., Any], make_safe: Make, make_landsat: Make
) -> None:
    safe = make_safe(tmp_path)  # 2022-07-11 10:15:59 UTC
    make_landsat(tmp_path / "landsat")  # 2020-01-01 10:04:05 UTC
    found = rows(tmp_path, after="2022-07-11T10:15:00Z", before="2022-07-11T12:16:00+02:00")
    assert (found[safe.name].status, found["landsat"].status) == ("ok", "skipped")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"after": "yesterday"}, "--after 'yesterday' is no date.*--after 2022-06-01"),
        ({"before": "2022-13-01"}, "is no date"),
        ({"after": "2022-07-01", "before": "2022-06-01"}, "No moment is after"),
        ({"gsd": -1.0}, "--gsd -1.0 is no distance"),
        ({"gsd": float("nan")}, "is no distance"),
        ({"aoi": "nowhere.geojson"}, "--aoi nowhere.geojson"),
    ],
)
def test_options_that_cannot_be_meant_end_the_job_before_it_begins(
    tmp_path: Path, rows: Callable[..., Any], options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        rows(scene(tmp_path / "a.tif"), **options)


def test_an_area_chooses_scenes_and_parts_of_them(tmp_path: Path, rows: Callable[..., Any]) -> None:
    scene(tmp_path / "here.tif")
    scene(tmp_path / "there.tif", west_m=700_000)
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    lon, lat = transform(
        "EPSG:32632", "EPSG:4326", [600_100, 600_400], [5_099_500, 5_099_900]
    )[:2]  # fmt: skip
    aoi = tmp_path / "area.geojson"
    aoi.write_text(json.dumps(mapping(box(lon[0], lat[0], lon[1], lat[1]))))
    found = rows(tmp_path, aoi=str(aoi))
    assert {name: row.status for name, row in found.items()} == {
        "here.tif": "ok", "there.tif": "skipped", "plain.png": "refused",
    }  # fmt: skip
    assert found["here.tif"].metadata["height_px"] == pytest.approx(40, abs=2)
    assert "outside the area of area.geojson" in found["there.tif"].reason
    assert "plain picture" in found["plain.png"].reason


def test_plain_pictures_are_read_as_ever_without_an_area(
    tmp_path: Path, rows: Callable[..., Any]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    assert rows(tmp_path)["plain.png"].status == "ok"
    undated = rows(tmp_path, after="2020-01-01")["plain.png"]
    assert "does not say when it was taken" in undated.reason


def test_what_is_not_used_of_a_plain_picture_stands_in_its_row(
    tmp_path: Path, rows: Callable[..., Any]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    row = rows(tmp_path, sensor="sentinel2_l2a", offset=-1000.0)["plain.png"]
    assert (row.status, "--sensor and --offset not used" in row.reason) == ("ok", True)
    assert rows(tmp_path, sensor="rgb")["plain.png"].reason == ""


def test_an_index_of_an_area_is_searched_with_pictures_from_elsewhere(
    tmp_path: Path, model: str
) -> None:
    inside, elsewhere = scene(tmp_path / "a.tif"), scene(tmp_path / "b.tif", west_m=700_000)
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    lon, lat = transform("EPSG:32632", "EPSG:4326", [600_100, 600_400], [5_099_500, 5_099_900])[:2]
    aoi = tmp_path / "area.geojson"
    aoi.write_text(json.dumps(mapping(box(lon[0], lat[0], lon[1], lat[1]))))
    options = {"aoi": str(aoi), "sensor": "naip", "bands": "red,green,blue"}
    Guide("remote_sensing", model=model, options=options).index(inside, tmp_path / "i.fg")
    index = open_index(tmp_path / "i.fg")
    for query in (elsewhere, tmp_path / "plain.png"):
        assert [match.path for match in index.search(image=query)] == [inside.as_posix()]


def test_windows_in_an_index_are_embedded_again_when_they_are_read_otherwise(
    tmp_path: Path, model: str
) -> None:
    path = scene(tmp_path / "a.tif")
    reports = []
    for bands in ("red,green,blue", "red,green,blue", "blue,green,red"):
        guide = Guide("remote_sensing", model=model, options={"bands": bands})
        reports.append(guide.index(path, tmp_path / "i.fg", windows=[64]).report)
    assert [(r.added, r.kept) for r in reports if r] == [(1, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize(("gsd", "size_px"), [(20, 32), (15, 43), (640, 1), (5, 128)])
def test_the_ground_sample_distance_decides_how_many_pixels_are_read(
    tmp_path: Path, model: str, gsd: float, size_px: int
) -> None:
    path = scene(tmp_path / "a.tif")
    sample, _ = Guide("remote_sensing", model=model, options={"gsd": gsd}).show(path)
    assert sample.size_px == (size_px, size_px)
    assert sample.metadata["ground_sample_distance_m"] == 640 / size_px  # in whole pixels
    with rasterio.open(path) as dataset:
        stored = np.moveaxis(dataset.read(), 0, -1).astype(float)
    if gsd == 20:
        means = stored.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
        assert np.abs(sample.array - means).max() <= 0.5


def test_a_ground_sample_distance_needs_a_size_of_pixels(
    tmp_path: Path, rows: Callable[..., Any]
) -> None:
    Image.fromarray(np.full((8, 8, 3), 7, "uint8")).save(tmp_path / "a.tif")
    row = rows(tmp_path / "a.tif", gsd=10.0, bands="red,green,blue")["a.tif"]
    assert (row.status, "no size in metres" in row.reason) == ("refused", True)


def test_a_store_embeds_again_what_other_options_read_otherwise(tmp_path: Path, model: str) -> None:
    path = scene(tmp_path / "a.tif")
    reports = [
        Guide("remote_sensing", model=model, options=options).embed(path, tmp_path / "v.parquet")
        for options in ({}, {}, {"gsd": 20.0}, {"gsd": 20.0}, {"gsd": 40.0})
    ]
    assert [(report.added, report.kept) for report in reports] == [
        (1, 0), (0, 1), (1, 0), (0, 1), (1, 0),
    ]  # fmt: skip


def test_too_fine_a_ground_sample_distance_says_so(
    tmp_path: Path, rows: Callable[..., Any]
) -> None:
    row = rows(scene(tmp_path / "a.tif"), gsd=0.001)["a.tif"]
    assert (row.status, "more than are read at once" in row.reason) == ("skipped", True)


def test_numbers_of_a_safe_folder_become_reflectance(tmp_path: Path, make_safe: Make) -> None:
    sample = make_raster_loader()(make_safe(tmp_path))
    assert (sample.units, sample.metadata["sensor"]) == ("reflectance", "sentinel2_l2a")
    # B04 is the fourth band by name and holds 4000: (4000 - 1000) / 10000
    np.testing.assert_allclose(sample.array[60, 60, sample.bands.index("red")], 0.3, rtol=1e-6)
    assert sample.valid is not None
    assert not sample.valid[:6, :3].any()
    assert sample.metadata["cloud_cover"] == 12.5


def test_numbers_of_landsat_become_reflectance_by_its_own_metadata(
    tmp_path: Path, make_landsat: Make, write_band: Make
) -> None:
    folder = make_landsat(tmp_path / "scene")
    thermal = "LC08_L2SP_195028_20200101_20200113_02_T1_ST_B10.TIF"
    write_band(folder / thermal, 30, 0, nodata=0)  # a hole as large as the scene
    sample = make_raster_loader()(folder)
    assert "lwir11" not in sample.bands
    assert sample.valid is None
    red = sample.array[5, 5, sample.bands.index("red")]  # 13000 * 0.0000275 - 0.2
    np.testing.assert_allclose(red, 0.1575, rtol=1e-5)


def test_a_part_of_a_scene_has_the_values_of_the_whole(tmp_path: Path, make_safe: Make) -> None:
    safe = make_safe(tmp_path)
    lon, lat = transform("EPSG:32632", "EPSG:4326", [600_300, 600_800], [5_099_300, 5_099_800])[:2]
    aoi = tmp_path / "area.geojson"
    aoi.write_text(json.dumps(mapping(box(lon[0], lat[0], lon[1], lat[1]))))
    whole, part = make_raster_loader()(safe), make_raster_loader(aoi=str(aoi))(safe)
    left, top = (part.metadata["transform"][place] for place in (2, 5))
    column, row = round((left - 600_000) / 10), round((5_100_000 - top) / 10)
    height, width = part.size_px
    expected = whole.array[row : row + height, column : column + width]
    np.testing.assert_allclose(part.array, expected, atol=1e-6)
    assert (part.units, part.valid_fraction > 0.8) == ("reflectance", True)
