"""Small objects are looked at again: the laws of guided crops, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fieldguide.captions.boxes import AnnotatedImage, Box
from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Row
from fieldguide.errors import UsageError
from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length
from fieldguide.zeroshot.box_proposers import KnownBoxes, SlidingWindows
from fieldguide.zeroshot.classifier import ZeroShotClassifier, softmax
from fieldguide.zeroshot.guided_crop import (
    GuidedCrop,
    GuidedCropClassifier,
    Look,
    Pixels,
    divided_anew,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.samples import Window

KINDS = 10
"""Of objects; the colours of a picture are their numbers, and KINDS is the background."""
SIDE_PX = 64
SPACE = SpaceId(model="colours", encoder="0", contract="0", pooling="none", dim=KINDS + 1)


def vectors_of(pictures: Sequence[NDArray[np.int_]]) -> Embeddings:
    """The encoder: a picture is the shares of its colours, as an honest mean of its parts is."""
    counts = [np.bincount(picture.ravel(), minlength=KINDS + 1) for picture in pictures]
    return Embeddings(unit_length(np.array(counts, dtype=float)), SPACE)


PLAIN = ZeroShotClassifier(
    tuple(f"kind {n}" for n in range(KINDS)),
    Embeddings(np.eye(KINDS, KINDS + 1, dtype=np.float32), SPACE),
    logit_scale=10.0,
)


@dataclass
class Fixed:
    """Proposes one box, whatever the image; keeps what it was asked."""

    pixels: Pixels | None
    asked: Look | None = None

    def propose(self, look: Look) -> Pixels | None:
        self.asked = look
        return self.pixels


def cut(item: Item, windows: Sequence[Window]) -> Embeddings | None:
    parts = []
    for window in windows:
        (row, column), (height, width) = window.start_px, window.size_px
        parts.append(item.image[row : row + height, column : column + width])
    return vectors_of(parts)


def classifier(guided: GuidedCrop) -> GuidedCropClassifier:
    return GuidedCropClassifier(PLAIN, guided, lambda item: item.image.shape, cut)


def logits(guided: GuidedCrop, *pictures: NDArray[np.int_]) -> NDArray[np.float64]:
    rows = [Row(Item(str(n), str(n), image=picture)) for n, picture in enumerate(pictures)]
    return classifier(guided).logits_of_rows(vectors_of(pictures), rows)


def cluttered(kind: int, area: float, chance: np.random.Generator) -> NDArray[np.int_]:
    """A square object on a background with specks of other kinds, some of them many."""
    picture = np.full((SIDE_PX, SIDE_PX), KINDS)
    specks = chance.random(picture.shape) < 0.3
    often = chance.dirichlet(np.full(KINDS, 0.5))
    picture[specks] = chance.choice(KINDS, size=int(specks.sum()), p=often)
    side = round(SIDE_PX * area**0.5)
    row, column = chance.integers(0, SIDE_PX - side + 1, 2)
    picture[row : row + side, column : column + side] = kind
    return picture


PICTURE = cluttered(3, 0.05, np.random.default_rng(1))


def test_without_a_box_the_answer_is_the_plain_one() -> None:
    found = logits(GuidedCrop(Fixed(None)), PICTURE)
    assert (found == PLAIN.logits(vectors_of([PICTURE]))).all()


def test_a_box_that_is_the_whole_image_gives_the_plain_answer() -> None:
    whole = (0, 0, SIDE_PX - 1, SIDE_PX - 1)
    found = logits(GuidedCrop(Fixed(whole)), PICTURE)
    assert (found == PLAIN.logits(vectors_of([PICTURE]))).all()


def test_a_margin_of_one_is_the_whole_image() -> None:
    found = logits(GuidedCrop(Fixed((5, 5, 9, 9)), margins=(1.0,)), PICTURE)
    assert (found == PLAIN.logits(vectors_of([PICTURE]))).all()


def test_the_mean_is_over_the_margins_and_the_whole_by_hand() -> None:
    # Whole: 2 columns of kind 0, 1 of kind 1, 1 of background; the box: the column of kind 1.
    picture = np.repeat([[0, 0, 1, KINDS]], 4, axis=0)
    guided = GuidedCrop(Fixed((2, 1, 2, 1)), margins=(0.0,), top=2, weight=0.25)
    (found,) = logits(guided, picture)
    whole = 10 * np.array([2, 1]) / np.sqrt(6)  # shares 2, 1, 1 of four columns
    mean = 0.75 * whole + 0.25 * np.array([0, 10.0])
    together = np.log(np.exp(whole).sum())
    assert found[:2] == pytest.approx(mean - np.log(np.exp(mean).sum()) + together)
    assert (found[2:] == 0).all()


def test_only_the_likeliest_labels_come_into_question() -> None:
    picture = PICTURE.copy()
    best = PLAIN.logits(vectors_of([picture]))[0].argsort()[::-1]
    picture[20:30, 20:30] = best[-1]  # what the box shows is none of the likeliest
    order = PLAIN.logits(vectors_of([picture]))[0].argsort()[::-1][:3]
    guided = GuidedCrop(Fixed((20, 20, 29, 29)), top=3, weight=1.0)
    assert logits(guided, picture)[0].argmax() in order


@given(
    hnp.arrays(np.float64, st.integers(2, 12), elements=st.floats(-30, 30)),
    st.integers(1, 12), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_probability_is_moved_among_the_likeliest_labels_only(
    whole: NDArray[np.float64], k: int, seed: int
) -> None:
    best = np.argsort(-whole, kind="stable")[:k]
    among = np.random.default_rng(seed).normal(0, 5, len(best))
    before, after = softmax(whole[None])[0], softmax(divided_anew(whole, best, among)[None])[0]
    others = np.setdiff1d(np.arange(len(whole)), best)
    assert after[others] == pytest.approx(before[others], abs=1e-6)
    assert after[best].sum() == pytest.approx(before[best].sum(), abs=1e-5)
    assert after[best].max() >= after[others].max(initial=0) - 1e-6


def test_a_box_alone_over_all_labels_is_the_answer_of_its_crop() -> None:
    guided = GuidedCrop(Fixed((20, 10, 29, 19)), margins=(0.0,), top=None, weight=1.0)
    crop = PLAIN.logits(vectors_of([PICTURE[10:20, 20:30]]))
    assert softmax(logits(guided, PICTURE)) == pytest.approx(softmax(crop), abs=1e-6)


def test_a_proposer_is_asked_with_the_names_of_the_likeliest_labels() -> None:
    proposer = Fixed(None)
    logits(GuidedCrop(proposer, top=2), np.repeat([[0, 0, 1, KINDS]], 4, axis=0))
    assert proposer.asked is not None
    assert proposer.asked.names == ("kind 0", "kind 1")
    assert proposer.asked.size_px == (4, 4)


def test_sliding_windows_find_the_object() -> None:
    picture = np.full((SIDE_PX, SIDE_PX), KINDS)
    picture[40:60, 4:24] = 7
    picture[2, 30:50] = 7  # as much as a window may hold elsewhere, and thinner
    proposer = SlidingWindows(sides=(0.3,), overlap=0.75)
    found = proposer.propose(
        Look(Item("a", "a", image=picture), picture.shape, (), np.zeros(KINDS),  # type: ignore[arg-type]  # a shape of two axes
             lambda windows: PLAIN.logits(cut(Item("a", "a", image=picture), windows)))  # type: ignore[arg-type]  # never None here
    )  # fmt: skip
    assert found is not None
    left, top, right, bottom = found
    assert left < 24 and right >= 4 and top < 60 and bottom >= 40


@pytest.mark.parametrize(
    ("name", "size_px", "found"),
    [("a.jpg", (10, 10), (2, 3, 5, 7)), ("a.jpg", (10, 20), None), ("b.jpg", (10, 10), None)],
)
def test_known_boxes_are_those_of_a_detector_the_surest_first(
    name: str, size_px: tuple[int, int], found: Pixels | None
) -> None:
    boxes = (Box("animal", 1, 1, 5, 5, confidence=0.3), Box("animal", 2, 3, 6, 8, confidence=0.9),
             Box("person", 0, 0, 9, 9, confidence=0.99))  # fmt: skip
    image = AnnotatedImage("/photos/a.jpg", 10, 10, boxes, "md.json", meant=("animal",))
    item = Item(name, name, Path("/photos") / name)
    look = Look(item, size_px, (), np.zeros(0), lambda _windows: None)
    assert KnownBoxes({"/photos/a.jpg": image}).propose(look) == found


def test_an_image_that_cannot_be_looked_at_again_has_its_plain_answer() -> None:
    guided = GuidedCrop(Fixed((1, 1, 5, 5)))
    row = Row(Item("a", "a", image=PICTURE))
    for size_px, eyes in ((lambda _: None, cut), (lambda _: PICTURE.shape, lambda *_: None)):
        made = GuidedCropClassifier(PLAIN, guided, size_px, eyes)  # type: ignore[arg-type]  # lambdas
        found = made.logits_of_rows(vectors_of([PICTURE]), [row])
        assert (found == PLAIN.logits(vectors_of([PICTURE]))).all()


@pytest.mark.parametrize(
    "settings",
    [{"margins": ()}, {"margins": (1.5,)}, {"margins": (float("nan"),)}, {"top": 0},
     {"weight": -1.0}, {"weight": float("nan")}],
)  # fmt: skip
def test_settings_that_crop_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        GuidedCrop(Fixed(None), **settings)


def accuracy(area: float, count: int = 120) -> tuple[float, float]:
    """Of the plain classifier, and of guided crops of sliding windows."""
    chance = np.random.default_rng(7)
    kinds = chance.integers(0, KINDS, count)
    pictures = [cluttered(int(kind), area, chance) for kind in kinds]
    plain = PLAIN.logits(vectors_of(pictures)).argmax(axis=1)
    guided = logits(GuidedCrop(SlidingWindows(sides=(0.5, 0.33, 0.2)), top=KINDS), *pictures)
    return float((plain == kinds).mean()), float((guided.argmax(axis=1) == kinds).mean())


def test_small_objects_gain_fifteen_points_and_large_ones_lose_at_most_one() -> None:
    smallest, guided_smallest = accuracy(0.02)
    assert guided_smallest >= smallest + 0.15
    largest, guided_largest = accuracy(0.10)
    assert guided_largest >= largest - 0.01
