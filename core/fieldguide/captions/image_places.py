"""Which image an annotation file is about, and how large that is."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from fieldguide.data.files import exists, leads_out
from fieldguide.errors import LoadError

SISTERS = ("images", "JPEGImages")
"""Folders beside that of the annotations in which YOLO, DOTA and Pascal VOC keep images."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")


def folders(annotation: Path, images: Path | None) -> list[Path]:
    """Return where the images of an annotation file may lie.

    Args:
        annotation: the file.
        images: what the user named; by default the file's own folder and those beside it.
    """
    if images is not None:
        return [images]
    own = annotation.parent
    return [own, *(own.parent / name for name in SISTERS)]


def named_image(name: str, annotation: Path, images: Path | None) -> Path:
    """Return the image that an annotation names; it need not be there.

    Raises:
        LoadError: the name is empty, or leads out of the folder of the images.
    """
    relative = PurePosixPath(name.replace("\\", "/"))
    if not relative.name or leads_out(name):
        raise LoadError(
            f"it names the image {name!r}, which is no file in the folder of images. Correct it."
        )
    places = [folder / relative for folder in folders(annotation, images)]
    return next((place for place in places if exists(place)), places[0])


def image_of_same_name(annotation: Path, images: Path | None) -> Path:
    """Return the image that is named as its annotation file, but for the ending.

    Raises:
        LoadError: there is none.
    """
    for folder in folders(annotation, images):
        for suffix in (*SUFFIXES, *map(str.upper, SUFFIXES)):
            place = folder / (annotation.stem + suffix)
            if place.name != annotation.name and exists(place):
                return place
    raise LoadError(
        f"there is no image named {annotation.stem!r} with an ending such as .jpg, .png or .tif. "
        "Say where the images are: --images FOLDER"
    )
