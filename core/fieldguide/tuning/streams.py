"""The streams of texts that the rows of a training make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fieldguide.errors import UsageError
from fieldguide.tuning.decoupled_pairs import unpaired_texts
from fieldguide.tuning.splits import TRAIN
from fieldguide.tuning.texts import MISSING, Stream, class_texts, paired_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.tuning.rows import Row
    from fieldguide.tuning.unpaired_rows import UnpairedRows


def make_streams(
    rows: Sequence[Row],
    splits: Sequence[str],
    prompts: Mapping[str, tuple[str, ...]],
    attributes: Tensor | None,
) -> tuple[Stream, ...]:
    """Return "captions" where any row has some, and "classes" where any has a label.

    Args:
        rows: N images.
        splits: (N,) of them.
        prompts: of each label.
        attributes: (N, L) of the images, or None.
    """
    streams: list[Stream] = []
    if any(row.captions for row in rows):
        owned = [row.captions for row in rows]
        streams.append(paired_texts(owned, same=_same(rows), attributes=attributes))
    labels = [row.label for row in rows]
    if any(labels):
        trained = [split == TRAIN for split in splits]
        streams.append(class_texts(prompts, labels, trained, attributes=attributes))
    return tuple(streams)


def beside_texts(
    streams: tuple[Stream, ...], loose: UnpairedRows | None, attributes: Tensor | None, seed: int
) -> tuple[Stream, ...]:
    """Return the streams, and one more of texts that belong to no image.

    Args:
        streams: of the images' own texts.
        loose: the texts, or None for none.
        attributes: (N, L) of the images.
        seed: of how images and texts meet.

    Raises:
        UsageError: nothing is known of any image.
    """
    if loose is None:
        return streams
    if attributes is None or not (attributes != 0).any():
        raise UsageError(
            "No image has a number other than 0 in the attribute columns, so nothing joins images "
            "and texts. Fill the columns, or name others: --attribute-column"
        )
    return (*streams, unpaired_texts(loose.texts, loose.attributes, attributes.float(), seed))


def _same(rows: Sequence[Row]) -> Tensor | None:
    """Return which rows agree in the columns that make positives, (N,) int64."""
    if all(row.same is None for row in rows):
        return None
    places: dict[tuple[str, ...], int] = {}
    numbers = [
        MISSING if row.same is None else places.setdefault(row.same, len(places)) for row in rows
    ]
    return torch.tensor(numbers)
