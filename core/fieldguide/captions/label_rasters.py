"""Label rasters: an image whose pixels are numbers of classes, as segmentation has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.captions.annotation_text import take
from fieldguide.captions.boxes import AnnotatedImage, Annotations, annotated_image
from fieldguide.captions.image_places import image_of_same_name
from fieldguide.captions.masks import raster_boxes
from fieldguide.data.images import read_numbers
from fieldguide.errors import ContractError, LoadError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.captions.class_lists import ClassList

_NAMED = 5


def read_label_raster(
    path: Path, *, classes: ClassList | None = None, images: Path | None = None
) -> Annotations:
    """Read one image of class numbers: each connected region of a class becomes an object.

    Args:
        path: of a PNG or TIFF with one band, or with a palette whose entries are the classes.
        classes: names of the numbers, and which numbers are background or nodata.
        images: folder with the image of the same name; by default ``images`` beside the file's.

    Raises:
        UsageError: nothing says the names of the classes.
    """
    if classes is None:
        raise UsageError(
            "A label raster numbers its classes. Say the names: --classes-file FILE, a YAML file "
            "with 'names' and 'background'"
        )
    found = Annotations(labels=classes.labels, plurals=classes.plurals)
    take(found, path.as_posix(), lambda: _image(path, classes, images))
    return found


def _image(path: Path, classes: ClassList, images: Path | None) -> AnnotatedImage:
    try:
        values = read_numbers(path)
    except ContractError as error:
        raise LoadError(str(error)) from error
    known = {*classes.names, *classes.background}
    strange = [value for value in np.unique(values).tolist() if value not in known]
    if strange:
        some = ", ".join(map(str, strange[:_NAMED]))
        raise LoadError(
            f"it holds the numbers {some}, which are no class. Name them in the --classes-file, or "
            "add them to its 'background'."
        )
    height_px, width_px = values.shape
    boxes = raster_boxes(values, classes.objects)
    place = image_of_same_name(path, images)
    return annotated_image(place.as_posix(), (width_px, height_px), boxes, path.as_posix())
