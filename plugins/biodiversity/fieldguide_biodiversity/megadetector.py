"""MegaDetector's batch results: one JSON file for many images, with boxes of animals and people.

Beery, Morris and Yang 2019, "Efficient Pipeline for Camera Trap Image Review" (arXiv:1907.06772);
the format, versions 1.0 to 1.6, is described at https://lila.science/megadetector-output-format.
``bbox`` is left, top, width and height in shares of the upright image: the detector turns images
by their EXIF orientation before it looks at them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.captions.annotation_text import number, read_json, read_text, take
from fieldguide.captions.boxes import (
    AnnotatedImage,
    Annotations,
    Box,
    BoxFault,
    annotated_image,
)
from fieldguide.captions.image_places import folders, named_image
from fieldguide.data.images import image_size_px
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.captions.class_lists import ClassList

ANIMAL = "animal"
"""What is cut out where the user says nothing else: people and vehicles are no species."""

_BBOX = 4
_LARGEST_SHARE = 2.0
"""Of a coordinate: a little past the border happens, pixels in place of shares do not pass."""
_MOST_OF_A_REASON = 200
_VIDEO_KEYS = ("frame_rate", "frames_processed")


def read_megadetector(
    path: Path, *, classes: ClassList | None = None, images: Path | None = None
) -> Annotations:
    """Read a file of batch results.

    A box that cannot be, such as one without a size, is a fault of its image and not its end: the
    detector writes all that it guesses. Images that it failed on are recorded with its reason, and
    so are videos. A detection of a category that the file does not name is none, as the format
    says.

    Args:
        path: of the JSON file.
        classes: the names of the categories that may be in it; by default any.
        images: the folder that its names are relative to; by default that of the file.

    Raises:
        LoadError: it is not such a file.
    """
    content = read_json(path)
    parts = (content.get("images"), content.get("detection_categories")) if _is(content) else ()
    if not parts or not isinstance(parts[0], list) or not _is(parts[1]):
        raise LoadError(
            "no batch results of MegaDetector: it needs a list 'images' and the names of its "
            "'detection_categories'. Choose another --format."
        )
    names = {str(key): name for key, name in parts[1].items() if isinstance(name, str)}
    if classes is not None:
        for name in names.values():
            classes.require(name)
    found = Annotations(labels=tuple(dict.fromkeys(names.values())))
    reader = _Reader(names, path, images)
    for place, record in enumerate(parts[0]):
        source = reader.source(record, place)
        take(found, source, partial(reader.image, record, source))
    return found


def is_megadetector(path: Path) -> bool:
    """Return whether a JSON file has the parts of this format."""
    text = read_text(path)
    return '"images"' in text and '"detection_categories"' in text


def _is(value: Any) -> bool:
    return isinstance(value, dict)


def _confidence_of(detection: Any) -> float | None:
    """Return the confidence of a detection that may be anything."""
    try:
        return number(detection["conf"], "conf")
    except (LoadError, TypeError, KeyError):
        return None


@dataclass(frozen=True, slots=True)
class _Reader:
    """What the images of one file have in common."""

    names: Mapping[str, str]
    path: Path
    images: Path | None

    def source(self, record: Any, place: int) -> str:
        """Return what an entry is called in a report: its image, where it names one."""
        try:
            return self.place(record).as_posix()
        except LoadError:
            return f"{self.path.as_posix()}#{place}"

    def place(self, record: Any) -> Path:
        """Return the image of an entry.

        Raises:
            LoadError: it names none, or one outside the folder of images.
        """
        name = record.get("file") if isinstance(record, dict) else None
        if not isinstance(name, str):
            raise LoadError("the entry names no file. Run the detector again.")
        for folder in folders(self.path, self.images):
            if Path(name).is_absolute() and Path(name).is_relative_to(folder.absolute()):
                name = Path(name).relative_to(folder.absolute()).as_posix()
        try:
            return named_image(name, self.path, self.images)
        except LoadError as error:
            raise LoadError(
                f"it names the image {name[:_MOST_OF_A_REASON]!r}, which is not in the folder of "
                "images. Run the detector with names relative to that folder."
            ) from error

    def image(self, record: Mapping[str, Any], source: str) -> AnnotatedImage:
        """Return one image with what was found in it."""
        place = self.place(record)
        if (failure := record.get("failure")) is not None:
            told = str(failure)[:_MOST_OF_A_REASON]
            raise LoadError(f"the detector failed on it: {told}. Run the detector on it again.")
        detections = record.get("detections")
        if not isinstance(detections, list):
            raise LoadError("the entry has no list of detections. Run the detector on it again.")
        if any(key in record for key in _VIDEO_KEYS):
            raise LoadError(
                "it is a video. Save its frames as images and run the detector on these."
            )
        size_px = image_size_px(place)
        boxes: list[Box] = []
        faults: list[BoxFault] = []
        for detection in detections:
            try:
                boxes += self.boxes(detection, size_px)
            except LoadError as error:
                faults.append(BoxFault(str(error), _confidence_of(detection)))
        image = annotated_image(place.as_posix(), size_px, boxes, source)
        meant = (ANIMAL,) if ANIMAL in self.names.values() else ()
        return replace(image, faults=tuple(faults), meant=meant)

    def boxes(self, detection: Any, size_px: tuple[int, int]) -> list[Box]:
        """Return the box of a detection, or none for a category without a name."""
        if not isinstance(detection, dict):
            raise LoadError("a detection is no object. Run the detector again.")
        label = self.names.get(str(detection.get("category")))
        if label is None:
            return []
        shares = detection.get("bbox")
        if not isinstance(shares, list) or len(shares) != _BBOX:
            raise LoadError(f"a box {label!r} has no 4 numbers. Run the detector again.")
        confidence = number(detection.get("conf"), "conf")
        left, top, width, height = (number(share, "bbox") for share in shares)
        if not 0 <= confidence <= 1:
            raise LoadError(f"a box {label!r} has the confidence {confidence:g}, not 0 to 1.")
        if max(map(abs, (left, top, width, height))) > _LARGEST_SHARE:
            raise LoadError(
                f"a box {label!r} is not in shares of the image, 0 to 1. Run the detector again."
            )
        wide, high = size_px
        drawn = Box(
            label, left * wide, top * high, (left + width) * wide, (top + height) * high,
            confidence=confidence,
        )  # fmt: skip
        return [drawn.inside(wide, high)]
