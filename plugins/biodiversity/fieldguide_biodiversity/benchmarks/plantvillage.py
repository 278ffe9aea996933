"""PlantVillage: 54,305 leaves, 38 pairs of crop and disease (Hughes and Salathe 2015).

"An open access repository of images on plant health", arXiv:1511.08060; the folders are those of
github.com/spMohanty/PlantVillage-Dataset (Mohanty et al. 2016, arXiv:1604.03169), ``raw/color``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.named_set import Listing, NamedRow, NamedSet
from fieldguide.benchmarks.published_files import absent, names_in
from fieldguide.data.files import is_folder
from fieldguide.errors import UsageError
from fieldguide_biodiversity.benchmarks.protocols import AS_IS, PLAIN, trained, zero_shot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NAME, TITLE = "plantvillage", "PlantVillage"
PLACES = ("raw/color", "color", ".")
SUFFIXES = (".jpg", ".jpeg", ".png")
COUNTS = {
    "Apple___Apple_scab": 630, "Apple___Black_rot": 621, "Apple___Cedar_apple_rust": 275,
    "Apple___healthy": 1645, "Blueberry___healthy": 1502,
    "Cherry_(including_sour)___Powdery_mildew": 1052, "Cherry_(including_sour)___healthy": 854,
    "Corn_(maize)___Cercospora_leaf_spot Gray_leaf_spot": 513,
    "Corn_(maize)___Common_rust_": 1192, "Corn_(maize)___Northern_Leaf_Blight": 985,
    "Corn_(maize)___healthy": 1162, "Grape___Black_rot": 1180,
    "Grape___Esca_(Black_Measles)": 1383, "Grape___Leaf_blight_(Isariopsis_Leaf_Spot)": 1076,
    "Grape___healthy": 423, "Orange___Haunglongbing_(Citrus_greening)": 5507,
    "Peach___Bacterial_spot": 2297, "Peach___healthy": 360,
    "Pepper,_bell___Bacterial_spot": 997, "Pepper,_bell___healthy": 1478,
    "Potato___Early_blight": 1000, "Potato___Late_blight": 1000, "Potato___healthy": 152,
    "Raspberry___healthy": 371, "Soybean___healthy": 5090, "Squash___Powdery_mildew": 1835,
    "Strawberry___Leaf_scorch": 1109, "Strawberry___healthy": 456,
    "Tomato___Bacterial_spot": 2127, "Tomato___Early_blight": 1000, "Tomato___Late_blight": 1909,
    "Tomato___Leaf_Mold": 952, "Tomato___Septoria_leaf_spot": 1771,
    "Tomato___Spider_mites Two-spotted_spider_mite": 1676, "Tomato___Target_Spot": 1404,
    "Tomato___Tomato_Yellow_Leaf_Curl_Virus": 5357, "Tomato___Tomato_mosaic_virus": 373,
    "Tomato___healthy": 1591,
}  # fmt: skip
"""Images by folder."""
TRAPS = (
    "Several images are of one leaf, so train and test share leaves in any split by image: figures "
    "of probes are too good, and fall on photographs from the field.",
    "38 classes with 152 to 5,507 images: see the mean over classes too.",
)


def read_row(cells: Mapping[str, Any]) -> NamedRow:
    """Return what the name of a folder says of an image in it."""
    folder = str(cells["folder"])
    return NamedRow(
        path=f"{folder}/{cells['name']}",
        label=folder,
        names={AS_IS: folder, PLAIN: leaf(folder)},
    )


def leaf(folder: str) -> str:
    """Return what the leaves in a folder are.

    >>> leaf("Tomato___Late_blight"), leaf("Cherry_(including_sour)___healthy")
    ('a tomato leaf with late blight', 'a healthy cherry leaf')
    >>> leaf("Tomato___Tomato_mosaic_virus"), leaf("Pepper,_bell___Bacterial_spot")
    ('a tomato leaf with tomato mosaic virus', 'a bell pepper leaf with bacterial spot')
    """
    crop, _, state = folder.partition("___")
    first, comma, second = crop.partition("(")[0].replace("_", " ").strip().lower().partition(", ")
    crop = f"{second} {first}" if comma else first
    state = " ".join(state.replace("_", " ").lower().split())
    article = "an" if crop[0] in "aeiou" else "a"
    return f"a healthy {crop} leaf" if state == "healthy" else f"{article} {crop} leaf with {state}"


def find_listing(root: Path) -> Listing:
    """Return the images in the folders of the classes.

    Raises:
        UsageError: there is no folder of any class.
    """
    for place in PLACES:
        if any(is_folder(root / place / folder) for folder in COUNTS):
            return Listing(root / place, root / place, list(_rows(root / place)))
    raise UsageError(absent(root, TITLE, f"{PLACES[0]}/ with a folder a class", NAME))


def _rows(place: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield number, folder and name of each image."""
    number = 0
    for folder in COUNTS:
        for name in sorted(names_in(place / folder)):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                number += 1
                yield number, {"folder": folder, "name": name}


DATA = NamedSet(
    name=NAME,
    title=TITLE,
    counts={"": sum(COUNTS.values())},
    find_listing=find_listing,
    read=read_row,
    classes={folder: {AS_IS: folder, PLAIN: leaf(folder)} for folder in COUNTS},
)

plantvillage_zero_shot = zero_shot(DATA, PLAIN, templates=("a photo of {}.",), traps=TRAPS)
plantvillage_zero_shot_written = zero_shot(DATA, AS_IS, "zero_shot_written", traps=TRAPS)
plantvillage_simple_shot, plantvillage_knn, plantvillage_linear_probe = trained(DATA, TRAPS)
