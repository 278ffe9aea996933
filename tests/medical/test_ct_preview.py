"""The thumbnail of a CT volume."""

from __future__ import annotations

import numpy as np

from fieldguide.samples import HOUNSFIELD, Sample
from fieldguide_medical.preview import ct_slice


def volume(spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Sample:
    """Air, with bone at one corner of the middle slice: to the right and anterior."""
    values = np.full((20, 30, 3, 1), -1000, dtype=np.int16)
    values[15:, 25:, 1] = 1000
    return Sample(values, ("ct",), HOUNSFIELD, {"spacing_mm": spacing_mm})


def test_the_patients_right_is_on_the_left_and_anterior_is_up() -> None:
    picture = ct_slice(volume())
    assert picture.shape == (30, 20, 3)
    assert (picture[:5, :5] == 255).all()
    assert picture.sum() == 255 * 5 * 5 * 3


def test_pixels_of_the_picture_are_square() -> None:
    assert ct_slice(volume((2.0, 1.0, 5.0))).shape == (30, 40, 3)
    assert ct_slice(volume((1.0, 2.0, 5.0))).shape == (60, 20, 3)


def test_the_window_is_that_of_soft_tissue() -> None:
    values = np.array([-160, 40, 240], dtype=np.float32).reshape(3, 1, 1, 1)
    sample = Sample(values, ("ct",), HOUNSFIELD, {"spacing_mm": (1.0, 1.0, 1.0)})
    assert ct_slice(sample)[0, :, 0].tolist() == [255, 128, 0]  # x runs from right to left


def test_a_very_long_volume_keeps_its_picture_small() -> None:
    sample = Sample(
        np.zeros((2, 4000, 1, 1), np.int16), ("ct",), HOUNSFIELD, {"spacing_mm": (0.1, 5.0, 1.0)}
    )
    height, width, _ = ct_slice(sample).shape
    assert max(height, width) <= 1024
