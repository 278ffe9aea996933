"""Samples that a Python user makes: taken at their word where their numbers allow it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fieldguide import Sample
from fieldguide.data.in_memory import sample_in_memory
from fieldguide.data.inputs import Item, find_items
from fieldguide.errors import LoadError
from fieldguide.samples import DIGITAL_NUMBER, REFLECTANCE, RGB, SRGB8


def sample(units: str = SRGB8, dtype: str = "uint8", **changes: Any) -> Sample:
    array = np.random.default_rng(0).integers(0, 200, (6, 5, 3)).astype(dtype)
    return replace(Sample(array, RGB, units), **changes)


def fingerprint(image: Sample) -> str:
    return Item("memory:0", "image_0", image=image).fingerprint()


def test_a_sample_is_one_input_alone_or_among_others() -> None:
    first, second = sample(), sample(bands=("blue", "green", "red"))
    assert [item.image for item in find_items(first, [])] == [first]
    assert [item.id for item in find_items([first, second], [])] == ["memory:0", "memory:1"]


def test_what_is_not_a_number_in_a_sample_is_not_valid() -> None:
    given = sample(REFLECTANCE, array=np.full((2, 2, 3), 0.2, np.float32), valid=None)
    given.array[0, 1, 2] = np.nan
    mask = np.array([[True, True], [True, False]])
    assert sample_in_memory(given).valid.tolist() == [[True, False], [True, True]]  # type: ignore[union-attr]  # it is there
    both = sample_in_memory(replace(given, valid=mask))
    assert both.valid_fraction == 0.5


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (sample(array=np.zeros((4, 4), np.uint8)), r"shape \(4, 4\)"),
        (sample(array=np.zeros((0, 4, 3), np.uint8)), "no image"),
        (sample(array=np.full((2, 2, 3), "a")), "no image"),
        (sample(DIGITAL_NUMBER, "complex64"), "no image"),
        (sample(bands=("red", "green")), "3 channels names the bands red, green"),
        (sample(bands=("red", "red", "blue")), "a name of its own"),
        (sample(valid=np.ones((5, 6), bool)), r"mask of \(5, 6\)"),
        (sample(SRGB8, "float32"), "srgb8 has numbers of type float32"),
        (sample(REFLECTANCE, "uint16"), "reflectance has numbers up to about"),
    ],
)
def test_a_sample_whose_parts_do_not_fit_is_refused(given: Sample, fault: str) -> None:
    with pytest.raises(LoadError, match=fault):
        sample_in_memory(given)


def test_a_fingerprint_depends_on_everything_that_changes_a_row() -> None:
    mask = np.ones((6, 5), bool)
    different = [
        sample(), sample(bands=RGB[::-1]), sample(units=DIGITAL_NUMBER), sample(valid=mask),
        sample(metadata={"place": "Rome"}), sample(array=sample().array[::-1]),
        sample(dtype="uint16"),
    ]  # fmt: skip
    assert len({fingerprint(image) for image in different}) == len(different)
    assert fingerprint(sample()) == fingerprint(sample())
