"""YOLO's boxes: one text file an image, ``class x y width height`` a line, in shares of the image.

Redmon et al. 2016, "You Only Look Once" (arXiv:1506.02640), and its darknet's files: x and y are
the middle of the box; the class is a number, whose name stands in a file of its own. A line may
also be ``class x1 y1 x2 y2 x3 y3 ...``, a polygon in shares (Ultralytics' segments).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.captions.annotation_text import is_number, number, read_text, take, whole_number
from fieldguide.captions.boxes import AnnotatedImage, Annotations, Box, annotated_image
from fieldguide.captions.class_lists import ClassList, read_class_list
from fieldguide.captions.image_places import image_of_same_name
from fieldguide.captions.polygons import polygon_box
from fieldguide.data.files import exists
from fieldguide.data.images import image_size_px
from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLASS_FILES = ("classes.txt", "obj.names")
"""Beside the annotations; read where the user names no list."""
_BOX = 5
_SEGMENT = 7
_LARGEST_SHARE = 2.0
"""Of a coordinate: a little past the border happens, pixels in place of shares do not pass."""


def read_yolo(
    path: Path, *, classes: ClassList | None = None, images: Path | None = None
) -> Annotations:
    """Read the objects of one image, whose size comes from the image itself.

    Args:
        path: of the text file.
        classes: names of the numbers; by default ``classes.txt`` beside the file.
        images: folder with the image of the same name; by default ``images`` beside the file's.

    Raises:
        LoadError: it cannot be read.
        UsageError: nothing says the names of the classes.
    """
    known = _classes_beside(path) if classes is None else classes
    lines = [line.split() for line in read_text(path).splitlines()]
    found = Annotations(labels=known.labels, plurals=known.plurals)

    def image() -> AnnotatedImage:
        place = image_of_same_name(path, images)
        size_px = image_size_px(place)
        boxes = [_box(fields, known, size_px) for fields in lines if fields]
        return annotated_image(place.as_posix(), size_px, boxes, path.as_posix())

    take(found, path.as_posix(), image)
    return found


def is_yolo(path: Path) -> bool:
    """Return whether the first line with content is of this format."""
    lines = (line.split() for line in read_text(path).splitlines())
    fields = next((fields for fields in lines if fields), [])
    return len(fields) >= _BOX and len(fields) % 2 == 1 and all(map(is_number, fields))


def _classes_beside(path: Path) -> ClassList:
    for name in CLASS_FILES:
        if exists(path.parent / name):
            return read_class_list(path.parent / name)
    raise UsageError(
        "YOLO's files number their classes. Say the names, one a line: --classes-file FILE"
    )


def _box(fields: Sequence[str], classes: ClassList, size_px: tuple[int, int]) -> Box:
    """Return the box of one line."""
    if len(fields) != _BOX and (len(fields) < _SEGMENT or len(fields) % 2 == 0):
        raise LoadError(
            f"a line has {len(fields)} fields, not a class and 4 shares or a polygon. Correct it, "
            "or choose another --format."
        )
    label = classes.label(whole_number(fields[0], "class"))
    shares = [number(field, "coordinate") for field in fields[1:]]
    if not all(-_LARGEST_SHARE <= share <= _LARGEST_SHARE for share in shares):
        raise LoadError(
            f"the coordinates of a box {label!r} are no shares of the image, 0 to 1. Correct them."
        )
    width_px, height_px = size_px
    if len(fields) != _BOX:
        sides = [share * (height_px if i % 2 else width_px) for i, share in enumerate(shares)]
        return polygon_box([sides], label)
    x, y = shares[0] * width_px, shares[1] * height_px
    half_width, half_height = shares[2] * width_px / 2, shares[3] * height_px / 2
    return Box(label, x - half_width, y - half_height, x + half_width, y + half_height)
