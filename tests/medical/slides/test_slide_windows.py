"""Windows of slides: which pixels, from which level, by which thread, and what damage does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import openslide
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldguide.errors import ContractError, LoadError
from fieldguide.samples import Window
from fieldguide_medical.slides import pyramid
from fieldguide_medical.slides.area import area_average
from fieldguide_medical.slides.loader import SlideLoader, open_slide_windows
from fieldguide_medical.slides.pyramid import choose_level, make_levels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conftest import WriteSlide

Pixels = np.ndarray[Any, Any]
NAMES = ("slide.tif", "slide.ome.tif")
WHOLE = SlideLoader(min_tissue=0)


@given(
    box=st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 30)] * 2),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_the_mean_of_an_area_is_that_of_its_quarters_of_pixels(
    box: tuple[int, int, int, int], size: tuple[int, int], seed: int
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    top, left, rows, columns = box[0], box[1], box[2] // size[0] + 1, box[3] // size[1] + 1
    rows, columns = min(rows, (64 - top) // size[0]), min(columns, (64 - left) // size[1])
    quarters = picture.repeat(4, axis=0).repeat(4, axis=1).astype(float)
    part = quarters[top : top + rows * size[0], left : left + columns * size[1]]
    expected = part.reshape(size[0], rows, size[1], columns, 3).mean(axis=(1, 3))
    ends = (top / 4, left / 4, (top + rows * size[0]) / 4, (left + columns * size[1]) / 4)
    found = area_average(picture, ends, size)
    assert np.abs(found - expected).max() <= 0.51


@pytest.mark.parametrize("name", NAMES)
def test_a_window_that_the_model_takes_as_it_is_holds_the_pixels_of_its_place(
    tmp_path: Path, write_slide: WriteSlide, waves: Pixels, name: str
) -> None:
    path = write_slide(tmp_path / name, waves)
    with open_slide_windows(WHOLE, path) as slide:
        sample = slide.read(Window((101, 203), (150, 99)), 99)
        assert slide.size_px == (637, 821)
        assert slide.pixel_size_m == pytest.approx(0.5e-6)
    assert np.array_equal(sample.array, waves[101:251, 203:302])
    assert (sample.bands, sample.units) == (("red", "green", "blue"), "srgb8")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("start", [(0, 0), (37, 101)])
@pytest.mark.parametrize("factor", [2, 3, 5])
def test_a_large_window_is_the_mean_of_its_finest_pixels_from_whichever_level(
    tmp_path: Path,
    write_slide: WriteSlide,
    waves: Pixels,
    name: str,
    start: tuple[int, int],
    factor: int,
) -> None:
    path = write_slide(tmp_path / name, waves)
    side = 120 * factor
    with open_slide_windows(WHOLE, path) as slide:
        sample = slide.read(Window(start, (side, side)), 120)
    part = waves[start[0] : start[0] + side, start[1] : start[1] + side]
    expected = cv2.resize(part, (120, 120), interpolation=cv2.INTER_AREA).astype(float)
    assert sample.size_px == (120, 120)
    assert np.abs(sample.array - expected).mean() < 2
    assert np.abs(offset_px(sample.array, expected, factor)).max() < 0.1


def offset_px(found: Pixels, expected: Pixels, factor: float) -> Pixels:
    """How far one picture lies beside another along both axes, in pixels of the slide.

    The least squares of Lucas and Kanade 1981, over the whole picture.
    """
    slopes = np.stack([axis.ravel() for axis in np.gradient(expected, axis=(0, 1))], axis=1)
    beside, *_ = np.linalg.lstsq(slopes, (found - expected).ravel(), rcond=None)
    return np.asarray(beside * factor)


def test_the_last_pixels_of_a_slide_whose_levels_are_cut_stay_in_their_place(
    tmp_path: Path, write_slide: WriteSlide, waves: Pixels
) -> None:
    path = write_slide(tmp_path / "slide.tif", waves)
    with open_slide_windows(WHOLE, path) as slide:
        sample = slide.read(Window((397, 581), (240, 240)), 60)
    expected = cv2.resize(waves[397:, 581:], (60, 60), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(offset_px(sample.array, expected, 4)).max() < 0.1


def test_the_level_is_the_coarsest_that_is_fine_enough() -> None:
    levels = make_levels([(4443, 3567), (2221, 1783), (1110, 891), (277, 222)])
    chosen = [choose_level(levels, factor).number for factor in (1, 1.9, 2, 3.9, 4, 15, 16, 99)]
    assert [level.downsample[0] for level in levels] == [1, 2, 4, 16]
    assert chosen == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_read_in_parts_is_the_read_as_a_whole(
    tmp_path: Path, write_slide: WriteSlide, waves: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_slide(tmp_path / "slide.ome.tif", waves)
    window = Window((3, 5), (600, 800))
    with open_slide_windows(WHOLE, path) as slide:
        whole = slide.read(window, 300).array
        monkeypatch.setattr(pyramid, "MAX_PIXELS_AT_ONCE", 5000)
        parts = slide.read(window, 300).array
    assert np.abs(whole.astype(int) - parts).max() <= 1  # the rounding of single precision


@pytest.mark.parametrize("name", NAMES)
def test_threads_read_what_one_thread_reads(
    tmp_path: Path, write_slide: WriteSlide, waves: Pixels, name: str
) -> None:
    path = write_slide(tmp_path / name, waves)
    windows = [Window((n % 20 * 20, n % 13 * 40), (100 + n, 100 + n)) for n in range(60)]
    with open_slide_windows(WHOLE, path) as slide, ThreadPoolExecutor(8) as pool:
        alone = [slide.read(window, 60).array for window in windows]
        together = list(pool.map(lambda window: slide.read(window, 60).array, windows))
    assert all(map(np.array_equal, alone, together))


def damage(path: Path, level: int, tiles: Sequence[int]) -> None:
    """Make tiles of a level lie behind the end of the file."""
    with tifffile.TiffFile(path, mode="r+") as file:
        first = file.pages[0]
        page = first if level == 0 else file.pages[level]
        offsets = list(page.tags["TileOffsets"].value)  # type: ignore[union-attr] # a page has tags
        for tile in tiles:
            offsets[tile] = 2**31
        page.tags["TileOffsets"].overwrite(offsets)  # type: ignore[union-attr] # as above


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_tile_fails_its_windows_and_no_others(
    tmp_path: Path, write_slide: WriteSlide, waves: Pixels, name: str
) -> None:
    path = write_slide(tmp_path / name, waves, packing="jpeg")
    damage(path, 0, [0])
    good = [Window((n, 200 + n), (99, 99)) for n in range(20)]
    bad = [Window((n, n), (60, 60)) for n in range(20)]

    def outcome(window: Window) -> str:
        try:
            return f"{slide.read(window, 60).array.std() > 1}"
        except LoadError as error:
            return str(error)

    with open_slide_windows(WHOLE, path) as slide, ThreadPoolExecutor(4) as pool:
        mixed = list(
            pool.map(outcome, [one for pair in zip(bad, good, strict=True) for one in pair])
        )
    assert mixed[1::2] == ["True"] * 20
    assert all("damaged" in reason for reason in mixed[::2])


@pytest.mark.parametrize("name", NAMES)
def test_tissue_may_be_where_the_small_picture_is_damaged(
    tmp_path: Path, write_slide: WriteSlide, name: str
) -> None:
    white = np.full((700, 700, 3), 245, np.uint8)
    path = write_slide(tmp_path / name, white)
    damage(path, 0, [0])
    with open_slide_windows(SlideLoader(), path) as slide:
        with pytest.raises(LoadError, match="damaged"):
            slide.read(Window((0, 0), (60, 60)), 60)
        assert slide.read(Window((300, 300), (60, 60)), 60).valid_fraction == 0


def test_windows_without_tissue_are_not_decoded(
    tmp_path: Path, write_slide: WriteSlide, stained: tuple[Pixels, Pixels]
) -> None:
    path = write_slide(tmp_path / "slide.tif", stained[0], packing="jpeg")
    loader = SlideLoader()
    with open_slide_windows(loader, path):
        pass  # the tissue is known from here on
    damage(path, 0, range(600 // 64 * 13))
    (key, found), *_ = loader._masks.items()
    stat = path.stat()
    loader._masks[(key[0], stat.st_size, stat.st_mtime_ns)] = found
    with open_slide_windows(loader, path) as slide:
        sample = slide.read(Window((0, 700), (64, 64)), 64)
        with pytest.raises(LoadError):
            slide.read(Window((250, 250), (64, 64)), 64)
    assert sample.valid_fraction == 0
    assert sample.size_px == (64, 64)


def test_a_place_is_in_pixels_and_micrometres(
    tmp_path: Path, write_slide: WriteSlide, waves: Pixels
) -> None:
    path = write_slide(tmp_path / "slide.tif", waves, mpp=0.25)
    with open_slide_windows(WHOLE, path) as slide:
        place = slide.place(Window((8, 20), (40, 100)))
    ring = [[20, 8], [120, 8], [120, 48], [20, 48], [20, 8]]
    assert place == {
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "x_um": 5.0, "y_um": 2.0, "width_um": 25.0, "height_um": 10.0,
    }  # fmt: skip


def test_a_slide_is_no_picture(tmp_path: Path, write_slide: WriteSlide, waves: Pixels) -> None:
    with pytest.raises(ContractError, match="fieldguide locate"):
        SlideLoader()(write_slide(tmp_path / "slide.tif", waves))


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (np.zeros((300, 300), np.uint8), {"photometric": "minisblack"}, "8-bit RGB"),
        (np.zeros((300, 300, 3), np.uint16), {"photometric": "rgb"}, "8-bit RGB"),
        (np.zeros((300, 300, 3), np.uint8), {"photometric": "rgb", "tile": None}, "not stored in"),
    ],
)
def test_an_ome_tiff_of_another_kind_is_refused(
    tmp_path: Path, pixels: Pixels, options: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(path, pixels, **{"tile": (64, 64), "metadata": None} | options)
    with pytest.raises(ContractError, match=reason), open_slide_windows(WHOLE, path):
        pass


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["cmu_small_region.svs", "tcga-cr-7395-01a-01-ts1.svs"])
def test_a_scanned_slide_is_read_as_openslide_reads_it(shared_data: Path, name: str) -> None:
    path = shared_data / "medical/wsi" / name
    with openslide.OpenSlide(path) as plain:
        region = plain.read_region((700, 900), 0, (256, 200)).convert("RGB")
    with open_slide_windows(WHOLE, path) as slide:
        sample = slide.read(Window((900, 700), (200, 256)), 200)
    assert np.array_equal(sample.array, np.asarray(region))


@pytest.mark.shared_data
def test_a_coarser_level_of_a_scanned_slide_shows_the_same_place(shared_data: Path) -> None:
    path = shared_data / "medical/wsi/tcga-cr-7395-01a-01-ts1.svs"
    window = Window((2701, 3303), (800, 800))
    with open_slide_windows(WHOLE, path) as slide:
        coarse = slide.read(window, 200).array.astype(float)
        fine = slide.read(window, 800).array
    expected = cv2.resize(fine, (200, 200), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(coarse - expected).mean() < 5  # each level was packed on its own
    assert np.abs(offset_px(coarse, expected, 4)).max() < 0.25
