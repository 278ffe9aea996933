"""The picture of a search: heat over the source, regions and a scale bar of a true length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from fieldguide.data.image_windows import WindowedImage
from fieldguide.errors import UsageError
from fieldguide.localization.grid import make_grid
from fieldguide.localization.result import Region, Regions, Scored
from fieldguide.samples import SRGB16, Sample, Window
from fieldguide.writers.overlay import LINE, MAX_SIDE_PX, write_overlay

if TYPE_CHECKING:
    from pathlib import Path

Pixels = np.ndarray[Any, Any]
GRAY = 170


def searched(texts: tuple[str, ...] = ("port",), **changes: Any) -> Scored:
    """A gray source of 1,000 x 800 px whose right half has no data."""
    grid = make_grid((800, 1000), 100, 0)
    scores = np.linspace(0, 1, len(grid), dtype=np.float32).reshape(grid.shape)
    scores[:, 5:] = np.nan
    columns = np.repeat(scores.reshape(-1, 1), len(texts), axis=1)
    overview = np.full((400, 500, 3), GRAY, np.uint8)
    given = {"overview": overview, "pixel_size_m": 1e-6} | changes
    return Scored("a.png", {}, texts, (grid,), (columns,), **given)


def drawn(path: Path, source: Scored, regions: tuple[Region, ...] = ()) -> Pixels:
    write_overlay(Regions(regions, {}, [source]), path)
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


def test_where_there_is_no_data_the_source_is_seen_and_elsewhere_colours(tmp_path: Path) -> None:
    pixels = drawn(tmp_path / "a.png", searched())
    margin = pixels.shape[0] - 400
    assert (pixels[margin + 20 : margin + 300, 260:480] == GRAY).all()
    low, high = pixels[margin + 20, 100], pixels[margin + 350, 200]
    assert low[2] > low[0]  # viridis: from dark blue ...
    assert high[0] > high[2]  # ... to yellow


def test_the_scale_bar_has_the_length_that_is_written_on_it(tmp_path: Path) -> None:
    pixels = drawn(tmp_path / "a.png", searched())
    # a quarter of 1,000 micrometres allows for 200; half size makes that 100 px
    dark = (pixels[-11] == 0).all(axis=-1)
    assert dark.sum() == 101
    assert dark[10:111].all()


def test_no_bar_is_drawn_where_the_scale_is_not_known(tmp_path: Path) -> None:
    pixels = drawn(tmp_path / "a.png", searched(pixel_size_m=None))
    assert not (pixels[-11] == 0).all(axis=-1).any()


def test_a_region_is_framed_where_it_lies(tmp_path: Path) -> None:
    region = Region("port", 1, 0.5, "a.png", Window((200, 600), (100, 300)))
    pixels = drawn(tmp_path / "a.png", searched(), (region,))
    margin = pixels.shape[0] - 400
    rows, columns = np.nonzero((pixels == LINE).all(axis=-1))
    assert (rows.min() - margin, rows.max() - margin) == (100, 149)
    assert (columns.min(), columns.max()) == (300, 449)


def test_many_texts_share_one_picture_of_bounded_size(tmp_path: Path) -> None:
    texts = tuple(f"text {number}" for number in range(10))
    large = np.full((5000, 5000, 3), GRAY, np.uint8)
    pixels = drawn(tmp_path / "a.png", searched(texts, overview=large))
    assert max(pixels.shape) <= MAX_SIDE_PX


def test_what_cannot_be_seen_as_a_whole_is_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="picture or slide that is searched alone"):
        drawn(tmp_path / "a.png", searched(overview=None))
    with pytest.raises(UsageError, match="2 were searched"):
        write_overlay(Regions([], {}, [searched()] * 2), tmp_path / "a.png")


def test_a_picture_of_sixteen_bits_has_no_overview_and_one_of_eight_has() -> None:
    deep = Sample(np.zeros((40, 80, 1), np.uint16), ("gray",), SRGB16)
    flat = Sample(np.full((40, 80, 3), 9, np.uint8), ("red", "green", "blue"), "srgb8")
    assert WindowedImage(deep).overview(20) is None
    small = WindowedImage(flat).overview(20)
    assert small is not None
    assert small.shape == (10, 20, 3)
