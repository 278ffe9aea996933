"""What finds the boxes of guided crops: the same model at windows, or the boxes of a detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.data.box_files import absolute, read_boxes, root_of
from fieldguide.data.crops import Cutting
from fieldguide.errors import UsageError
from fieldguide.localization.grid import WindowGrid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.captions.boxes import AnnotatedImage
    from fieldguide.samples import Window
    from fieldguide.zeroshot.guided_crop import Look, Pixels


@dataclass(frozen=True)
class SlidingWindows:
    """Proposes the square window in which one of the labels is seen most clearly.

    It needs no detector: the model that classifies looks at windows of several sizes.

    Attributes:
        sides: of the windows, as shares of the shorter side of the image.
        overlap: of neighbouring windows, as a share of their side.

    Raises:
        UsageError: sides or an overlap that make no sense.
    """

    sides: tuple[float, ...] = (0.5, 0.33)
    overlap: float = 0.5

    def __post_init__(self) -> None:
        """Refuse windows that would be endless."""
        if not self.sides or not all(0.05 <= side <= 1 for side in self.sides):
            raise UsageError("Sides of windows are shares of the image, from 0.05 to 1.")
        if not 0 <= self.overlap <= 0.9:
            raise UsageError("The overlap of windows is a share from 0 to 0.9.")

    def windows(self, size_px: tuple[int, int]) -> list[Window]:
        """Return all windows of an image of that height and width."""
        found: list[Window] = []
        for share in self.sides:
            side = max(1, round(share * min(size_px)))
            stride = max(1, round(side * (1 - self.overlap)))
            found += WindowGrid(size_px, (side, side), (stride, stride))
        return found

    def propose(self, look: Look) -> Pixels | None:
        """Return the window with the highest logit of any of the labels."""
        windows = self.windows(look.size_px)
        logits = look.logits(windows)
        if logits is None:
            return None
        best = windows[int(np.argmax(logits.max(axis=1)))]
        (row, column), (height, width) = best.start_px, best.size_px
        return column, row, column + width - 1, row + height - 1


@dataclass(frozen=True)
class KnownBoxes:
    """Proposes the box that a detector is surest of.

    Attributes:
        images: with their boxes, by absolute path.
        cutting: which boxes come into question; its margin is not used.
    """

    images: Mapping[str, AnnotatedImage] = field(default_factory=dict)
    cutting: Cutting = field(default_factory=Cutting)

    def propose(self, look: Look) -> Pixels | None:
        """Return the surest box of an image; None where it has none of its own size."""
        known = self.images.get(absolute(look.item.path))
        if known is None or (known.height_px, known.width_px) != look.size_px:
            return None
        counting = [box for box in known.boxes if self.cutting.counts(box, known.meant)]
        if not counting:
            return None
        return max(counting, key=lambda b: 1.0 if b.confidence is None else b.confidence).pixels


def known_boxes(
    boxes: str | Path, images: Any = None, cutting: Cutting | None = None
) -> KnownBoxes:
    """Return the boxes of a file as what guides crops.

    Args:
        boxes: a file or folder of a format that ``fieldguide captions`` reads.
        images: the inputs that are to be classified; see :func:`fieldguide.data.crops.crops`.
        cutting: which boxes come into question; by default those of usual confidence.

    Raises:
        UsageError: there is no such file, or it holds no boxes.
    """
    found = read_boxes(Path(boxes), root_of(images))
    alone = {place: own[0] for place, own in found.images.items() if len(own) == 1}
    return KnownBoxes(alone, cutting or Cutting())
