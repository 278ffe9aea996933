"""The one image that an index is searched with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import Embeddings


def encode_query_image(guide: Guide, image: Any) -> Embeddings:
    """Embed an image; options that are for inputs alone do not apply to it.

    Raises:
        UsageError: it cannot be read, or is not what the model takes.
    """
    items = guide.find([image])
    of_inputs = {each.name for each in guide.domain.options if not each.of_queries}
    kept = {name: value for name, value in guide.options.items() if name not in of_inputs}
    plan = replace(guide.planner, options=kept).plan(items, thumbnails=False)
    batch = next(guide.encode(items[:1], plan))
    if batch.embeddings is None:
        raise UsageError(f"{items[0].name} cannot be a query: {batch.rows[0].reason}")
    return batch.embeddings
