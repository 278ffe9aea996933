"""The fast resize beside Pillow's, in every bit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from open_clip import image_transform
from PIL import Image

from fieldguide.contract import InputContract
from fieldguide.data.images import ImageLoader
from fieldguide.models import resample as module
from fieldguide.models.prepare import prepare
from fieldguide.models.resample import agrees_with_pillow, make_pass, resample

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
CAMERAS = [(1200, 900), (1620, 1080), (900, 1200), (1000, 1000), (1920, 1080), (720, 1400)]


def drawn(kind: str, height: int, width: int, channels: int, seed: int = 0) -> NDArray[np.uint8]:
    generator = np.random.default_rng(seed)
    shape = (height, width, channels)
    if kind == "noise":
        return generator.integers(0, 256, shape, dtype=np.uint8)
    if kind == "black and white":  # sums far below 0 and above 255
        return (generator.integers(0, 2, shape) * 255).astype(np.uint8)
    ramp = np.linspace(0, 255, width)[None, :, None] * np.linspace(0, 1, height)[:, None, None]
    return np.broadcast_to(ramp, shape).astype(np.uint8)  # many sums at exact halves


def by_pillow(
    pixels: NDArray[np.uint8],
    size_px: tuple[int, int],
    box: tuple[int, int, int, int],
    interpolation: str,
) -> NDArray[np.uint8]:
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    cut = np.asarray(image.resize(size_px, RESAMPLING[interpolation]).crop(box))
    return cut.reshape(*cut.shape[:2], -1)


def test_the_installed_pillow_is_one_that_it_equals() -> None:
    assert agrees_with_pillow()


@pytest.mark.parametrize("size", CAMERAS)
@pytest.mark.parametrize("kind", ["noise", "black and white", "ramp"])
@pytest.mark.parametrize("interpolation", RESAMPLING)
def test_a_centre_crop_of_a_photo_is_pillows(
    size: tuple[int, int], kind: str, interpolation: str
) -> None:
    width, height = size
    shorter = min(size)
    scaled = 224 * width // shorter, 224 * height // shorter
    left, top = (scaled[0] - 224) // 2, (scaled[1] - 224) // 2
    case = scaled, (left, top, left + 224, top + 224), interpolation
    pixels = drawn(kind, height, width, 3)
    assert np.array_equal(resample(pixels, *case), by_pillow(pixels, *case))


@pytest.mark.parametrize("size", [(1200, 900), (1023, 1537), (600, 600)])
def test_a_jpeg_reaches_the_model_as_open_clips_transform_gives_it(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "a.jpg"
    Image.effect_noise(size, 80).convert("RGB").save(path, quality=90)
    mean, std = (0.0,) * 3, (1.0,) * 3
    theirs = image_transform(224, is_train=False, mean=mean, std=std)(Image.open(path))
    contract = InputContract(size_px=(224, 224), resize="center_crop", mean=mean, std=(255.0,) * 3)
    _, ours = prepare(ImageLoader()(path), contract, ())
    assert np.array_equal(ours, (theirs * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_every_size_and_box_is_pillows(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(2, 400)), data.draw(st.integers(2, 400))
    size = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
    left, top = data.draw(st.integers(0, size[0] - 1)), data.draw(st.integers(0, size[1] - 1))
    right, bottom = (
        data.draw(st.integers(left + 1, size[0])),
        data.draw(st.integers(top + 1, size[1])),
    )
    kind = data.draw(st.sampled_from(["noise", "black and white", "ramp"]))
    pixels = drawn(kind, height, width, data.draw(st.sampled_from([1, 3])), seed=width)
    case = size, (left, top, right, bottom), data.draw(st.sampled_from(sorted(RESAMPLING)))
    assume(module.across_comes_first(pixels, size))
    resized = module._products(pixels, *case)  # resample itself leaves small images to Pillow
    assert resized is not None
    assert np.array_equal(resized, by_pillow(pixels, *case))


@settings(deadline=None, max_examples=80)
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    interpolation=st.sampled_from(sorted(RESAMPLING)),
)
def test_whatever_path_is_taken_the_pixels_are_pillows(
    width: int, height: int, size: tuple[int, int], interpolation: str
) -> None:
    pixels = drawn("noise", height, width, 3)
    case = size, (0, 0, *size), interpolation
    assert np.array_equal(resample(pixels, *case), by_pillow(pixels, *case))


def test_a_tall_image_is_pillows_whichever_direction_it_resizes_first() -> None:
    pixels = drawn("noise", 2400, 400, 3)
    for size in ((224, 1344), (224, 224), (399, 1200)):
        case = size, (0, 0, *size), "bicubic"
        assert np.array_equal(resample(pixels, *case), by_pillow(pixels, *case))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_the_tolerance_covers_the_error_of_float32_sums(interpolation: str) -> None:
    direction = 3000, 224, (0, 224), interpolation
    made = make_pass(*direction)
    generator = np.random.default_rng(0)
    values = generator.integers(0, 256, (made.first[-1] + made.weights.shape[1], 64))
    places = np.minimum(made.first[:, None] + np.arange(made.weights.shape[1]), len(values) - 1)
    gathered = values[places]  # (224, taps, 64)
    exact = np.einsum("nt,nts->ns", made.weights, gathered) / module.ONE
    weights = (made.weights / module.ONE).astype(np.float32)
    one_by_one = np.zeros(exact.shape, np.float32)
    for tap in range(weights.shape[1]):
        one_by_one += weights[:, tap, None] * gathered[:, tap].astype(np.float32)
    assert np.abs(one_by_one - exact).max() < made.tolerance < 0.01


def test_threads_share_what_is_kept() -> None:
    cases = []
    for width, height in CAMERAS[:4]:
        pixels = drawn("noise", height, width, 3, seed=width)
        cases.append((pixels, (224, 168), (0, 0, 224, 168), "bicubic"))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda case: resample(*case), cases * 3))
    for ours, case in zip(results, cases * 3, strict=True):
        assert np.array_equal(ours, by_pillow(*case))
