"""Local STAC Items, written by pystac; hostile ones by hand."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pystac
import pytest
import rasterio

from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide_remote_sensing.scene_files import open_scene

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]

BANDS = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir"}


def item_of(collection: str | None = None, **properties: Any) -> pystac.Item:
    moment = datetime.datetime(2022, 7, 11, 12, 15, 59, tzinfo=datetime.UTC)
    item = pystac.Item("scene", None, None, moment, {"eo:cloud_cover": 3.5, **properties})
    item.collection_id = collection
    return item


def asset(href: str, *bands: dict[str, Any], roles: Any = ("data",), **fields: Any) -> pystac.Asset:
    return pystac.Asset(href, roles=list(roles), extra_fields={"eo:bands": list(bands), **fields})


def save(item: pystac.Item, folder: Path) -> Path:
    path = folder / "item.json"
    path.write_text(json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False)))
    return path


@pytest.fixture
def scene(tmp_path: Path, write_band: Write) -> pystac.Item:
    """An Item of four local bands, the n-th of which holds 100 * n."""
    item = item_of("sentinel-2-l2a", **{"s2:processing_baseline": "05.09"})
    for number, (name, common) in enumerate(BANDS.items(), start=1):
        write_band(tmp_path / "img" / f"{name}.tif", 10, 100 * number)
        item.add_asset(name, asset(f"./img/{name}.tif", {"name": name, "common_name": common}))
    return item


def test_an_item_of_one_band_files_is_one_dataset(tmp_path: Path, scene: pystac.Item) -> None:
    with open_scene(save(scene, tmp_path)) as dataset:
        assert dataset.descriptions == ("blue", "green", "red", "nir")
        assert dataset.read()[:, 3, 3].tolist() == [100, 200, 300, 400]
        assert dataset.tags()["SENSOR"] == "sentinel2_l2a"
        assert dataset.tags()["PROCESSING_BASELINE"] == "05.09"
        imagery = dataset.tags(ns="IMAGERY")
        assert imagery == {"ACQUISITIONDATETIME": "2022-07-11 12:15:59", "CLOUDCOVER": "3.5"}


def test_scale_offset_and_nodata_of_the_raster_extension_are_taken(
    tmp_path: Path, scene: pystac.Item
) -> None:
    facts = [{"scale": 0.0001, "offset": -0.1, "nodata": 0}]
    for entry in scene.assets.values():
        entry.extra_fields["raster:bands"] = facts
    with open_scene(save(scene, tmp_path)) as dataset:
        assert set(dataset.scales) == {0.0001}
        assert set(dataset.offsets) == {-0.1}
        assert set(dataset.nodatavals) == {0}


def test_values_that_have_the_offset_already_do_not_get_it_again(
    tmp_path: Path, scene: pystac.Item
) -> None:
    scene.properties["earthsearch:boa_offset_applied"] = True
    scene.assets["B04"].extra_fields["raster:bands"] = [{"scale": 0.0001, "offset": -0.1}]
    with open_scene(save(scene, tmp_path)) as dataset:
        assert (dataset.scales[2], dataset.offsets[2]) == (0.0001, 0.0)
        assert "SENSOR" not in dataset.tags()  # its offset by baseline would be the wrong one


def test_bands_in_the_form_of_stac_1_1_are_read(tmp_path: Path, write_band: Write) -> None:
    item = item_of()
    write_band(tmp_path / "a.tif", 10, 7)
    band = {"name": "B04", "eo:common_name": "red", "raster:scale": 0.5, "nodata": "nan"}
    item.add_asset("a", pystac.Asset("a.tif", extra_fields={"bands": [band], "raster:offset": 2}))
    with open_scene(save(item, tmp_path)) as dataset:
        assert (dataset.descriptions, dataset.scales, dataset.offsets) == (("red",), (0.5,), (2,))
        assert dataset.nodata is None


def test_one_asset_may_hold_several_bands(tmp_path: Path, write_band: Write) -> None:
    path = write_band(tmp_path / "m.tif", 10, 5)
    with rasterio.open(path) as dataset:
        profile = dict(dataset.profile, count=4)
    with rasterio.open(path, "w", **profile) as target:
        for place in range(1, 5):
            target.write(np.full((120, 120), place, "uint16"), place)
    item = item_of("naip")
    names = [{"name": name, "common_name": name} for name in ("red", "green", "blue", "nir")]
    item.add_asset("image", asset("m.tif", *names))
    with open_scene(save(item, tmp_path)) as dataset:
        assert dataset.descriptions == ("red", "green", "blue", "nir")
        assert dataset.read()[:, 0, 0].tolist() == [1, 2, 3, 4]


def test_bands_that_share_a_common_name_keep_their_own(tmp_path: Path, write_band: Write) -> None:
    item = item_of()
    for name in ("B04", "B05", "B06", "B8A"):
        write_band(tmp_path / f"{name}.tif", 20, 1)
        common = {"B04": "red", "B8A": "nir08"}.get(name, "rededge")
        item.add_asset(name, asset(f"{name}.tif", {"name": name, "common_name": common}))
    with open_scene(save(item, tmp_path)) as dataset:
        assert dataset.descriptions == ("red", "rededge1", "rededge2", "nir08")


def test_the_finest_asset_of_a_band_is_taken_and_pictures_are_left_out(
    tmp_path: Path, scene: pystac.Item, write_band: Write
) -> None:
    write_band(tmp_path / "coarse.tif", 60, 9)
    write_band(tmp_path / "tci.tif", 10, 9)
    coarse = {"name": "B04", "common_name": "red"}
    scene.assets = {"first": asset("coarse.tif", coarse, gsd=60), **scene.assets}
    scene.assets["B04"].extra_fields["gsd"] = 10
    scene.add_asset("tci", asset("tci.tif", {"name": "x", "common_name": "pan"}, roles=["visual"]))
    with open_scene(save(scene, tmp_path)) as dataset:
        assert sorted(name or "" for name in dataset.descriptions) == sorted(BANDS.values())
        assert (dataset.read(dataset.descriptions.index("red") + 1) == 300).all()


def test_bands_on_the_network_are_left_out_where_others_are_here(
    tmp_path: Path, scene: pystac.Item
) -> None:
    scene.assets["B08"].href = "https://example.org/B08.tif"
    (tmp_path / "img/B02.tif").unlink()
    with open_scene(save(scene, tmp_path)) as dataset:
        assert dataset.descriptions == ("green", "red")


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught, open_scene(path) as dataset:
        dataset.read()
    return caught.value


@pytest.mark.parametrize(
    "href", ["https://example.org/B04.tif", "s3://bucket/B04.tif", "/vsicurl/http://x/B04.tif",
             "//host/share/B04.tif"],
)  # fmt: skip
def test_an_item_whose_bands_are_all_on_the_network_says_that_nothing_is_downloaded(
    tmp_path: Path, href: str
) -> None:
    item = item_of()
    item.add_asset("B04", asset(href, {"name": "B04", "common_name": "red"}))
    error = refused(save(item, tmp_path))
    assert isinstance(error, ContractError)
    assert "nothing is downloaded. Fetch them yourself" in str(error)


@pytest.mark.parametrize("href", ["../secret.tif", "img/../../secret.tif", "{outside}"])
def test_an_asset_outside_the_folder_of_the_item_is_refused(
    tmp_path: Path, write_band: Write, href: str
) -> None:
    outside = write_band(tmp_path / "secret.tif", 10, 5)
    (tmp_path / "scene").mkdir()
    item = item_of()
    item.add_asset("a", asset(href.format(outside=outside), {"name": "B04", "common_name": "red"}))
    error = refused(save(item, tmp_path / "scene"))
    assert isinstance(error, ContractError)
    assert "outside the scene's own folder" in str(error)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    item = item_of()
    item.add_asset("a", asset("gone.tif", {"name": "B04", "common_name": "red"}))
    error = refused(save(item, tmp_path))
    assert isinstance(error, LoadError)
    assert "its file gone.tif is missing" in str(error)


VALID: dict[str, Any] = {
    "type": "Feature", "stac_version": "1.0.0", "properties": {"datetime": None},
    "assets": {"a": {"href": "a.tif", "eo:bands": [{"name": "B04", "common_name": "red"}]}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no STAC Item"),
        ({"type": "FeatureCollection", "features": []}, "no STAC Item"),
        ({**VALID, "type": "Collection"}, "is a STAC Collection and not an Item"),
        ({**VALID, "assets": []}, "'assets' is not an object"),
        ({**VALID, "properties": None}, "'properties' is not an object"),
        ({**VALID, "assets": {}}, "none of its assets"),
        ({**VALID, "assets": {"a": 5, "b": None, "c": []}}, "none of its assets"),
        ({**VALID, "assets": {"a": {"href": "a.tif", "eo:bands": [5, None]}}}, "none of its"),
        ({**VALID, "assets": {"a": {"href": 5, "eo:bands": [{"name": "B04"}]}}}, "none of its"),
        ({**VALID, "assets": {"a": {"href": "a\x00.tif", "eo:bands": [{}]}}}, "names no file"),
        ({**VALID, "assets": {"a": {"href": "x" * 5000 + ".tif", "eo:bands": [{}]}}}, "missing"),
        ({**VALID, "assets": {"a": {"href": "a.vrt", "eo:bands": [{}]}}}, "none of its assets"),
    ],
)
def test_what_is_no_item_ends_in_a_reason(tmp_path: Path, content: Any, reason: str) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "item.json").write_text(text)
    assert reason in str(refused(tmp_path / "item.json"))


@pytest.mark.parametrize(
    "facts",
    [
        {"scale": "1e400"}, {"scale": {}}, {"offset": [1]}, {"nodata": "<x>"}, {"nodata": 1e300},
        {"scale": float("nan")},
    ],
)  # fmt: skip
def test_numbers_that_no_product_has_are_not_taken(
    tmp_path: Path, scene: pystac.Item, facts: dict[str, Any]
) -> None:
    scene.assets["B04"].extra_fields["raster:bands"] = [facts]
    scene.properties |= {"eo:cloud_cover": "many", "datetime": "soon"}
    content = scene.to_dict(include_self_link=False, transform_hrefs=False)
    content["properties"]["datetime"] = "soon"
    (tmp_path / "item.json").write_text(json.dumps(content))
    with open_scene(tmp_path / "item.json") as dataset:
        assert (dataset.scales[2], dataset.offsets[2], dataset.nodatavals[2]) == (1, 0, None)
        assert dataset.tags(ns="IMAGERY") == {}
