"""The job that writes one vector an image into a Parquet file; resumable and incremental."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.data.embedding_file import EmbeddingFile
from fieldguide.data.store_job import fill
from fieldguide.data.stored import EMBEDDING_SUFFIX
from fieldguide.errors import UsageError
from fieldguide.privacy.domains import require_same_names

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.guides import Guide
    from fieldguide.results import StoreReport


def store_in_file(guide: Guide, inputs: Any, path: Path) -> StoreReport:
    """Embed what is new or has changed; rows whose file is gone stay.

    Raises:
        UsageError: the file has another ending than Parquet's.
        SpaceMismatchError: it holds vectors of another model.
        StoreError: it cannot be written, or another process writes it.
    """
    if path.suffix.lower() != EMBEDDING_SUFFIX:
        raise UsageError(f"{path} must end in {EMBEDDING_SUFFIX}.")
    guide.keep_sources_beside(path)
    items = guide.find(inputs)
    plan = guide.planner.plan(items, thumbnails=False)
    if plan.encoder is None:
        return guide.report(path, plan, guide.refuse_all(items, plan), total=0)
    with EmbeddingFile(path, plan.encoder.space, guide.about(plan)) as sink:
        require_same_names(sink.about_before(), guide.domain, guide.private, path)
        filled = fill(sink, items, lambda todo: guide.encode(todo, plan), guide.options)
        total = sink.finish()
    return guide.report(path, plan, filled, total)
