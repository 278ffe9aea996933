"""Boxes from masks: one around each connected region of a class.

Liu et al. 2023, "RemoteCLIP: A Vision Language Foundation Model for Remote Sensing"
(arXiv:2306.11029), section III, calls it Mask-to-Box: the smallest and largest coordinates of each
region of a class. Pixels that touch at a corner only belong to one region here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from fieldguide.captions.boxes import Box

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_TOUCHING = np.ones((3, 3), dtype=int)


def mask_boxes(mask: NDArray[np.bool_], label: str, min_area_px: int = 1) -> list[Box]:
    """Return a box around each connected region of a mask, from top to bottom.

    Args:
        mask: (H, W), True where the class is.
        label: of the class.
        min_area_px: smaller regions are left out, such as specks of a classifier.

    >>> mask = np.zeros((10, 10), bool)
    >>> mask[3:8, 2:6] = True
    >>> [box.pixels for box in mask_boxes(mask, "ship")]
    [(2, 3, 5, 7)]
    """
    regions, count = ndimage.label(mask, structure=_TOUCHING)
    areas = np.bincount(regions.ravel(), minlength=count + 1)
    boxes: list[Box] = []
    for number, place in enumerate(ndimage.find_objects(regions), start=1):
        if areas[number] >= min_area_px:
            rows, columns = place
            left, top, right, bottom = columns.start, rows.start, columns.stop, rows.stop
            boxes.append(Box(label, left, top, right, bottom, float(areas[number])))
    return boxes


def raster_boxes(
    values: NDArray[np.integer], names: Mapping[int, str], min_area_px: int = 1
) -> list[Box]:
    """Return the boxes of all classes of a raster of class numbers.

    Args:
        values: (H, W) class numbers.
        names: of the classes to look for; other numbers are background.
        min_area_px: smaller regions are left out.
    """
    return [
        box
        for number in np.unique(values).tolist()
        if number in names
        for box in mask_boxes(values == number, names[number], min_area_px)
    ]
