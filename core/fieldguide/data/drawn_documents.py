"""Drawn documents whose regions have known attributes, to measure methods that look for them.

Like DocMNIST of Varma et al. 2023 (ViLLA, arXiv:2308.11194, section 3.1), not equal to it: 3 x 3
cells, in some of them a handwritten digit with a colour, a shape behind it and a size. The
complexity of a set is how many attributes a document has. Digits: scikit-learn's copy of the UCI
"Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_digits

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 3
CELLS = SIDE * SIDE
CELL_PX = 24
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLOURS = {
    "red": (220, 30, 30), "green": (20, 140, 40), "blue": (40, 50, 220),
    "orange": (240, 140, 0), "purple": (140, 30, 160), "black": (20, 20, 20),
}  # fmt: skip
SHAPES = ("square", "circle", "diamond")
SIZES_PX = {"small": 8, "medium": 14, "large": 20}
KINDS = (DIGITS, tuple(COLOURS), SHAPES, tuple(SIZES_PX))
ATTRIBUTES = tuple(name for kind in KINDS for name in kind)
_FIRST = np.cumsum([0, *(len(kind) for kind in KINDS)])[:-1]
_SHADE = 215
_TRAINED_DIGITS = 1200


@dataclass(frozen=True, eq=False)
class Documents:
    """Drawn documents.

    Attributes:
        cells: (N, 9, 24, 24, 3) uint8, by rows.
        truth: (N, 9, A) bool, the attributes of each cell, in the order of :data:`ATTRIBUTES`.
    """

    cells: NDArray[np.uint8]
    truth: NDArray[np.bool_]

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The whole documents, (N, 72, 72, 3)."""
        grid = self.cells.reshape(-1, SIDE, SIDE, CELL_PX, CELL_PX, 3).swapaxes(2, 3)
        return grid.reshape(-1, SIDE * CELL_PX, SIDE * CELL_PX, 3)


def draw_documents(
    count: int, complexity: int, seed: int, *, unseen_digits: bool = False
) -> Documents:
    """Return documents of one complexity.

    Args:
        count: N.
        complexity: attributes a document has, counted by cell: 1 to 36. Full cells have four; the
            last one has those that are left, and is gray or middle-sized where none is said.
        seed: decides all.
        unseen_digits: take other handwriting, for tests.

    Raises:
        ValueError: no such complexity.
    """
    if not 1 <= complexity <= CELLS * len(KINDS):
        raise ValueError(f"complexity {complexity} is not 1 to {CELLS * len(KINDS)}")
    generator = np.random.default_rng(seed)
    cells = np.full((count, CELLS, CELL_PX, CELL_PX, 3), 255, dtype=np.uint8)
    truth = np.zeros((count, CELLS, len(ATTRIBUTES)), dtype=bool)
    for number in range(count):
        left = complexity
        for cell in generator.permutation(CELLS):
            if left <= 0:
                break
            known = min(left, len(KINDS))
            chosen = [int(generator.integers(len(kind))) for kind in KINDS[:known]]
            truth[number, cell, [_FIRST[k] + value for k, value in enumerate(chosen)]] = True
            cells[number, cell] = _draw_cell(chosen, generator, unseen=unseen_digits)
            left -= known
    return Documents(cells, truth)


def _draw_cell(
    chosen: list[int], generator: np.random.Generator, *, unseen: bool
) -> NDArray[np.uint8]:
    """Return a cell with a digit, and as much else as is chosen."""
    values = dict(enumerate(chosen))
    digit, colour, shape, size = chosen[0], values.get(1), values.get(2), values.get(3)
    ink = np.array((130, 130, 130) if colour is None else list(COLOURS.values())[colour])
    side = list(SIZES_PX.values())[1 if size is None else size]
    cell = np.full((CELL_PX, CELL_PX, 3), 255.0)
    if shape is not None:
        cell[_shape(SHAPES[shape])] = _SHADE
    images = _digits(unseen=unseen)[digit]
    drawn = images[generator.integers(len(images))]
    places = (np.arange(side) * drawn.shape[0]) // side
    opacity = drawn[places][:, places, None]
    top = left = (CELL_PX - side) // 2
    part = cell[top : top + side, left : left + side]
    cell[top : top + side, left : left + side] = (1 - opacity) * part + opacity * ink
    return cell.astype(np.uint8)


def _shape(name: str) -> NDArray[np.bool_]:
    """Return the pixels of a shape that fills the cell, (24, 24)."""
    middle = (CELL_PX - 1) / 2
    y, x = np.abs(np.mgrid[:CELL_PX, :CELL_PX] - middle)
    if name == "square":
        return np.asarray(np.maximum(x, y) < middle - 1)
    if name == "circle":
        return np.asarray(np.hypot(x, y) < middle)
    return np.asarray(x + y < middle)


@functools.cache
def _digits(*, unseen: bool) -> tuple[NDArray[np.float64], ...]:
    """Return the (K, 8, 8) images of each digit, 0 to 1."""
    found = load_digits()
    part = slice(_TRAINED_DIGITS, None) if unseen else slice(_TRAINED_DIGITS)
    images, labels = found.images[part] / 16.0, found.target[part]
    return tuple(images[labels == digit] for digit in range(len(DIGITS)))
