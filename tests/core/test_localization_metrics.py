"""Figures of heat maps: values that are known, and the authors' method built from other parts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from skimage import measure

from fieldguide.benchmarks.attention import attention_centres, box_blur
from fieldguide.benchmarks.localization import (
    Disc,
    attention_concentration,
    attention_shift,
    localization_scores,
    region_mask,
    salient_area,
)

Heat = NDArray[np.float64]
Region = list[tuple[float, float]]
UNIFORM_RSU = 0.5069  # 1 - exp(-0.707)


def square(x: float, y: float, half: float) -> Region:
    return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]


# ----------------------------------------------------------------------------- known values


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 1), st.floats(0.05, 0.95))
def test_a_uniform_map_says_nothing_of_any_region(seed: int, level: float, share: float) -> None:
    mask = np.random.default_rng(seed).random((40, 50)) < share
    mask[0, 0], mask[0, 1] = True, False
    assert salient_area(np.full((40, 50), level), mask) == pytest.approx(UNIFORM_RSU, abs=5e-5)


def test_a_map_with_one_peak_on_the_region_is_perfect() -> None:
    heat = np.zeros((900, 1000))
    heat[398:599, 498:699] = 1  # five blurs move its middle by 2.5 px to 500, 600
    scores = localization_scores(heat, [square(600, 500, 130)])
    assert (scores.ras, scores.rda) == (0, 1)
    assert scores.rsu == pytest.approx(1)
    assert scores.rmi == pytest.approx(1)


def test_a_map_without_a_peak_on_the_region_has_the_whole_shift() -> None:
    heat = np.zeros((900, 1000))
    heat[650:850, 700:900] = 1
    scores = localization_scores(heat, [square(150, 150, 50)])
    assert (scores.rsu, scores.ras, scores.rda, scores.rmi) == (0, 1, 0, 0)


def test_the_shift_is_an_exponential_of_the_offset_in_radii() -> None:
    discs = [Disc(100, 100, 50), Disc(500, 100, 40)]
    centres = [
        (130, 140),
        (100, 90),
        (900, 900),
    ]  # 50 and 10 px from the first; none near the other
    mean = ((50 + 10) / 2 / 50 + 1) / 2
    expected = (np.exp(3 * mean) - 1) / (np.exp(3) - 1)
    assert attention_shift(discs, centres) == pytest.approx(expected)


def test_several_centres_on_a_region_count_less_than_one() -> None:
    disc = Disc(100, 100, 50)
    two = [(90, 100), (110, 100)]
    expected = 0.5 * (1 - 10 / 50) + np.exp(-0.5 * 4)
    assert attention_concentration([disc], two) == pytest.approx(expected)
    assert attention_concentration([disc, disc], two[:1]) == 1
    assert attention_concentration([disc, Disc(900, 900, 50)], two[:1]) == 0.5


@pytest.mark.parametrize(
    ("heat", "regions", "message"),
    [
        (np.full((50, 50), 1.5), [square(20, 20, 10)], "from 0 to 1"),
        (np.full((50, 50), np.nan), [square(20, 20, 10)], "without NaN"),
        (np.zeros((5, 5, 3)), [square(2, 2, 1)], "H, W"),
        (np.zeros((50, 50)), [], "no region"),
        (np.zeros((50, 50)), [square(500, 500, 10)], "outside"),
        (np.zeros((50, 50)), [square(20, 20, 0)], "smaller than a pixel"),
    ],
)
def test_what_cannot_be_scored_is_said(heat: Heat, regions: list[Region], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        localization_scores(heat, regions)


# ----------------------------------------------------------------------------- the authors' method


def random_map(seed: int) -> tuple[Heat, list[Region]]:
    """Return a map of some peaks and one to three regions, most of them on a peak."""
    generator = np.random.default_rng(seed)
    height, width = (int(side) for side in generator.integers(500, 1100, 2))
    rows, columns = np.mgrid[:height, :width]
    heat = np.zeros((height, width))
    regions = []
    for peak in range(int(generator.integers(1, 5))):
        y, x = generator.uniform(100, height - 100), generator.uniform(100, width - 100)
        radius = generator.uniform(40, 160)
        shape = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * radius**2))
        heat = np.maximum(heat, generator.uniform(0.6, 1) * shape)
        if peak < 3:
            dx, dy = generator.uniform(-60, 60, 2)
            regions.append(square(x + dx, y + dy, generator.uniform(40, 140)))
    return np.clip(heat + 0.05 * generator.random(heat.shape), 0, 1), regions


def by_opencv(heat: Heat, regions: list[Region]) -> tuple[float, float, float]:
    """Return Rsu, Ras and Rda step by step as the authors publish them, by OpenCV and skimage."""
    mask = np.zeros(heat.shape, np.uint8)
    for region in regions:
        cv2.fillPoly(mask, [np.array(region, np.int32)], 1)
    inside, area = (heat * mask).sum(), mask.sum()
    ratio = inside / (heat.sum() - inside + 1e-7) * ((heat.size - area) / area)
    gray = (heat * 255).astype(np.uint8)
    for _ in range(5):
        gray = cv2.boxFilter(gray, ddepth=-1, ksize=(50, 50))
    top = np.where((maximum_filter(gray, size=1000) == gray) & (gray > 0), 255, 0)
    points = []
    for found in measure.regionprops(measure.label(top, connectivity=2)):
        row, column = (int(part) for part in found.centroid)
        if heat[row, column] >= 0.5:
            points.append((column, row))
    shifts, spreads = [], []
    for region in regions:
        x, y = (int(sum(corner[axis] for corner in region) / 4) for axis in (0, 1))
        radius = int(1.5 * np.mean([np.hypot(cx - x, cy - y) for cx, cy in region]))
        near = [p for p in points if np.hypot(p[0] - x, p[1] - y) <= radius]
        shifts.append(np.mean([np.hypot(p[0] - x, p[1] - y) for p in near]) if near else radius)
        shifts[-1] /= radius
        if len(near) < 2:
            spreads.append(float(len(near)))
        else:
            middle = np.mean(near, axis=0)
            apart = np.mean([np.hypot(*(middle - p)) for p in near]) / radius
            spreads.append(0.5 * (1 - apart) + np.exp(-0.5 * (len(near) + 2)))
    ras = (np.exp(3 * np.mean(shifts)) - 1) / (np.exp(3) - 1)
    return float(1 - np.exp(-0.707 * ratio)), float(ras), float(np.mean(spreads))


@pytest.mark.parametrize("seed", range(20))
def test_the_figures_equal_the_authors_method_on_random_maps(seed: int) -> None:
    heat, regions = random_map(seed)
    rsu, ras, rda = by_opencv(heat, regions)
    found = localization_scores(heat, regions)
    assert found.rsu == pytest.approx(rsu, abs=1e-9)
    assert found.ras == pytest.approx(ras, abs=1e-9)
    assert found.rda == pytest.approx(rda, abs=1e-9)
    assert found.rmi == pytest.approx(0.4 * rsu + 0.35 * (1 - ras) + 0.25 * rda, abs=1e-9)


def test_the_random_maps_have_regions_with_and_without_attention() -> None:
    found = [by_opencv(*random_map(seed))[2] for seed in range(20)]
    assert {0.0, 1.0} < set(found)


@pytest.mark.parametrize("side", [17, 50])
@pytest.mark.parametrize("size", [(1, 1), (60, 90), (131, 47)])
def test_the_blur_equals_opencv_bit_for_bit(side: int, size: tuple[int, int]) -> None:
    gray = np.random.default_rng(side).integers(0, 256, size, dtype=np.uint8)
    assert np.array_equal(box_blur(gray, side), cv2.boxFilter(gray, -1, (side, side)))


def test_the_inside_of_slanted_regions_is_that_of_opencv_but_for_edges() -> None:
    generator = np.random.default_rng(3)
    for _ in range(20):
        angles = np.sort(generator.uniform(0, 2 * np.pi, 7))
        radii = generator.uniform(80, 200, 7)
        region = list(zip(250 + radii * np.cos(angles), 220 + radii * np.sin(angles), strict=True))
        mask = np.zeros((450, 500), np.uint8)
        cv2.fillPoly(mask, [np.array(region, np.int32)], 1)
        edge = cv2.dilate(mask, np.ones((3, 3))) - cv2.erode(mask, np.ones((3, 3)))
        differs = region_mask([region], (450, 500)) != mask.astype(bool)
        assert not (differs & (edge == 0)).any()


def test_without_heat_there_are_no_centres() -> None:
    assert attention_centres(np.zeros((100, 100))) == []
