"""Objects in an image, whatever their annotation was: a label and the rectangle around it.

Coordinates are in pixels from the upper left corner of the image, and pixel ``i`` reaches from
``i`` to ``i + 1``. So a box has edges: an object on the columns 2, 3, 4 and 5 has ``x_min_px`` 2
and ``x_max_px`` 6, and is 4 wide. Its first and last pixels, both inside, are :attr:`Box.pixels`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LEAST_INSIDE = 0.5
"""Of a box's area. A box with less in the image belongs to another image, or to another scale."""
MAX_BOXES = 100_000
"""In one image; more is taken for a damaged file."""
USUAL_CONFIDENCE = 0.2
"""From which a detector's box counts, where the user names no other; MegaDetector 5 recommends it.

Its files hold boxes of far less confidence, which are not objects.
"""


@dataclass(frozen=True, slots=True)
class Box:
    """One object, or one region of a mask.

    Attributes:
        label: its class, as the annotation writes it.
        x_min_px: left edge.
        y_min_px: upper edge.
        x_max_px: right edge, not inside.
        y_max_px: lower edge, not inside.
        area_px: pixels of its mask, where there is one.
        crowd: it stands for a group of unknown number; see COCO's ``iscrowd``.
        confidence: 0 to 1, of the detector that drew it; None where a person did.

    Raises:
        LoadError: an edge is not a number, the size is not positive, or the label is empty.
    """

    label: str
    x_min_px: float
    y_min_px: float
    x_max_px: float
    y_max_px: float
    area_px: float | None = None
    crowd: bool = False
    confidence: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no rectangle."""
        if not self.label.strip():
            raise LoadError("a box has no class. Give it one.")
        edges = (self.x_min_px, self.y_min_px, self.x_max_px, self.y_max_px)
        if not all(map(math.isfinite, edges)):
            raise LoadError(f"{self._name} has an edge that is no number. Correct it.")
        if self.x_max_px <= self.x_min_px or self.y_max_px <= self.y_min_px:
            raise LoadError(f"{self._name} has no size. Correct or remove it.")

    def counts(self, confidence: float) -> bool:
        """Return whether a person drew it, or a detector with at least that confidence."""
        return self.confidence is None or self.confidence >= confidence

    @property
    def pixels(self) -> tuple[int, int, int, int]:
        """First column, first row, last column, last row; all four belong to the object.

        >>> Box("ship", 2, 3, 6, 8).pixels
        (2, 3, 5, 7)
        """
        return (
            math.floor(self.x_min_px),
            math.floor(self.y_min_px),
            math.ceil(self.x_max_px) - 1,
            math.ceil(self.y_max_px) - 1,
        )

    @property
    def center_px(self) -> tuple[float, float]:
        """X and y of the middle."""
        return (self.x_min_px + self.x_max_px) / 2, (self.y_min_px + self.y_max_px) / 2

    def inside(self, width_px: int, height_px: int) -> Box:
        """Return the part that lies in the image; objects at its border may stick out.

        Raises:
            LoadError: less than half of the box lies in it.
        """
        is_within = self.x_min_px >= 0 and self.y_min_px >= 0
        if is_within and self.x_max_px <= width_px and self.y_max_px <= height_px:
            return self
        left, right = max(self.x_min_px, 0.0), min(self.x_max_px, float(width_px))
        top, bottom = max(self.y_min_px, 0.0), min(self.y_max_px, float(height_px))
        seen = max(right - left, 0.0) * max(bottom - top, 0.0)
        whole = (self.x_max_px - self.x_min_px) * (self.y_max_px - self.y_min_px)
        if not seen >= LEAST_INSIDE * whole:  # the product of huge edges may be infinite
            raise LoadError(
                f"{self._name} lies outside the image of {width_px} x {height_px} pixels. "
                "Correct it, or name the size it was drawn on."
            )
        return replace(self, x_min_px=left, y_min_px=top, x_max_px=right, y_max_px=bottom)

    @property
    def _name(self) -> str:
        edges = (self.x_min_px, self.y_min_px, self.x_max_px, self.y_max_px)
        return f"the box {self.label!r} [{', '.join(f'{edge:g}' for edge in edges)}]"


@dataclass(frozen=True, slots=True)
class BoxFault:
    """Why a detector's box cannot be used, and how sure the detector was of it, where it says."""

    reason: str
    confidence: float | None = None

    def counts(self, confidence: float) -> bool:
        """Return whether its box would have counted."""
        return self.confidence is None or self.confidence >= confidence


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image and all objects in it.

    Attributes:
        path: of the image, as the annotation or the folder of images has it.
        width_px: 0 where the annotation does not say; it then has no boxes.
        height_px: likewise.
        source: the annotation: its file, and the image's id where the file has many.
        facts: columns that it has beside its boxes, such as the time.
        boxes: every object; where people drew them, an image with one that cannot be used is left
            out as a whole, since any count without it would be wrong.
        faults: of a detector's boxes that cannot be used.
        meant: labels of the boxes that are cut out where the user names none; empty for all.
    """

    path: str
    width_px: int
    height_px: int
    boxes: tuple[Box, ...]
    source: str
    faults: tuple[BoxFault, ...] = ()
    meant: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Annotations:
    """What an annotation file or folder holds.

    Attributes:
        images: those that can be used, in the order of the file.
        skipped: source and reason of each that cannot.
        labels: the classes that were looked for, in their order: what of them has no box in an
            image is not in that image. Empty where the format does not say.
        plurals: of labels whose plural the user gave.
    """

    images: list[AnnotatedImage] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    plurals: Mapping[str, str] = field(default_factory=dict)


def annotated_image(
    path: str, size_px: tuple[int, int], boxes: Iterable[Box], source: str
) -> AnnotatedImage:
    """Return an image whose boxes all lie in it.

    Args:
        path: of the image.
        size_px: width and height.
        boxes: of all objects.
        source: where they are written.

    Raises:
        LoadError: the size is not positive, or a box lies outside.
    """
    width_px, height_px = size_px
    if width_px <= 0 or height_px <= 0:
        raise LoadError(f"the image has the size {width_px} x {height_px}. Correct it.")
    kept = tuple(box.inside(width_px, height_px) for box in boxes)
    if len(kept) > MAX_BOXES:
        raise LoadError(f"it has more than {MAX_BOXES} boxes. Check the file.")
    return AnnotatedImage(path, width_px, height_px, kept, source)
