"""DOTA's oriented boxes: one text file an image, four corners a line.

Xia et al. 2018, "DOTA: A Large-scale Dataset for Object Detection in Aerial Images"
(arXiv:1711.10398): ``x1 y1 x2 y2 x3 y3 x4 y4 class difficult``, below optional lines
``imagesource:`` and ``gsd:``. What counts here is the upright box around the corners. Difficult
objects are objects and count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.captions.annotation_text import is_number, number, read_text, take
from fieldguide.captions.boxes import AnnotatedImage, Annotations, Box, annotated_image
from fieldguide.captions.image_places import image_of_same_name
from fieldguide.captions.polygons import polygon_box
from fieldguide.data.images import image_size_px
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fieldguide.captions.class_lists import ClassList

_HEADERS = ("imagesource:", "gsd:")
_CORNERS = 8
_FIELDS = (9, 10)


def read_dota(
    path: Path, *, classes: ClassList | None = None, images: Path | None = None
) -> Annotations:
    """Read the objects of one image, whose size comes from the image itself.

    Args:
        path: of the text file.
        classes: by default any; else any other class is a fault.
        images: folder with the image of the same name; by default ``images`` beside the file's.

    Raises:
        LoadError: it cannot be read.
    """
    text = read_text(path)
    labels = () if classes is None else classes.labels
    found = Annotations(labels=labels, plurals={} if classes is None else classes.plurals)

    def image() -> AnnotatedImage:
        place = image_of_same_name(path, images)
        boxes = list(_boxes(text, classes))
        return annotated_image(place.as_posix(), image_size_px(place), boxes, path.as_posix())

    take(found, path.as_posix(), image)
    return found


def is_dota(path: Path) -> bool:
    """Return whether the first line with content is of this format."""
    for line in read_text(path).splitlines():
        fields = line.split()
        if fields:
            is_header = fields[0].lower().startswith(_HEADERS)
            return is_header or (len(fields) in _FIELDS and not is_number(fields[_CORNERS]))
    return False


def _boxes(text: str, classes: ClassList | None) -> Iterator[Box]:
    for place, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].lower().startswith(_HEADERS):
            continue
        if len(fields) not in _FIELDS:
            raise LoadError(
                f"line {place} has {len(fields)} fields, not 8 coordinates, a class and whether "
                "it is difficult. Correct it, or choose another --format."
            )
        corners = [number(field, f"corner in line {place}") for field in fields[:_CORNERS]]
        label = fields[_CORNERS]
        yield polygon_box([corners], label if classes is None else classes.require(label))
