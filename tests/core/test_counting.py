"""Counting by text: by hand, and with a model that really sees the number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fieldguide.benchmarks.counting import (
    Counted,
    answers,
    counted_rows,
    counting_figures,
    counting_texts,
)
from fieldguide.captions.boxes import Annotations, Box, annotated_image
from fieldguide.captions.numbers import DIGITS
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def one_hot(*best: int) -> NDArray[np.float64]:
    return np.eye(10)[np.array(best) - 1]


def test_the_ten_sentences_have_the_singular_once() -> None:
    assert counting_texts("aircraft")[0] == "There is one aircraft in the image."
    texts = counting_texts("harbor", DIGITS)
    assert texts[0] == "There is 1 harbor in the image."
    assert texts[9] == "There are 10 harbors in the image."
    assert len(set(texts)) == 10


def test_figures_of_four_answers_by_hand() -> None:
    counts = np.array([1, 2, 2, 10])
    found = answers(one_hot(1, 3, 7, 10), counts)
    figures = counting_figures(found, counts)
    assert figures.accuracy.value == 0.5  # one and ten
    assert figures.within_one.value == 0.75  # three for two as well
    assert figures.mean_absolute_error.value == (0 + 1 + 5 + 0) / 4
    expected = np.zeros((10, 10), int)
    for true, answer in ((1, 1), (2, 3), (2, 7), (10, 10)):
        expected[true - 1, answer - 1] = 1
    assert (figures.confusion == expected).all()
    assert figures.n == 4


def test_a_model_without_an_opinion_is_never_right() -> None:
    counts = np.arange(1, 11)
    found = answers(np.ones((10, 10)), counts)
    assert (found != counts).all()
    assert found[:3].tolist() == [10, 10, 10]


def test_similarities_that_are_nan_or_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        answers(np.full((1, 10), np.nan), np.array([1]))
    with pytest.raises(ValueError, match=r"is not \(2, 10\)"):
        answers(np.ones((2, 9)), np.array([1, 2]))
    with pytest.raises(UsageError):
        counting_figures(np.array([], int), np.array([], int))


def test_an_image_is_resampled_with_all_its_classes() -> None:
    counts = np.array([1] * 20)
    found = np.array([1] * 10 + [2] * 10)
    alone = counting_figures(found, counts).accuracy
    together = counting_figures(found, counts, ["a"] * 10 + ["b"] * 10).accuracy
    assert (together.low, together.high) == (0.0, 1.0)
    assert alone.low > 0.2


def test_rows_are_classes_with_one_to_ten_objects_and_no_crowd() -> None:
    boxes = [Box("ship", i, 0, i + 1, 1) for i in range(11)]
    boxes += [Box("car", i, 0, i + 1, 1) for i in range(10)]
    boxes += [Box("person", 0, 0, 1, 1, crowd=True)]
    found = Annotations([annotated_image("a.jpg", (20, 20), boxes, "x")])
    assert [(row.label, row.count) for row in counted_rows(found)] == [("car", 10)]
    with pytest.raises(ValueError, match="not 1 to 10"):
        Counted(Item("a", "a", Path("a")), "ship", 11)
