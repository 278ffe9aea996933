"""Pairs of an image and its texts, as the rows of a manifest have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fieldguide.data.inputs import Item

TEXT_COLUMNS = ("caption", "captions", "text")


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and what is said of it.

    Attributes:
        item: the image, with the other columns of its row.
        texts: one or more; none where the row has no text.
    """

    item: Item
    texts: tuple[str, ...]


def pairs_of(items: Iterable[Item], column: str | None = None) -> list[Pair]:
    """Return the pairs of rows.

    Args:
        items: rows of a manifest.
        column: with a text or a list of texts; by default the first of "caption", "captions" and
            "text" that a row has.

    Raises:
        UsageError: no row has such a column.
    """
    columns = TEXT_COLUMNS if column is None else (column,)
    pairs = [Pair(item, _texts(item, columns)) for item in items]
    if not any(pair.texts for pair in pairs):
        raise UsageError(
            f"No row has a text in {' or '.join(map(repr, columns))}. Name the column: "
            "--caption-column"
        )
    return pairs


def _texts(item: Item, columns: Iterable[str]) -> tuple[str, ...]:
    value = next((item.metadata[name] for name in columns if name in item.metadata), None)
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(each.strip() for each in values if isinstance(each, str) and each.strip())
