"""Tissue is found on pale and dark slides, and ink is not taken for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from fieldguide.samples import Window
from fieldguide_medical.ink import find_ink
from fieldguide_medical.slides.loader import SlideLoader, open_slide_windows
from fieldguide_medical.slides.openslide_file import OpenSlidePyramid
from fieldguide_medical.slides.overview import make_overview
from fieldguide_medical.tissue import TissueMap, find_tissue, optical_density

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteSlide

Pixels = np.ndarray[Any, Any]
INKS = {
    "blue": (35, 60, 165),
    "green": (20, 120, 75),
    "red": (205, 30, 45),
    "black": (35, 35, 40),
}
"""What a marker lets through on glass, of 255."""


def overlap(found: Pixels, truth: Pixels) -> float:
    """Intersection over union."""
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize("strength", [0.35, 1.0, 2.5])
@pytest.mark.parametrize("light", [1.0, 0.75])
def test_tissue_is_found_whether_stain_and_light_are_pale_or_strong(
    stained: tuple[Pixels, Pixels], strength: float, light: float
) -> None:
    picture, truth = stained
    density = strength * -np.log10(np.clip(picture, 1, 244) / 244)
    shown = np.clip(244 * light * 10**-density, 0, 255).astype(np.uint8)
    assert overlap(find_tissue(shown), truth) > 0.96


def test_the_same_picture_gives_the_same_mask(stained: tuple[Pixels, Pixels]) -> None:
    assert np.array_equal(find_tissue(stained[0]), find_tissue(stained[0].copy()))


def test_glass_alone_holds_no_tissue_and_tissue_alone_is_tissue(
    stained: tuple[Pixels, Pixels],
) -> None:
    picture, _ = stained
    assert find_tissue(picture[:60]).mean() == 0
    assert find_tissue(np.full((200, 200, 3), 255, np.uint8)).mean() == 0
    assert find_tissue(picture[175:325, 150:350]).mean() > 0.99


def test_dust_is_left_out_and_small_holes_are_closed(stained: tuple[Pixels, Pixels]) -> None:
    picture, truth = stained
    marked = picture.copy()
    marked[50:54, 700:704] = (120, 60, 140)
    marked[250:254, 250:254] = 244
    found = find_tissue(marked)
    assert not found[50:54, 700:704].any()
    assert found[250:254, 250:254].all()
    assert overlap(found, truth) > 0.96


def draw(picture: Pixels, colour: tuple[int, int, int], width: int) -> tuple[Pixels, Pixels]:
    """Draw a ring and a stroke of ink, which takes light from what lies below it."""
    height, wide = picture.shape[:2]
    mask = Image.new("L", (wide, height))
    pen = ImageDraw.Draw(mask)
    box = (wide * 0.15, height * 0.15, wide * 0.8, height * 0.75)
    pen.ellipse(box, outline=255, width=width)
    pen.line((wide * 0.05, height * 0.95, wide * 0.95, height * 0.85), fill=255, width=width)
    ink = np.asarray(mask) > 0
    through = np.array(colour) / 255
    return np.where(ink[..., None], picture * through, picture).astype(np.uint8), ink


@pytest.mark.parametrize("colour", INKS)
def test_ink_is_left_out_on_glass_and_on_tissue(
    stained: tuple[Pixels, Pixels], colour: str
) -> None:
    picture, truth = stained
    marked, ink = draw(picture, INKS[colour], 16)
    found = find_tissue(marked)
    assert (found & ink).sum() / ink.sum() < 0.03
    rest = truth & ~ink
    assert (found & rest).sum() / rest.sum() > 0.95


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["cmu_small_region.svs", "tcga-cr-7395-01a-01-ts1.svs"])
def test_ink_drawn_on_a_scanned_slide_is_found_and_no_tissue_is_lost(
    shared_data: Path, name: str
) -> None:
    pyramid = OpenSlidePyramid(shared_data / "medical/wsi" / name)
    clean = make_overview(pyramid, 1024).pixels
    assert find_ink(optical_density(clean)).mean() < 0.002
    tissue = find_tissue(clean)
    assert 0.2 < tissue.mean() < 0.7
    for colour in INKS.values():
        marked, ink = draw(clean, colour, 14)
        found = find_tissue(marked)
        lost = tissue & ~ink & ~found
        assert (found & ink).sum() / ink.sum() < 0.05
        assert lost.sum() / (tissue & ~ink).sum() < 0.07  # the rim of three pixels around the ink


@given(
    seed=st.integers(0, 20),
    start=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
@settings(max_examples=80, deadline=None)
def test_the_share_of_a_window_is_that_of_its_pixels(
    seed: int, start: tuple[int, int], size: tuple[int, int]
) -> None:
    mask = np.random.default_rng(seed).random((40, 30)) > 0.5
    whole = mask.repeat(3, axis=0).repeat(4, axis=1)
    part = whole[start[0] : start[0] + size[0], start[1] : start[1] + size[1]]
    window = Window(start, (part.shape[0], part.shape[1]))
    assert TissueMap(mask, (3.0, 4.0)).share(window) == pytest.approx(part.mean(), abs=1e-9)


def test_windows_are_kept_from_the_share_of_tissue_that_is_asked_for(
    tmp_path: Path, write_slide: WriteSlide, stained: tuple[Pixels, Pixels]
) -> None:
    picture, _ = stained
    path = write_slide(tmp_path / "slide.tif", picture)
    half = Window((350, 486), (100, 100))  # tissue from column 536 on
    for share, kept in ((0.4, True), (0.6, False), (0, True)):
        with open_slide_windows(SlideLoader(min_tissue=share), path) as slide:
            assert (slide.read(half, 100).valid_fraction == 1) is kept
