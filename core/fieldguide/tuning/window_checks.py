"""A check of rows that mean parts of large files: parts in two splits that share pixels."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

from fieldguide.tuning.findings import WARN, Finding, counted, some
from fieldguide.tuning.splits import TRAIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fieldguide.data.inputs import Item
    from fieldguide.samples import Window
    from fieldguide.tuning.examples import Examples


def check_windows(examples: Examples) -> Iterator[Finding]:
    """Yield parts of val and test that share pixels with a part in train."""
    rows = shared_with_train(examples)
    if rows:
        names = [_named(examples.items[row]) for row in rows]
        yield Finding(
            WARN, "shared_pixels",
            f"{counted(len(rows), 'window')} of val and test share pixels with one of train: "
            f"{some(names)}. Their figures praise what was learned by heart.",
            "Divide by file, --group-column path, or make windows that do not overlap and divide "
            "by their rows: --group-column row_px",
        )  # fmt: skip


def _named(item: Item) -> str:
    """Return the file and the first pixel; the file as a word, which a card leaves out."""
    row, column = item.window.start_px if item.window else (0, 0)
    return f"{item.name} (row {row}, column {column})"


def shared_with_train(examples: Examples) -> list[int]:
    """Return the rows outside train that share a pixel with a row of train."""
    trained: dict[Path, list[Window]] = defaultdict(list)
    asked: dict[Path, list[tuple[int, Window]]] = defaultdict(list)
    for row, (item, split) in enumerate(zip(examples.items, examples.splits, strict=True)):
        if item.path is not None and item.window is not None:
            path = item.path.absolute()
            if split == TRAIN:
                trained[path].append(item.window)
            else:
                asked[path].append((row, item.window))
    return sorted(
        row for path, those in asked.items() for row in _sharing(those, trained.get(path, []))
    )


def _sharing(asked: list[tuple[int, Window]], others: list[Window]) -> Iterator[int]:
    """Yield the rows whose windows share a pixel with one of the others.

    Only windows that touch the same cell of a grid, as wide as the largest of them, are compared.
    """
    side_px = max((max(window.size_px) for window in others), default=1)
    near: dict[tuple[int, ...], list[Window]] = defaultdict(list)
    for other in others:
        for cell in _cells(other, side_px):
            near[cell].append(other)
    for row, window in asked:
        found = (other for cell in _cells(window, side_px) for other in near.get(cell, ()))
        if any(_share(window, other) for other in found):
            yield row


def _cells(window: Window, side_px: int) -> Iterator[tuple[int, ...]]:
    """Yield the cells, ``side_px`` wide, that a window touches."""
    touched = (
        range(start // side_px, (start + length - 1) // side_px + 1)
        for start, length in zip(window.start_px, window.size_px, strict=True)
    )
    yield from itertools.product(*touched)


def _share(one: Window, other: Window) -> bool:
    """Return whether two windows share a pixel."""
    ends = zip(one.start_px, one.size_px, other.start_px, other.size_px, strict=True)
    return all(a < b + b_px and b < a + a_px for a, a_px, b, b_px in ends)
