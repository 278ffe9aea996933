"""A manifest row with boxes: what captions from boxes are made of."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from fieldguide.captions.annotation_text import number, whole_number
from fieldguide.captions.boxes import AnnotatedImage, Box, annotated_image
from fieldguide.captions.nouns import Noun, nouns_of
from fieldguide.captions.numbers import MANY, Many
from fieldguide.data.files import utf8_text
from fieldguide.errors import ContractError, LoadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_EDGES = ("x_min", "y_min", "x_max", "y_max")


@dataclass(frozen=True, slots=True)
class BoxRecord:
    """One image with its objects.

    Attributes:
        image: with its boxes.
        labels: all classes that were looked for.
        nouns: of these and of those that have a box.
        identity: what the draw of the captions depends on, beside the seed: the image's name
            without its folder, so that another machine makes the same captions.
    """

    image: AnnotatedImage
    labels: tuple[str, ...]
    nouns: Mapping[str, Noun]
    identity: str

    def chance(self, seed: int, purpose: str) -> random.Random:
        """Return the source of chance of one image: the same for the same seed, in any order."""
        return random.Random(utf8_text(f"{seed}|{purpose}|{self.identity}"))


def read_record(record: Mapping[str, Any]) -> BoxRecord:
    """Return what a row says of an image's objects.

    Args:
        record: ``width`` and ``height`` in pixels; ``boxes``, a list of :class:`Box` or of
            ``{"label", "x_min", "y_min", "x_max", "y_max"}`` in edges; and, where they are known,
            ``labels`` (all classes that were looked for), ``plurals`` and ``path``.

    Raises:
        ContractError: it has no boxes, or one that cannot be.
    """
    boxes = record.get("boxes")
    if not isinstance(boxes, list | tuple):
        raise ContractError(
            "its row has no list of 'boxes'. Give it one, as JSON Lines, or name an annotation "
            "file: fieldguide captions instances.json"
        )
    labels, plurals = record.get("labels") or (), record.get("plurals") or {}
    path = str(record.get("path", ""))
    try:
        size_px = (whole_number(record.get("width"), "width"),
                   whole_number(record.get("height"), "height"))  # fmt: skip
        image = annotated_image(path, size_px, map(_box, boxes), str(record.get("source", "")))
    except LoadError as error:
        raise ContractError(str(error)) from error
    if not isinstance(labels, list | tuple) or not isinstance(plurals, Mapping):
        raise ContractError("its 'labels' are no list, or its 'plurals' no object. Correct them.")
    known = dict.fromkeys([*map(str, labels), *(box.label for box in image.boxes)])
    return BoxRecord(
        image=image,
        labels=tuple(map(str, labels)),
        nouns=nouns_of(known, {str(k): str(v) for k, v in plurals.items()}),
        identity=PurePath(path).name,
    )


def count_boxes(boxes: Iterable[Box], many_above: int) -> dict[str, int | Many]:
    """Return how many objects each class has, or MANY above a number or where a group is one box.

    COCO marks a region as a crowd where a class has more than ten instances that were not drawn
    one by one (Lin et al. 2014, arXiv:1405.0312, section 4).
    """
    kept = list(boxes)
    counts = Counter(box.label for box in kept)
    crowded = {box.label for box in kept if box.crowd}
    return {
        label: MANY if count > many_above or label in crowded else count
        for label, count in counts.items()
    }


def split_at_center(
    image: AnnotatedImage, center_fraction: float
) -> tuple[Sequence[Box], Sequence[Box]]:
    """Return the boxes whose middle lies in the centre of the image, and the others.

    Args:
        image: with its boxes.
        center_fraction: of the width and of the height; the border of the centre is inside.
    """
    margin = (1 - center_fraction) / 2
    inside: list[Box] = []
    outside: list[Box] = []
    for box in image.boxes:
        x, y = box.center_px
        across, down = x / image.width_px, y / image.height_px
        is_inside = margin <= across <= 1 - margin and margin <= down <= 1 - margin
        (inside if is_inside else outside).append(box)
    return inside, outside


def _box(value: Any) -> Box:
    if isinstance(value, Box):
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("label"), str):
        raise LoadError("a box has no label. Write it as {label, x_min, y_min, x_max, y_max}.")
    label: str = value["label"]
    left, top, right, bottom = (number(value.get(n), f"{n} of {label!r}") for n in _EDGES)
    return Box(label, left, top, right, bottom, crowd=value.get("crowd") in (1, True))
