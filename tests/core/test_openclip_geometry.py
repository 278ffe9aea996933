"""Resizing equals open_clip's transform pixel for pixel, at any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import Compose

from fieldguide.errors import WeightsError
from fieldguide.models.openclip_config import check_config
from fieldguide.models.openclip_contract import open_clip_contract
from fieldguide.models.prepare import resize
from fieldguide.tiny_checkpoints import model_config

RESIZES = ["shortest", "longest", "squash"]


def contract_for(preprocess: dict[str, Any], size: tuple[int, int]) -> Any:
    config = check_config(model_config("vit"), preprocess, "test")
    return open_clip_contract(config, size)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "random"])
@pytest.mark.parametrize("how", RESIZES)
@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    target=st.tuples(st.integers(4, 40), st.integers(4, 40))
    | st.integers(4, 40).map(lambda side: (side, side)),
    fill=st.integers(0, 255) | st.tuples(*[st.integers(0, 255)] * 3),
)  # fmt: skip
def test_pixels_equal_open_clips_transform(
    how: str, interpolation: str, width: int, height: int, target: tuple[int, int], fill: Any
) -> None:
    ratio = max(width / target[1], height / target[0])
    if how == "longest" and min(round(width / ratio), round(height / ratio)) == 0:
        return  # so narrow that open_clip itself asks for a side of 0 px and fails
    pixels = np.random.default_rng(width * 97 + height).integers(0, 256, (height, width, 3))
    pixels = pixels.astype(np.uint8)
    transform = open_clip.image_transform(
        target, is_train=False, resize_mode=how, interpolation=interpolation, fill_color=fill
    )
    geometry = Compose(transform.transforms[:-2])  # without ToTensor and Normalize
    expected = np.asarray(geometry(Image.fromarray(pixels)))

    stated = {"resize_mode": how, "interpolation": interpolation}
    stated["fill_color"] = list(fill) if isinstance(fill, tuple) else fill
    assert np.array_equal(resize(pixels, contract_for(stated, target)), expected)


def test_a_line_of_pixels_is_still_resized() -> None:
    pixels = np.zeros((1, 4000, 3), np.uint8)
    assert resize(pixels, contract_for({"resize_mode": "longest"}, (32, 32))).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"crop": 0.9}, "crop"),
        ({"mode": "L"}, "RGB"),
        ({"interpolation": "nearest"}, "nearest"),
        ({"resize_mode": "fit"}, "fit"),
        ({"mean": [0.5, 0.5]}, "mean"),
        ({"std": [0.5, 0.5, 0.0]}, "std"),
        ({"mean": "0.5"}, "mean"),
        ({"resize_mode": "longest", "fill_color": 300}, "fill_color"),
    ],
)
def test_preprocessing_that_is_not_known_is_refused(stated: dict[str, Any], said: str) -> None:
    with pytest.raises(WeightsError, match=said):
        contract_for(stated, (32, 32))


def test_the_color_of_the_padding_belongs_to_the_space() -> None:
    black = contract_for({"resize_mode": "longest"}, (32, 32))
    white = contract_for({"resize_mode": "longest", "fill_color": 255}, (32, 32))
    assert black.digest != white.digest
