"""Captions from metadata: what is said, what is left out, and what cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import rasterio

import fieldguide as fg
from fieldguide.captions.seasons import season_of
from fieldguide.errors import ContractError, LoadError
from fieldguide_remote_sensing.facts_caption import facts_caption

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"date": "2021-07-30"}, "An image, taken in July 2021."),
        ({"date": 2021}, "An image, taken in 2021."),
        ({"captured_at": "2021-07-30T10:00:00+00:00", "lat": 48.1},
         "An image, taken in July 2021, in summer."),
        ({"date": "2021-07-30", "south_deg": -36.0, "north_deg": -34.0},
         "An image, taken in July 2021, in winter."),
        ({"date": "2021-07-30", "lat": 1.3}, "An image, taken in July 2021."),
        ({"lat": 48.1}, None),
        ({"place": "Bergen", "country": "Norway"}, "An image near Bergen, in Norway."),
        ({"gsd_m": 0.3}, "A very high resolution image (0.3 m per pixel)."),
        ({"gsd": 10}, "A high resolution image (10 m per pixel)."),
        ({"gsd": 30}, "A medium resolution image (30 m per pixel)."),
        ({"gsd": 1000}, "A low resolution image (1000 m per pixel)."),
        ({"ground_sample_distance_m": 9.9973}, "A high resolution image (10 m per pixel)."),
        ({"cloud_cover": 0}, "An image with no clouds."),
        ({"eo:cloud_cover": 12.5}, "An image with few clouds."),
        ({"cloud_cover": 50}, "An image with scattered clouds."),
        ({"cloud_cover": 80}, "An image with broken clouds."),
        ({"cloud_cover": 100}, "An image with an overcast sky."),
        ({"label": "forest", "date": "", "gsd_m": None}, None),
    ],
)  # fmt: skip
def test_the_first_sentence_has_all_facts_and_no_other(row: dict[str, Any], text: str) -> None:
    captions = facts_caption(row)
    assert (captions[0] if captions else None) == text


def test_each_fact_has_a_sentence_of_its_own() -> None:
    row = {"date": "2020-01-05", "lat": 60, "country": "Finland", "gsd_m": 10, "cloud_cover": 5}
    assert list(facts_caption(row)) == [
        "A high resolution image (10 m per pixel) with few clouds in Finland, taken in January "
        "2020, in winter.",
        "The image was taken in January 2020.",
        "It is winter in the image.",
        "The image shows a place in Finland.",
        "A high resolution image, 10 m per pixel.",
        "An image with few clouds.",
    ]


@pytest.mark.parametrize(
    ("month", "north", "south"),
    [(1, "winter", "summer"), (2, "winter", "summer"), (3, "spring", "autumn"),
     (6, "summer", "winter"), (9, "autumn", "spring"), (11, "autumn", "spring"),
     (12, "winter", "summer")],
)  # fmt: skip
def test_seasons_of_the_two_hemispheres(month: int, north: str, south: str) -> None:
    assert (season_of(month, 50), season_of(month, -50)) == (north, south)
    assert season_of(month, 10) is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"date": "2021-13-01"}, "Write it as"),
        ({"date": "30.7.2021"}, "Write it as"),
        ({"date": "soon"}, "Write it as"),
        ({"lat": 100}, "lat is 100, not a number from -90 to 90"),
        ({"cloud_cover": 120}, "cloud_cover is 120"),
        ({"cloud_cover": float("nan")}, "cloud_cover is nan"),
        ({"cloud_cover": "few"}, "cloud_cover is 'few'"),
        ({"gsd_m": 0}, "gsd_m is 0"),
        ({"gsd_m": -10}, "gsd_m is -10"),
        ({"place": 7}, "name of a place is 7"),
    ],
)
def test_a_fact_that_cannot_be_is_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        facts_caption(row)


def test_a_manifest_becomes_captions_and_a_column_can_be_set_for_all(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,date,cloud_cover\na.tif,2021-07-30,3\nb.tif,never,3\n")
    made = fg.make_captions(manifest, "facts_caption", columns={"gsd_m": 10}, per_image=1)
    assert [row.caption for row in made] == [
        "A high resolution image (10 m per pixel) with few clouds, taken in July 2021."
    ]
    ((name, reason),) = made.skipped
    assert name.endswith("b.tif") and "Write it as" in reason


def test_a_raster_says_where_and_when_it_was_taken_unless_the_row_does(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    size = {"width": 4, "height": 4, "count": 1, "dtype": "uint8"}
    grid = {"transform": rasterio.Affine(10, 0, 5e5, 0, -10, 6e6), "crs": "EPSG:32733"}  # 36 S
    with rasterio.open(path, "w", driver="GTiff", **size, **grid) as file:
        file.update_tags(ns="IMAGERY", ACQUISITIONDATETIME="2021-07-30 10:00:00")
    row = {"path": str(path)}
    whole = "A high resolution image (10 m per pixel), taken in July 2021, in winter."
    assert facts_caption(row)[0] == whole
    assert "in summer" in facts_caption(row | {"date": "2021-01-30"})[0]
    assert "(0.5 m per pixel)" in facts_caption(row | {"gsd_m": 0.5})[0]
    path.write_bytes(b"no raster")
    with pytest.raises(LoadError):
        facts_caption(row)
