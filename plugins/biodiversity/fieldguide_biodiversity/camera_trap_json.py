"""JSON of COCO Camera Traps: pictures with time, place and sequence, and what is in them.

Beery et al. 2018, "Recognition in Terra Incognita" (arXiv:1807.04975); the format is that of LILA
BC, https://github.com/agentmorris/MegaDetector (``data_management/README.md``): COCO's with
``datetime``, ``location``, ``seq_id`` and ``frame_num`` of images, and annotations with or without
a ``bbox`` or ``count``, for one picture or for its whole sequence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fieldguide.captions.annotation_text import number, read_json, take
from fieldguide.captions.boxes import AnnotatedImage, Annotations, Box, annotated_image
from fieldguide.captions.image_places import named_image
from fieldguide.errors import ContractError, LoadError
from fieldguide_biodiversity.camera_trap_record import SEQUENCE, SIGHTINGS, Sighting, count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.captions.class_lists import ClassList

FACTS = ("datetime", "location", "seq_id", "frame_num", "seq_num_frames", "latitude", "longitude")
"""What of an image becomes a column."""
_PARTS = ("images", "annotations", "categories")
_BBOX = 4


def read_camera_traps(
    path: Path, *, classes: ClassList | None = None, images: Path | None = None
) -> Annotations:
    """Read a file of COCO Camera Traps.

    Args:
        path: of the JSON file.
        classes: any other class is then a fault.
        images: folder of the images; by default that of the file, or ``images`` beside it.

    Returns:
        One entry an image that was annotated; its animals are the column ``sightings``. It has
        boxes where every annotation of it has one. No class is said to be looked for: an image
        without boxes may have animals.

    Raises:
        LoadError: it is not such a file.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(_is_list(content.get(name)) for name in _PARTS):
        raise LoadError(
            f"no COCO Camera Traps: it needs the lists {', '.join(_PARTS)}. Choose another "
            "--format."
        )
    reader = _Reader(_names(content["categories"]), classes, path, images)
    objects: dict[Any, list[Any]] = defaultdict(list)
    for annotation in content["annotations"]:
        objects[_key(annotation, "image_id")].append(annotation)
    found = Annotations()
    ids = Counter(_key(record, "id") for record in content["images"])
    for record in content["images"]:
        key = _key(record, "id")
        source = f"{path.as_posix()}#{key}"
        if key is None or ids[key] > 1:
            named = f"{path.as_posix()}#{record.get('file_name')}"
            reason = "it has no id, or that of another image. Give each its own."
            found.skipped.append((named, reason))
            continue
        take(found, source, partial(reader.image, record, objects.pop(key, []), source))
    for key, lost in objects.items():
        if ids[key] == 0:
            reason = f"{len(lost)} annotations are of an image that is not in the file. Add it."
            found.skipped.append((f"{path.as_posix()}#{key}", reason))
    return found


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
        """Return one image with what was seen in it."""
        name = record.get("file_name")
        if not isinstance(name, str):
            raise LoadError("the image has no file_name. Add it.")
        if record.get("corrupt") is True:
            raise LoadError("the file says that the image is corrupt. Leave it out.")
        if not objects:
            raise LoadError("it has no annotation. Annotate it, if only as 'empty'.")
        place = named_image(name, self.path, self.images).as_posix()
        whole = {each.get("sequence_level_annotation") is True for each in objects}
        if len(whole) > 1:
            raise LoadError("some annotations are of it, some of its sequence. Choose one kind.")
        facts = {key: record[key] for key in FACTS if record.get(key) is not None}
        facts |= {SEQUENCE: whole.pop(), SIGHTINGS: self._sightings(objects)}
        size_px = (_side(record, "width"), _side(record, "height"))
        boxes = [self._box(each) for each in objects] if _are_boxed(objects, size_px) else []
        if not boxes:
            return AnnotatedImage(place, *size_px, (), source, facts=facts)
        checked = annotated_image(place, size_px, boxes, source)
        return AnnotatedImage(place, *size_px, checked.boxes, source, facts=facts)

    def _sightings(self, objects: Sequence[Mapping[str, Any]]) -> tuple[Sighting, ...]:
        """Return the animals; each box is one, and without count or box nobody counted."""
        found: list[Sighting] = []
        for each in objects:
            try:
                count = count_of(each.get("count"))
            except ContractError as error:
                raise LoadError(str(error)) from error
            bbox = each.get("bbox") or []
            if not isinstance(bbox, list):
                raise LoadError(
                    f"its bbox is {str(bbox)[:40]!r}, no list of 4 numbers. Correct it."
                )
            if count is None and bbox:
                count = 1
            found.append(Sighting(self._label(each), count))
        return tuple(found)

    def _label(self, record: Mapping[str, Any]) -> str:
        category = _key(record, "category_id")
        if category not in self.names:
            raise LoadError(
                f"an annotation has the category {category!r}, which the file does not define."
            )
        label = self.names[category]
        if self.classes is not None:
            self.classes.require(label)
        return label

    def _box(self, record: Mapping[str, Any]) -> Box:
        bbox, label = record["bbox"], self._label(record)
        if len(bbox) != _BBOX:
            raise LoadError(f"a box of {label!r} has {len(bbox)} numbers, not 4. Correct it.")
        left, top, width, height = (number(value, "bbox") for value in bbox)
        return Box(label, left, top, left + width, top + height)


def _are_boxed(objects: Sequence[Mapping[str, Any]], size_px: tuple[int, int]) -> bool:
    return all(size_px) and all(
        isinstance(each.get("bbox"), list) and each["bbox"] for each in objects
    )


def _side(record: Mapping[str, Any], name: str) -> int:
    value = record.get(name)
    known = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return int(number(value, name)) if known else 0


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _key(record: Mapping[str, Any], name: str) -> Any:
    """Return an id by which records find each other; ids are numbers or text."""
    value = record.get(name)
    return value if isinstance(value, str | int) else None


def _names(records: Sequence[Mapping[str, Any]]) -> dict[Any, str]:
    names = {_key(record, "id"): record.get("name") for record in records}
    texts = {key: name for key, name in names.items() if isinstance(name, str) and name.strip()}
    if len(texts) != len(records) or len(set(texts.values())) != len(records):
        raise LoadError("a category has no name, or an id or a name of another. Correct it.")
    return texts
