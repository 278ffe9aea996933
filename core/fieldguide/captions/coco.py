"""COCO's object annotations: one JSON file for many images, with boxes, polygons and masks.

Lin et al. 2014, "Microsoft COCO: Common Objects in Context" (arXiv:1405.0312). ``bbox`` is left,
top, width and height in edges. One annotation is one object, also where its mask has several
parts. ``iscrowd`` stands for a group that was not counted, in COCO more than ten. A ``score``, as
COCO's result files have it, is the confidence of a detector.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from fieldguide.captions.annotation_text import number, read_json, read_text, take, whole_number
from fieldguide.captions.boxes import AnnotatedImage, Annotations, Box, annotated_image
from fieldguide.captions.image_places import named_image
from fieldguide.captions.polygons import polygon_box
from fieldguide.captions.rle import rle_box
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.captions.class_lists import ClassList

_PARTS = ("images", "annotations", "categories")
_BBOX = 4


def read_coco(
    path: Path, *, classes: ClassList | None = None, images: Path | None = None
) -> Annotations:
    """Read an instances file.

    Args:
        path: of the JSON file.
        classes: by default the file's own; else any other class is a fault.
        images: folder of the images; by default that of the file, or ``images`` beside it.

    Returns:
        One entry an image, also for images without any object. What cannot be used is recorded.

    Raises:
        LoadError: it is not such a file.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(_is_list(content.get(name)) for name in _PARTS):
        raise LoadError(
            f"no COCO annotations: it needs the lists {', '.join(_PARTS)}. Choose another --format."
        )
    names = _categories(content["categories"])
    labels = tuple(names.values()) if classes is None else classes.labels
    found = Annotations(labels=labels, plurals={} if classes is None else classes.plurals)
    reader = _Reader(names, classes, path, images)
    objects: dict[Any, list[Any]] = defaultdict(list)
    for annotation in content["annotations"]:
        objects[_key(annotation, "image_id")].append(annotation)
    ids = Counter(_key(record, "id") for record in content["images"])
    for record in content["images"]:
        if ids[_key(record, "id")] > 1 or _key(record, "id") is None:
            reason = "it has no id, or that of another image. Give each its own."
            found.skipped.append((f"{path.as_posix()}#{record.get('file_name')}", reason))
            continue
        source = f"{path.as_posix()}#{_key(record, 'id')}"
        own = objects.pop(_key(record, "id"), [])
        take(found, source, partial(reader.image, record, own, source))
    for image_id, lost in objects.items():
        if ids[image_id] > 1:
            continue  # told above
        reason = f"{len(lost)} boxes are of an image that is not in the file. Add it."
        found.skipped.append((f"{path.as_posix()}#{image_id}", reason))
    return found


def is_coco(path: Path) -> bool:
    """Return whether a JSON file has the parts of this format."""
    text = read_text(path)
    return all(f'"{name}"' in text for name in _PARTS)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _key(record: Mapping[str, Any], name: str) -> Any:
    """Return an id by which records find each other; ids are numbers or text."""
    value = record.get(name)
    return value if isinstance(value, str | int) else None


def _categories(records: Sequence[Mapping[str, Any]]) -> dict[Any, str]:
    names = {_key(record, "id"): record.get("name") for record in records}
    texts = {key: name for key, name in names.items() if isinstance(name, str) and name.strip()}
    if len(texts) != len(records) or len(set(texts.values())) != len(records):
        raise LoadError("a category has no name, or an id or a name of another. Correct it.")
    return texts


@dataclass(frozen=True, slots=True)
class _Reader:
    """What the images of one file have in common."""

    names: Mapping[Any, str]
    classes: ClassList | None
    path: Path
    images: Path | None

    def image(
        self, record: Mapping[str, Any], objects: Sequence[Mapping[str, Any]], source: str
    ) -> AnnotatedImage:
        """Return one image with its objects."""
        name = record.get("file_name")
        if not isinstance(name, str):
            raise LoadError("the image has no file_name. Add it.")
        place = named_image(name, self.path, self.images)
        size_px = (
            whole_number(record.get("width"), "width"),
            whole_number(record.get("height"), "height"),
        )
        boxes = [self.box(each, size_px) for each in objects]
        return annotated_image(place.as_posix(), size_px, boxes, source)

    def box(self, record: Mapping[str, Any], size_px: tuple[int, int]) -> Box:
        """Return one object of an image with that width and height."""
        category = _key(record, "category_id")
        if category not in self.names:
            raise LoadError(f"a box has the category {category!r}, which the file does not define.")
        label = self.names[category]
        if self.classes is not None:
            self.classes.require(label)
        crowd = record.get("iscrowd") in (1, True)
        box = _outline(record, label, size_px)
        area = box.area_px if record.get("area") is None else number(record["area"], "area")
        score = None if record.get("score") is None else number(record["score"], "score")
        return replace(box, area_px=area, crowd=crowd, confidence=score)


def _outline(record: Mapping[str, Any], label: str, size_px: tuple[int, int]) -> Box:
    """Return the box of an object; where it has both a bbox and a mask, the bbox."""
    bbox, segmentation = record.get("bbox"), record.get("segmentation")
    if isinstance(bbox, list) and bbox:
        if len(bbox) != _BBOX:
            raise LoadError(f"a box of {label!r} has {len(bbox)} numbers, not 4. Correct it.")
        left, top, width, height = (number(value, "bbox") for value in bbox)
        return Box(label, left, top, left + width, top + height)
    if isinstance(segmentation, dict):
        if segmentation.get("size") != [size_px[1], size_px[0]]:
            raise LoadError(
                f"the mask of an object {label!r} has the size {segmentation.get('size')}, the "
                f"image {[size_px[1], size_px[0]]} (height, width). Correct one."
            )
        return rle_box(segmentation, label)
    if isinstance(segmentation, list) and segmentation:
        return polygon_box(segmentation, label)
    raise LoadError(f"an object {label!r} has neither a bbox nor a segmentation. Add one.")
