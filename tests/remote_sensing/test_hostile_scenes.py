"""Metadata of scenes and areas of interest as a stranger may have changed them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fieldguide.errors import InputError, LoadError, UsageError
from fieldguide_remote_sensing.aoi import Area
from fieldguide_remote_sensing.scene_files import open_scene

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]

changes = st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=6)), max_size=6)
quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example writes its own file
)
AREA = json.dumps(
    {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [
        [[10.1, 46], [10.2, 46], [10.2, 46.1], [10.1, 46]]]}}
)  # fmt: skip


def changed(content: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    for place, new in edits:
        at = place % (len(content) + 1)
        content = content[:at] + new + content[at + len(new) :]
    return content


def opens_or_says_why(path: Path) -> None:
    try:
        with open_scene(path) as dataset:
            assert dataset.count >= 1
    except InputError as error:
        assert str(error)


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


@quick
@given(edits=changes)
def test_changed_metadata_of_a_safe_folder_open_it_or_say_why(
    safe: Path, make_safe: Make, edits: list[tuple[int, bytes]]
) -> None:
    scenes = list(safe.glob("*.SAFE")) or [make_safe(safe)]
    metadata = scenes[0] / "MTD_MSIL2A.xml"
    sound = metadata.read_bytes()
    metadata.write_bytes(changed(sound, edits))
    opens_or_says_why(scenes[0])
    metadata.write_bytes(sound)


@quick
@given(edits=changes)
def test_changed_metadata_of_landsat_open_it_or_say_why(
    tmp_path: Path, make_landsat: Make, edits: list[tuple[int, bytes]]
) -> None:
    folder = tmp_path if list(tmp_path.glob("*.TIF")) else make_landsat(tmp_path)
    (metadata,) = folder.glob("*_MTL.txt")
    sound = metadata.read_bytes()
    metadata.write_bytes(changed(sound, edits))
    opens_or_says_why(folder)
    metadata.write_bytes(sound)


@quick
@given(edits=changes)
def test_a_changed_stac_item_opens_or_says_why(
    tmp_path: Path, write_band: Make, edits: list[tuple[int, bytes]]
) -> None:
    write_band(tmp_path / "a.tif", 60, 5)
    band = {"name": "B04", "common_name": "red"}
    item = {"type": "Feature", "stac_version": "1.0.0",
            "properties": {"datetime": "2022-07-11T10:15:59Z", "eo:cloud_cover": 3},
            "assets": {"a": {"href": "a.tif", "eo:bands": [band],
                             "raster:bands": [{"scale": 0.5, "nodata": 0}]}}}  # fmt: skip
    path = tmp_path / "item.json"
    path.write_bytes(changed(json.dumps(item).encode(), edits))
    opens_or_says_why(path)


@quick
@given(edits=changes)
def test_a_changed_area_is_read_or_an_error_of_usage(
    tmp_path: Path, edits: list[tuple[int, bytes]]
) -> None:
    path = tmp_path / "area.geojson"
    path.write_bytes(changed(AREA.encode(), edits))
    try:
        assert Area.read(path).shape.area >= 0
    except UsageError as error:
        assert "--aoi" in str(error)


def test_metadata_larger_than_any_product_has_are_not_read(tmp_path: Path, make_safe: Make) -> None:
    safe = make_safe(tmp_path)
    with (safe / "MTD_MSIL2A.xml").open("a") as stream:
        stream.write(" " * 2**24)
    with pytest.raises(LoadError, match="larger than 16 MiB"), open_scene(safe):
        pass


def test_folders_that_lead_back_to_themselves_come_to_an_end(
    tmp_path: Path, make_safe: Make
) -> None:
    safe = make_safe(tmp_path)
    shutil.rmtree(safe / "GRANULE")
    (safe / "GRANULE").symlink_to(safe, target_is_directory=True)
    with pytest.raises(InputError, match="granules"), open_scene(safe):
        pass
