"""Vectors that were stored before stand in for images: embed once, classify often."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.embedding_rows import stream_embeddings
from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Batch, Row
from fieldguide.models.embeddings import Embeddings, SpaceId, require_same_space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.guides import Guide
    from fieldguide.planning import Plan

EMBEDDING_SUFFIX = ".parquet"
ROWS_PER_BATCH = 1024


def stored_path(inputs: Any) -> Path | None:
    """Return the path when the input is one embedding file, else None."""
    if isinstance(inputs, list | tuple) and len(inputs) == 1:
        inputs = inputs[0]
    if isinstance(inputs, str | os.PathLike) and str(inputs).lower().endswith(EMBEDDING_SUFFIX):
        return Path(inputs)
    return None


def images_or_vectors(
    guide: Guide, inputs: Any, *, thumbnails: bool
) -> tuple[Plan, list[Item] | None, Iterator[Batch]]:
    """Return the plan and the batches of images, or of vectors that were stored before.

    The items between them are None where there are vectors.

    Raises:
        SpaceMismatchError: the vectors are of another model; raised when they are read.
    """
    stored = stored_path(inputs)
    if stored is None:
        items = guide.find(inputs)
        plan = guide.planner.plan(items, thumbnails=thumbnails)
        return plan, items, guide.encode(items, plan)
    plan = guide.planner.text_plan()
    if plan.encoder is None:
        raise RuntimeError("a model for texts was found and not built")
    return plan, None, stored_batches(stored, plan.encoder.space)


def stored_batches(path: Path, space: SpaceId) -> Iterator[Batch]:
    """Yield the rows of an embedding file with their vectors, a batch at a time.

    Raises:
        SpaceMismatchError: the file holds vectors of another space.
        StoreError: it cannot be read.
    """
    for found in stream_embeddings(path, ROWS_PER_BATCH):
        require_same_space(found.embeddings.space, space, str(path))
        rows = [
            Row(Item(identity, name), metadata=metadata)
            for identity, name, metadata in zip(found.ids, found.paths, found.metadata, strict=True)
        ]
        yield Batch(rows, list(range(len(rows))), Embeddings(found.embeddings.vectors, space))
