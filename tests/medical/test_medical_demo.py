"""The pictures of the demo: drawn, honest about it, and the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fieldguide.data.images import ImageLoader
from fieldguide.errors import ContractError
from fieldguide_medical.demo import demo_sets, draw_phantom
from fieldguide_medical.histology import check_stained_tile
from fieldguide_medical.tiles import RECIPES

if TYPE_CHECKING:
    from fieldguide.demo_set import DemoSet


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoSet, ...]:
    return tuple(demo_sets(tmp_path_factory.mktemp("demo")))


def test_three_tiles_of_each_class_are_drawn(sets: tuple[DemoSet, ...]) -> None:
    truths = [image.truth for image in sets[0].images]
    assert [truths.count(label) for label in sets[0].labels] == [3, 3, 3]
    assert all(Image.open(image.path).size == (256, 256) for image in sets[0].images)


def test_drawn_tiles_pass_the_check_of_their_modality(sets: tuple[DemoSet, ...]) -> None:
    for image in sets[0].images:
        check_stained_tile(ImageLoader()(image.path))


def test_drawings_say_that_they_are_no_tissue(sets: tuple[DemoSet, ...]) -> None:
    assert all("not tissue" in image.origin for image in sets[0].images)
    assert "prove nothing" in sets[0].note
    assert all("Not for diagnosis" in demo.note for demo in sets)


def test_the_other_files_have_no_truth_and_are_not_stained_tiles(
    sets: tuple[DemoSet, ...],
) -> None:
    assert all(image.truth is None for image in sets[1].images)
    assert {image.path.suffix for image in sets[1].images} == {".dcm", ".png"}
    phantom = next(image.path for image in sets[1].images if image.path.suffix == ".png")
    with pytest.raises(ContractError, match="gray"):
        check_stained_tile(ImageLoader()(phantom))


def test_one_seed_draws_the_same_tile_and_another_seed_another() -> None:
    draw = RECIPES["benign lung tissue"]
    first, again, other = (np.asarray(draw(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_the_phantom_has_a_bright_skull_on_black() -> None:
    phantom = draw_phantom(101)
    assert phantom[0, 0] == 0  # outside
    assert phantom[5, 50] == 230  # skull
    assert phantom[50, 50] == 100  # inside
