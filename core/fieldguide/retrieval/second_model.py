"""The second stage of a search by another model: candidates embedded once, kept by hash."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.data.cache import cache_subfolder
from fieldguide.data.store_job import options_fingerprint
from fieldguide.errors import LoadError
from fieldguide.models.text_store import TextStore
from fieldguide.retrieval.reranking import Judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import SpaceId

SUBFOLDER = "candidates"
FILE_NAME = "images-v1.sqlite"


class SecondModel:
    """Judges candidates by the cosine of a second model.

    Vectors of candidates are kept in the cache folder under the hash of the model's space, of what
    the file was when it was read and of the options that it was read by; a file that changes is
    embedded again. ``FIELDGUIDE_CACHE=off`` keeps none beyond this object.

    Args:
        guide: of the second model.
    """

    def __init__(self, guide: Guide) -> None:
        self.guide = guide
        self._held: dict[bytes, bytes] = {}
        folder = cache_subfolder(SUBFOLDER)
        self._store = None if folder is None else TextStore(folder / FILE_NAME)

    def __call__(self, text: str, candidates: Sequence[Item]) -> Judged:
        """See ``Reranker``."""
        query = self.guide.encode_text(text)
        keys = [self._key(item, query.space) for item in candidates]
        known = self._known([key for key in keys if key is not None], query.space)
        todo = {key: item for key, item in zip(keys, candidates, strict=True)
                if key is not None and key not in known}  # fmt: skip
        new = self._embed(list(todo), list(todo.values()), query.space) if todo else {}
        vectors = known | new
        cosines = [self._cosine(None if key is None else vectors.get(key), query.vectors[0])
                   for key in keys]  # fmt: skip
        about = {
            "model": query.space.model,
            "space_digest": query.space.digest,
            "embedded": len(new),
            "from_cache": len({key for key in keys if key in known}),
        }
        return Judged(np.array(cosines, dtype=np.float64), about)

    def _embed(
        self, keys: Sequence[bytes], items: Sequence[Item], space: SpaceId
    ) -> dict[bytes, bytes]:
        plan = self.guide.planner.plan(items, thumbnails=False)
        found: dict[bytes, bytes] = {}
        start = 0
        for batch in self.guide.encode(items, plan):
            if batch.embeddings is not None and batch.embeddings.space.digest == space.digest:
                rows = np.ascontiguousarray(batch.embeddings.vectors, np.dtype("<f4"))
                for place, row in zip(batch.places, rows, strict=True):
                    if np.isfinite(row).all():
                        found[keys[start + place]] = row.tobytes()
            start += len(batch.rows)
        self._held |= found
        if self._store is not None and found:
            self._store.put(found)
        return found

    def _known(self, keys: Sequence[bytes], space: SpaceId) -> dict[bytes, bytes]:
        found = {key: self._held[key] for key in keys if key in self._held}
        missing = [key for key in keys if key not in found]
        if self._store is not None and missing:
            stored = self._store.get(missing)
            found |= {key: row for key, row in stored.items() if len(row) == 4 * space.dim}
        return found

    def _key(self, item: Item, space: SpaceId) -> bytes | None:
        """Return what a candidate's vector is kept under; None for a file that is gone."""
        try:
            content = item.fingerprint()
        except LoadError:
            return None
        read_by = options_fingerprint(self.guide.options)
        place = "" if item.path is None else item.path.absolute().as_posix()
        facts = [space.digest, version("fieldguide"), version("torch"), place, repr(item.window),
                 content, read_by]  # fmt: skip
        return hashlib.sha256("\n".join(facts).encode("utf-8", "surrogatepass")).digest()

    @staticmethod
    def _cosine(row: bytes | None, query: np.ndarray[tuple[int], np.dtype[np.float32]]) -> float:
        if row is None:
            return float("nan")
        return float(np.frombuffer(row, np.dtype("<f4")) @ query)
