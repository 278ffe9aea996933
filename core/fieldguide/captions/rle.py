"""Run-length encoded masks of COCO: lengths of runs down the columns, beginning with background.

Lin et al. 2014, "Microsoft COCO: Common Objects in Context" (arXiv:1405.0312), and its public
mask format. ``counts`` is a list, or the same as text: each length (from the third on, its
difference to the one two before) in groups of five bits, lowest first, 48 added to each; the sixth
bit says that more groups follow, the fifth of the last group is the sign.

Masks are read from strangers, so every length is checked before anything is filled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.captions.boxes import Box
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_PIXELS = 2**28
"""Of one mask: 16,384 x 16,384."""
_FIRST = 48
_GROUP = 5
_MORE = 0x20
_SIGN = 0x10
_MAX_GROUPS = 7


def decode_rle(rle: Any) -> NDArray[np.bool_]:
    """Return the mask (H, W) of ``{"size": [H, W], "counts": ...}``.

    Raises:
        LoadError: it is not such a mask, or the runs do not fill it.

    >>> decode_rle({"size": [2, 2], "counts": [1, 2, 1]}).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    runs, height, width = _runs(rle)
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def rle_box(rle: Any, label: str) -> Box:
    """Return the box around a whole mask, without filling it.

    Args:
        rle: as in :func:`decode_rle`.
        label: of the object.

    Raises:
        LoadError: it is not such a mask, or it is empty.

    >>> rle_box({"size": [10, 10], "counts": [23, 5, 5, 5, 5, 5, 5, 5, 42]}, "ship").pixels
    (2, 3, 5, 7)
    """
    runs, height, _ = _runs(rle)
    ends = np.cumsum(np.array(runs, dtype=np.int64))[1::2]
    lengths = np.array(runs[1::2], dtype=np.int64)
    first, last = (ends - lengths)[lengths > 0], (ends - 1)[lengths > 0]
    if len(first) == 0:
        raise LoadError(f"the mask of an object {label!r} is empty. Remove it.")
    is_whole = first // height != last // height  # the run reaches into the next column
    top = 0 if is_whole.any() else int((first % height).min())
    bottom = height if is_whole.any() else int((last % height).max()) + 1
    left, right = int((first // height).min()), int((last // height).max()) + 1
    return Box(label, left, top, right, bottom, area_px=float(lengths.sum()))


def _runs(rle: Any) -> tuple[list[int], int, int]:
    """Return the lengths of the runs, and the height and width that they fill."""
    if not isinstance(rle, dict) or not _is_size(rle.get("size")):
        raise LoadError("a mask has no size [height, width]. Correct its 'size'.")
    height, width = rle["size"]
    if height * width > MAX_PIXELS:
        raise LoadError(f"a mask has {height} x {width} pixels, more than {MAX_PIXELS}.")
    counts = rle.get("counts")
    runs = _from_text(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(_is_whole(run) for run in runs):
        raise LoadError("the 'counts' of a mask are neither text nor whole numbers. Correct them.")
    if sum(runs) != height * width:
        raise LoadError(
            f"the runs of a mask hold {sum(runs)} pixels, its size {height * width}. Correct it."
        )
    return runs, height, width


def encode_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return an (H, W) mask as uncompressed runs.

    >>> encode_rle(np.array([[False, True], [True, False]]))
    {'size': [2, 2], 'counts': [1, 2, 1]}
    """
    flat = mask.T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([[0] if flat[:1].any() else [], changes, [flat.size]]).astype(int)
    counts = np.diff(np.concatenate([[0], ends]))
    return {"size": list(mask.shape), "counts": counts.tolist()}


def _from_text(text: str) -> list[int]:
    """Return the runs of the compressed form."""
    runs: list[int] = []
    place = 0
    while place < len(text):
        value, place = _number(text, place)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _number(text: str, place: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place after it."""
    value = 0
    for group in range(_MAX_GROUPS):
        bits = ord(text[place + group]) - _FIRST if place + group < len(text) else -1
        if not 0 <= bits < 2 * _MORE:
            break
        value |= (bits & (_MORE - 1)) << (_GROUP * group)
        if not bits & _MORE:
            sign = bits & _SIGN
            end = place + group + 1
            return (value - (1 << (_GROUP * (group + 1))) if sign else value), end
    raise LoadError("the 'counts' of a mask cannot be read. Export the annotation again.")


def _is_whole(run: Any) -> bool:
    return isinstance(run, int) and not isinstance(run, bool) and 0 <= run <= MAX_PIXELS


def _is_size(size: Any) -> bool:
    pair: Sequence[Any] = size if isinstance(size, list | tuple) else ()
    return len(pair) == 2 and all(_is_whole(side) and side > 0 for side in pair)
