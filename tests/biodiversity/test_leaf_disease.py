"""Captions of leaves, and the 38 classes of PlantVillage."""

from __future__ import annotations

import csv
import doctest
from typing import TYPE_CHECKING, Any

import pytest

import fieldguide as fg
from fieldguide.errors import ContractError
from fieldguide.zeroshot.class_sets import bare, load_class_set
from fieldguide_biodiversity import leaf_disease
from fieldguide_biodiversity.leaf_disease import leaf_caption, leaf_of

if TYPE_CHECKING:
    from pathlib import Path


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(leaf_disease).failed == 0


@pytest.mark.parametrize(
    ("row", "captions"),
    [
        ({"label": "Tomato___Late_blight"}, ("a leaf of tomato with late blight.",)),
        ({"label": "Apple___healthy"}, ("a healthy leaf of apple.",)),
        ({"class": "Corn___Cercospora_leaf_spot Gray_leaf_spot"},
         ("a leaf of corn with Cercospora gray leaf spot.",)),
        ({"crop": "Rice", "disease": "none"}, ("a healthy leaf of rice.",)),
        ({"Crop": "wheat", "Disease": "Leaf rust", "Symptom": "Small orange pustules."},
         ("a leaf of wheat with leaf rust.",
          "a leaf of wheat with leaf rust: small orange pustules.")),
        ({"label": "Grape___Black_rot", "symptoms": "tan spots with dark rims"},
         ("a leaf of grape with black rot.",
          "a leaf of grape with black rot: tan spots with dark rims.")),
    ],
)  # fmt: skip
def test_crop_disease_and_symptoms_become_captions(
    row: dict[str, Any], captions: tuple[str, ...]
) -> None:
    assert leaf_caption(row) == captions


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"label": "tomato"}, "names no crop or no disease"),
        ({"crop": "rice"}, "names no crop or no disease"),
        ({"label": "___"}, "names no crop or no disease"),
        (
            {"crop": "rice", "disease": "healthy", "symptom": "spots"},
            "is healthy, and has symptoms",
        ),
    ],
)
def test_a_row_without_crop_or_disease_is_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        leaf_caption(row)


def test_the_class_set_says_of_each_class_what_the_converter_says() -> None:
    classes = load_class_set("plantvillage_38", fg.get_catalog())
    assert len(classes.labels) == 38
    assert sum("healthy" in label for label in classes.labels) == 12  # as in the paper: 26 diseases
    assert len({leaf_of({"label": label}).crop for label in classes.labels}) == 14
    for entry in classes.classes:
        assert (f"{entry.names[0]}.",) == leaf_caption({"label": entry.label})


@pytest.mark.shared_data
def test_folders_of_a_copy_of_plantvillage_are_the_38_classes(shared_data: Path) -> None:
    path = shared_data / "biodiversity" / "taxonomy" / "meta_album_plt_vil.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        folders = {row["class"] for row in csv.DictReader(stream)}
    classes = load_class_set("plantvillage_38", fg.get_catalog())
    owners = {bare(name): entry.label for entry in classes.classes
              for name in (entry.label, *entry.aliases)}  # fmt: skip
    assert {owners[bare(folder)] for folder in folders} == set(classes.labels)
    spoken = {leaf_caption({"label": folder}) for folder in folders}
    assert spoken == {leaf_caption({"label": label}) for label in classes.labels}
