from __future__ import annotations

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fieldguide.data.images import ImageLoader
from fieldguide.errors import ContractError, MissingExtraError
from fieldguide_biodiversity import demo
from fieldguide_biodiversity.demo import PHOTOGRAPHS, demo_sets
from fieldguide_biodiversity.fishes import RECIPES, draw_fish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.demo_set import DemoSet

needs_photographs = pytest.mark.skipif(
    find_spec("skimage") is None, reason="needs the extra: pip install 'fieldguide[biodiversity]'"
)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Sequence[DemoSet]:
    return demo_sets(tmp_path_factory.mktemp("demo"))


@needs_photographs
def test_every_picture_exists_and_its_truth_is_a_label(sets: Sequence[DemoSet]) -> None:
    assert [demo_set.modality for demo_set in sets] == ["organism_photo", "underwater_fish"]
    for demo_set in sets:
        for image in demo_set.images:
            assert image.path.is_file()
            assert image.truth is None or image.truth in demo_set.labels


@needs_photographs
def test_every_picture_states_its_licence_or_that_it_is_drawn(sets: Sequence[DemoSet]) -> None:
    origins = [image.origin for demo_set in sets for image in demo_set.images]
    assert [o for o in origins if not ("CC" in o or o == "drawn by fieldguide")] == []


@needs_photographs
def test_the_loader_refuses_exactly_the_pictures_that_have_no_truth(
    sets: Sequence[DemoSet],
) -> None:
    for image in (image for demo_set in sets for image in demo_set.images):
        if image.truth is None:
            with pytest.raises(ContractError):
                ImageLoader()(image.path)
        else:
            assert ImageLoader()(image.path).units == "srgb8"


@needs_photographs
def test_photographs_are_copied_unchanged(sets: Sequence[DemoSet]) -> None:
    photograph = PHOTOGRAPHS[0]
    source = Path(find_spec(photograph.package).submodule_search_locations[0], photograph.path)
    copy = sets[0].images[0].path
    assert (
        hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()
    )


@needs_photographs
def test_the_fish_are_judged_among_all_labels_and_the_note_says_they_are_drawn(
    sets: Sequence[DemoSet],
) -> None:
    fish = sets[1]
    assert len(fish.labels) == 23
    assert "Drawn" in fish.note
    assert "proves nothing" in fish.note


@needs_photographs
def test_finding_photographs_does_not_import_their_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "skimage", raising=False)
    demo_sets(tmp_path)
    assert "skimage" not in sys.modules


def test_a_missing_package_is_answered_with_the_pip_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fieldguide\[biodiversity\]'"):
        demo_sets(tmp_path)


def test_a_drawing_is_the_same_for_the_same_seed_and_differs_for_another() -> None:
    first, again, other = (np.asarray(draw_fish(RECIPES[0], seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("label", "expected_rgb"),
    [
        ("Chromis chrysura", (41, 35, 45)),  # back and belly meet half-way
        ("Myripristis kuntee", (215, 105, 78)),
        ("Pomacentrus moluccensis", (240, 160, 35)),
    ],
)
def test_the_middle_of_a_drawn_fish_has_the_colour_between_back_and_belly(
    label: str, expected_rgb: tuple[int, int, int]
) -> None:
    recipe = next(recipe for recipe in RECIPES if recipe.label == label)
    pixels = np.asarray(draw_fish(recipe, 3), dtype=float)
    middle = pixels[48:52, 55:61].reshape(-1, 3).mean(axis=0)
    assert np.abs(middle - expected_rgb).max() < 12  # noise, blur, and where the fish swims


def test_drawings_are_small_rgb_pictures() -> None:
    sizes = {(draw_fish(recipe, 0).size, draw_fish(recipe, 0).mode) for recipe in RECIPES}
    assert sizes == {((120, 104), "RGB")}
    assert all(isinstance(draw_fish(recipe, 0), Image.Image) for recipe in RECIPES)
