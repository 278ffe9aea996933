"""Indices and what is said of them: by hand, against rasterio-free arithmetic, and read back."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import ContractError, LoadError, UsageError
from fieldguide.samples import DIGITAL_NUMBER, REFLECTANCE, Sample
from fieldguide_remote_sensing.spectral_captions import (
    cover_shares,
    describe_shares,
    read_spectral_caption,
    spectral_caption,
    spectral_covers,
)
from fieldguide_remote_sensing.spectral_index import missing_bands, spectral_index

if TYPE_CHECKING:
    from pathlib import Path

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
# Typical reflectances of surfaces: blue, green, red, nir, swir16, swir22.
FOREST = (0.03, 0.05, 0.03, 0.40, 0.18, 0.08)
MEADOW = (0.06, 0.10, 0.12, 0.25, 0.30, 0.20)
LAKE = (0.06, 0.05, 0.03, 0.02, 0.01, 0.01)
SNOW = (0.90, 0.90, 0.88, 0.80, 0.10, 0.08)
ROOFS = (0.18, 0.20, 0.22, 0.25, 0.30, 0.28)


def scene(*surfaces: tuple[float, ...], **changes: Any) -> Sample:
    """Return a scene of one pixel a surface."""
    array = np.array([surfaces], np.float32)
    return Sample(**{"array": array, "bands": BANDS, "units": REFLECTANCE} | changes)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("NDVI", 3, 2),
        ("NDWI", 1, 3),
        ("NDBI", 4, 3),
        ("NBR", 3, 5),
        ("NDSI", 1, 4),
        ("MNDWI", 1, 4),
    ],
)
def test_normalised_differences_are_those_of_their_papers(
    name: str, first: int, second: int
) -> None:
    found = spectral_index(scene(FOREST, LAKE, SNOW, ROOFS), name)[0]
    by_hand = [(s[first] - s[second]) / (s[first] + s[second]) for s in (FOREST, LAKE, SNOW, ROOFS)]
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)


def test_bands_are_found_by_name_in_any_order_and_nir08_may_stand_for_nir() -> None:
    array = np.array([[[0.4, 0.1]]], np.float32)
    sample = Sample(array, ("nir08", "red"), REFLECTANCE)
    assert spectral_index(sample, "NDVI")[0, 0] == pytest.approx(0.6)


def test_where_there_is_no_data_or_no_light_the_index_is_nan() -> None:
    sample = scene(FOREST, (0.0,) * 6, FOREST, valid=np.array([[True, True, False]]))
    assert np.isnan(spectral_index(sample, "NDVI")).tolist() == [[False, True, True]]


def test_digital_numbers_are_refused_with_what_to_do() -> None:
    for act in (lambda s: spectral_index(s, "NDVI"), cover_shares):
        with pytest.raises(ContractError, match=r"digital_number, not reflectance.*sensor=NAME"):
            act(scene(FOREST, units=DIGITAL_NUMBER))


def test_unknown_indices_and_missing_bands_are_named() -> None:
    with pytest.raises(UsageError, match="Did you mean NDVI"):
        spectral_index(scene(FOREST), "NDVII")
    rgb = Sample(np.ones((1, 1, 3), np.float32), ("red", "green", "blue"), REFLECTANCE)
    with pytest.raises(ContractError, match="NDVI needs the band 'nir'; there are red, green"):
        spectral_index(rgb, "NDVI")
    assert missing_bands(rgb, "NBR") == ["nir", "swir22"]


@pytest.mark.parametrize(
    ("surface", "cover"),
    [(FOREST, "dense_vegetation"), (MEADOW, "sparse_vegetation"), (LAKE, "open_water"),
     (SNOW, "snow"), (ROOFS, "built_up")],
)  # fmt: skip
def test_each_surface_is_taken_for_one_cover_and_no_other(
    surface: tuple[float, ...], cover: str
) -> None:
    shares = cover_shares(scene(surface))
    assert {name for name, share in shares.items() if share} == {cover}


def test_shares_are_of_pixels_with_data() -> None:
    sample = scene(LAKE, FOREST, FOREST, ROOFS, valid=np.array([[True, True, True, False]]))
    shares = cover_shares(sample)
    assert shares["open_water"] == pytest.approx(1 / 3)
    assert shares["dense_vegetation"] == pytest.approx(2 / 3)
    assert shares["built_up"] == 0


def test_a_cover_whose_bands_are_missing_is_not_spoken_of() -> None:
    sample = Sample(np.array([[LAKE[:4]]], np.float32), BANDS[:4], REFLECTANCE)
    assert set(cover_shares(sample)) == {"dense_vegetation", "sparse_vegetation", "open_water"}


@given(st.lists(st.tuples(*[st.floats(0, 1.25, width=32)] * 6), min_size=1, max_size=20))
def test_no_pixel_is_two_covers(pixels: list[tuple[float, ...]]) -> None:
    assert sum(cover_shares(scene(*pixels)).values()) <= 1 + 1e-9


@given(
    st.dictionaries(
        st.sampled_from([cover.id for cover in spectral_covers().covers]), st.floats(0, 1)
    ),
    st.integers(0, 1000),
)
def test_captions_read_back_to_ranges_that_hold_the_shares(
    shares: dict[str, float], seed: int
) -> None:
    captions = describe_shares(shares, Random(seed))
    said = {found.cover: found for found in map(read_spectral_caption, captions)}
    assert set(said) == {cover for cover, share in shares.items() if share >= 0.05}
    for cover, found in said.items():
        assert found.least <= shares[cover] < found.below


def test_sentences_of_a_lake_in_a_forest() -> None:
    texts = {
        text
        for seed in range(50)
        for text in describe_shares({"open_water": 0.33, "dense_vegetation": 0.65}, Random(seed))
    }
    assert "Open water covers a third of the scene." in texts
    assert "A scene of mostly dense vegetation." in texts
    assert not any("mostly open water" in text for text in texts)


@pytest.mark.parametrize(
    "text", ["", "A scene of mostly gold.", "Open water covers  of the scene."]
)
def test_other_texts_are_not_read(text: str) -> None:
    with pytest.raises(UsageError):
        read_spectral_caption(text)


def test_every_threshold_names_its_source() -> None:
    assert all(len(cover.source) > 40 for cover in spectral_covers().covers)


def test_a_raster_of_digital_numbers_gives_no_caption(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    size = {"width": 4, "height": 4, "count": 2, "dtype": "uint16"}
    grid = {"transform": rasterio.Affine(10, 0, 0, 0, -10, 0), "crs": "EPSG:32632"}
    with rasterio.open(path, "w", driver="GTiff", **size, **grid) as file:
        file.write(np.full((2, 4, 4), 900, np.uint16))
        file.descriptions = ("red", "nir")
    with pytest.raises(ContractError, match="not reflectance"):
        spectral_caption({"path": str(path)})
    with pytest.raises(LoadError):
        spectral_caption({"path": str(tmp_path / "none.tif")})
    with pytest.raises(ContractError, match="names no raster"):
        spectral_caption({})


def test_a_raster_with_scale_in_its_file_is_described(tmp_path: Path) -> None:
    path = tmp_path / "lake.tif"
    size = {"width": 3, "height": 1, "count": 4, "dtype": "uint16"}
    grid = {"transform": rasterio.Affine(10, 0, 0, 0, -10, 0), "crs": "EPSG:32632"}
    values = np.array([[LAKE[:4], FOREST[:4], FOREST[:4]]]) * 10_000  # (1, 3, 4)
    with rasterio.open(path, "w", driver="GTiff", **size, **grid) as file:
        file.write(np.moveaxis(values, -1, 0).round().astype(np.uint16))
        file.descriptions = BANDS[:4]
        file.scales = (1e-4,) * 4
    said = {found.cover: found for found in map(
        read_spectral_caption, spectral_caption({"path": str(path)})
    )}  # fmt: skip
    assert set(said) == {"open_water", "dense_vegetation"}
    assert said["open_water"].least <= 1 / 3 < said["open_water"].below
    assert said["dense_vegetation"].least <= 2 / 3 < said["dense_vegetation"].below


@pytest.mark.shared_data
def test_five_sentinel_2_scenes_are_described_as_the_eye_sees_them(shared_data: Path) -> None:
    seen = {"282D_485L_3_3": "open_water",  # a coast
            "38D_378R_2_3": "sparse_vegetation",  # arid land
            "433D_629L_3_1": "sparse_vegetation",  # farmland
            "609U_541L_3_0": "snow",
            "637U_59R_1_3": "dense_vegetation"}  # fmt: skip
    folder = shared_data / "remote_sensing/sentinel2_l2a"
    for name, cover in seen.items():
        row = {"path": str(folder / f"{name}.tif"), "sensor": "sentinel2_l2a"}
        with pytest.raises(ContractError, match="--offset 0"):
            spectral_caption(row)
        said = [read_spectral_caption(text) for text in spectral_caption(row | {"offset": 0})]
        assert cover in [found.cover for found in said[:2]]
