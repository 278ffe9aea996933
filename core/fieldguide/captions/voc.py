"""Pascal VOC's annotations: one XML file an image.

Everingham et al. 2010, "The Pascal Visual Object Classes (VOC) Challenge"
(doi:10.1007/s11263-009-0275-4). Coordinates are numbers of pixels from 1, the last one inside, so
the edges are ``xmin - 1`` and ``xmax``; files that count from 0 differ by that one pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from fieldguide.captions.annotation_text import number, read_text, take, whole_number
from fieldguide.captions.boxes import AnnotatedImage, Annotations, Box, annotated_image
from fieldguide.captions.image_places import named_image
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from fieldguide.captions.class_lists import ClassList

MAX_BYTES = 32 * 2**20
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def read_voc(
    path: Path, *, classes: ClassList | None = None, images: Path | None = None
) -> Annotations:
    """Read the objects of one image, difficult and truncated ones as well.

    Args:
        path: of the XML file.
        classes: by default any; else any other class is a fault.
        images: folder of the images; by default ``images`` or ``JPEGImages`` beside the file's.

    Raises:
        LoadError: it is not such a file, or declares entities or a document type.
    """
    root = _parse(path)
    labels = () if classes is None else classes.labels
    found = Annotations(labels=labels, plurals={} if classes is None else classes.plurals)
    take(found, path.as_posix(), lambda: _image(root, path, classes, images))
    return found


def _parse(path: Path) -> Element:
    try:
        root: Element = fromstring(read_text(path, MAX_BYTES), forbid_dtd=True)
    except DefusedXmlException as error:
        raise LoadError(
            "it declares a document type or entities, which annotations do not need and which "
            "can fill the memory or read other files. Remove the declaration."
        ) from error
    except (ParseError, ValueError) as error:  # an encoding that its text does not have
        raise LoadError(f"not XML: {error}. Export it again.") from error
    if root.tag != "annotation":
        raise LoadError("no Pascal VOC annotation: its root is not <annotation>.")
    return root


def _image(
    root: Element, path: Path, classes: ClassList | None, images: Path | None
) -> AnnotatedImage:
    image = named_image((root.findtext("filename") or "").strip(), path, images)
    width_px = whole_number(root.findtext("size/width"), "width")
    height_px = whole_number(root.findtext("size/height"), "height")
    boxes = [_box(element, classes) for element in root.iterfind("object")]
    return annotated_image(image.as_posix(), (width_px, height_px), boxes, path.as_posix())


def _box(element: Element, classes: ClassList | None) -> Box:
    label = (element.findtext("name") or "").strip()
    if classes is not None:
        classes.require(label)
    left, top, right, bottom = (
        number(element.findtext(f"bndbox/{name}"), f"{name} of {label!r}") for name in _EDGES
    )
    if right <= left or bottom <= top:  # by its own rule one pixel, in practice a slip of the hand
        raise LoadError(
            f"the box {label!r} [{left:g}, {top:g}, {right:g}, {bottom:g}] has no size. "
            "Correct or remove it."
        )
    return Box(label, left - 1, top - 1, right, bottom)
