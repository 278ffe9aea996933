"""Pictures for ``fieldguide demo``: photographs from installed packages, drawings of fish."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from PIL import Image

from fieldguide.demo_set import DemoImage, DemoSet
from fieldguide.errors import MissingExtraError
from fieldguide_biodiversity.fishes import RECIPES, draw_fish

if TYPE_CHECKING:
    from collections.abc import Sequence

FISH_SEED = 7
PHOTO_LABELS = (
    "cat", "dog", "bird", "fish", "butterfly", "mushroom", "flower", "grass", "cup of coffee",
    "building",
)  # fmt: skip


@dataclass(frozen=True)
class Photograph:
    """A picture that ships inside an installed package, unchanged.

    Attributes:
        package: import name of the package.
        path: the file inside the package.
        truth: what its package says that it shows.
        origin: photographer, licence and package.
    """

    package: str
    path: str
    truth: str
    origin: str


PHOTOGRAPHS = (
    Photograph(
        "skimage", "data/chelsea.png", "cat",
        "Stefan van der Walt, CC0 1.0, from scikit-image",
    ),
    Photograph(
        "sklearn", "datasets/images/flower.jpg", "flower",
        "https://www.flickr.com/photos/vultilion/6056698931 (credited to danielbuechele in "
        "scikit-learn's README.txt), CC BY 2.0, from scikit-learn",
    ),
    Photograph(
        "skimage", "data/grass.png", "grass",
        "https://www.deviantart.com/linolafett/art/Grass-01-434853879, CC0 1.0, from scikit-image",
    ),
    Photograph(
        "skimage", "data/coffee.png", "cup of coffee",
        "Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0 1.0, from scikit-image",
    ),
    Photograph(
        "sklearn", "datasets/images/china.jpg", "building",
        "danielbuechele, https://www.flickr.com/photos/danielbuechele/6061409035, CC BY 2.0, "
        "from scikit-learn",
    ),
)  # fmt: skip


def demo_sets(folder: Path) -> Sequence[DemoSet]:
    """Write the pictures below a folder and return what they show.

    Raises:
        MissingExtraError: a package that holds photographs is not installed.
    """
    return [_organism_photos(folder / "organism_photo"), _fish(folder / "underwater_fish")]


def _organism_photos(folder: Path) -> DemoSet:
    folder.mkdir(parents=True, exist_ok=True)
    images = [_copy(photograph, folder) for photograph in PHOTOGRAPHS]
    images.append(_thermal_frame(folder))
    return DemoSet(
        title="Photographs of organisms, and two of none",
        modality="organism_photo",
        images=tuple(images),
        labels=PHOTO_LABELS,
        query="a photo of a cat",
        note="Five photographs, their truth from their source, and one frame of temperatures "
        "that must be refused because it has no display range. Too few to measure anything.",
    )


def _copy(photograph: Photograph, folder: Path) -> DemoImage:
    source = _inside_package(photograph.package, photograph.path)
    target = folder / source.name
    shutil.copyfile(source, target)
    return DemoImage(target, photograph.truth, photograph.origin)


def _inside_package(package: str, relative: str) -> Path:
    """Return the path of a package's file without importing the package."""
    spec = find_spec(package)
    for root in (spec.submodule_search_locations if spec else None) or ():
        if (path := Path(root, relative)).is_file():
            return path
    raise MissingExtraError(
        f"The demo needs the file {relative} of the package {package!r}, which is not installed. "
        "Run: pip install 'fieldguide[biodiversity]'"
    )


def _thermal_frame(folder: Path) -> DemoImage:
    """Write what a thermal camera stores: degrees Celsius as floating-point numbers."""
    y, x = np.mgrid[0:96, 0:128]
    animal = np.hypot((x - 70) / 22, (y - 52) / 13) < 1
    celsius = np.where(animal, 36.5, 11.0 + 0.02 * y).astype(np.float32)
    path = folder / "thermal_camera.tif"
    Image.fromarray(celsius).save(path)
    return DemoImage(path, None, "drawn by fieldguide")


def _fish(folder: Path) -> DemoSet:
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number, recipe in enumerate(RECIPES):
        path = folder / f"{recipe.label.lower().replace(' ', '_')}.png"
        draw_fish(recipe, FISH_SEED + number).save(path)
        images.append(DemoImage(path, recipe.label, "drawn by fieldguide"))
    return DemoSet(
        title="Reef fish from fixed underwater cameras",
        modality="underwater_fish",
        images=tuple(images),
        labels=_fish_labels(),
        query="an underwater photo of Pomacentrus moluccensis",
        note="Drawn, truth by recipe. Species whose drawing the model never recognised were left "
        "out, so this shows that the path works and proves nothing about real fish.",
    )


def _fish_labels() -> tuple[str, ...]:
    """Return all 23 labels of the class set, also those that are not drawn."""
    resource = files("fieldguide_biodiversity").joinpath("prompts/fish4knowledge.yaml")
    content = yaml.safe_load(resource.read_text("utf-8"))
    return tuple(entry["label"] for entry in content["classes"])
