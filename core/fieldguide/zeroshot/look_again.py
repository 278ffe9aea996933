"""Reads and encodes windows of an image that was classified as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fieldguide.data.images import image_size_px
from fieldguide.data.in_memory import sample_in_memory
from fieldguide.data.manifest_windows import window_id
from fieldguide.data.pipeline import encode_items
from fieldguide.errors import LoadError
from fieldguide.models.embeddings import Embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Reader
    from fieldguide.models.embeddings import Encoder
    from fieldguide.samples import Window


def upright_size_px(item: Item) -> tuple[int, int] | None:
    """Return height and width of an image as it is seen; None where it is no plain picture."""
    try:
        if item.image is not None:
            sample = sample_in_memory(item.image)
            height_width = sample.size_px
            return (height_width[0], height_width[1]) if sample.spatial_dims == 2 else None
        if item.path is None:
            return None
        width, height = image_size_px(item.path)
    except LoadError:
        return None
    return height, width


@dataclass(frozen=True)
class WindowEyes:
    """Embeds windows of one image at a time, which is decoded once for all of them.

    Attributes:
        reader: of the images' modality.
        encoder: the model.
        batch_size: windows a step of the model.
        workers: loading threads.
    """

    reader: Reader
    encoder: Encoder
    batch_size: int
    workers: int

    def __call__(self, item: Item, windows: Sequence[Window]) -> Embeddings | None:
        """Return the vectors of windows, in their order; None where one of them cannot be read."""
        parts = [replace(item, id=window_id(item.id, each), window=each) for each in windows]
        plain = replace(self.reader, thumbnails=False)  # the same files stay open
        batches = list(
            encode_items(parts, plain, self.encoder, batch_size=self.batch_size,
                         workers=self.workers)
        )  # fmt: skip
        if any(batch.embeddings is None or batch.failed for batch in batches):
            return None
        return _joined([batch.embeddings for batch in batches if batch.embeddings is not None])


def _joined(parts: Sequence[Embeddings]) -> Embeddings:
    import numpy as np

    return Embeddings(np.concatenate([part.vectors for part in parts]), parts[0].space)
