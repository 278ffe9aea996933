"""An encoder that embeds each text once: first from memory, then from disk, then by the model.

A vector from the cache has the very bits of the one that was computed first. Which bits these are
depends a little on the texts it was computed beside: padding and batch size change the order of
sums, by about 1e-7. What was computed first is what stays, so that the same prompt has the same
vector in every later call and process.

A key is the SHA-256 of the space's digest, of the versions of what computes, and of the text. The
text itself is never written: a report can be private. Vectors are, and a vector tells something of
its text (Morris et al. 2023, "Text Embeddings Reveal (Almost) As Much As Text", arXiv:2310.06816):
the folder is the user's alone, and ``FIELDGUIDE_CACHE=off`` writes none.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import OrderedDict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.data.cache import cache_subfolder
from fieldguide.models.around import EncoderAround
from fieldguide.models.embeddings import Embeddings, Encoder, SpaceId
from fieldguide.models.text_store import store_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.models.embeddings import Vectors

SUBFOLDER = "texts"
MEMORY_BYTES = 256 << 20
ENTRY_BYTES = 200
"""What an entry costs beside its vector: key, two headers, a place in the dictionary."""

TEXTS_AT_ONCE = 4096
"""After so many new texts the vectors are stored, so that an interrupted job keeps them."""

_COMPUTING = ("fieldguide", "torch", "open_clip_torch", "tokenizers", "transformers")
"""What may change a vector from release to release, though the weights are the same."""


class VectorMemory:
    """Vectors as bytes in memory; the least recently used go when there are too many bytes."""

    def __init__(self, max_bytes: int = MEMORY_BYTES) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._vectors: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many vectors are held."""
        return len(self._vectors)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the vectors that are held among those of some keys."""
        with self._lock:
            found = {key: self._vectors[key] for key in keys if key in self._vectors}
            for key in found:
                self._vectors.move_to_end(key)
        return found

    def put(self, vectors: Mapping[bytes, bytes]) -> None:
        """Hold vectors; a key that is held keeps its vector."""
        with self._lock:
            for key, vector in vectors.items():
                if key not in self._vectors:
                    self._vectors[key] = vector
                    self.used_bytes += len(vector) + ENTRY_BYTES
            while self.used_bytes > self.max_bytes:
                _, dropped = self._vectors.popitem(last=False)
                self.used_bytes -= len(dropped) + ENTRY_BYTES


_memory = VectorMemory()
_turns: dict[bytes, threading.RLock] = {}
"""One thread at a time embeds the new texts of a space, so that none is embedded twice."""


class CachedTextEncoder(EncoderAround):
    """An encoder around another one; texts that were embedded before are not embedded again.

    Everything but ``encode_texts`` is the other encoder's. Encoders of one space share what they
    have embedded, within a process and, where the cache folder can be written, beyond it.

    Attributes:
        encoder: the encoder that computes.
    """

    __slots__ = ()

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, one vector each, in order; only those never seen before are computed."""
        space = self.space
        keys = [_key(space, text) for text in texts]
        texts_by_key = dict(zip(keys, texts, strict=True))
        found = _sound(_memory.get(list(texts_by_key)), space)
        if len(found) < len(texts_by_key):
            with _turns.setdefault(namespace(space), threading.RLock()):
                missing = {key: text for key, text in texts_by_key.items() if key not in found}
                computed = self._complete(missing, space)
            if computed is None:  # the encoder changed its space meanwhile: nothing of it is kept
                return self.encoder.encode_texts(texts)
            found |= computed
        joined = b"".join(found[key] for key in keys)
        vectors = np.frombuffer(joined, np.dtype("<f4")).reshape(len(keys), space.dim)
        return Embeddings(vectors.astype(np.float32), space)

    def _complete(self, texts: Mapping[bytes, str], space: SpaceId) -> dict[bytes, bytes] | None:
        """Return vectors of texts that memory did not have, from the disk or the encoder."""
        found = _sound(_memory.get(list(texts)), space)  # another thread may have brought some
        left = [key for key in texts if key not in found]
        folder = cache_subfolder(SUBFOLDER)
        store = None if folder is None else store_in(folder)
        if store is not None and left:
            stored = _sound(store.get(left), space)
            _memory.put(stored)
            found |= stored
            left = [key for key in left if key not in found]
        for start in range(0, len(left), TEXTS_AT_ONCE):
            some = left[start : start + TEXTS_AT_ONCE]
            embedded = self.encoder.encode_texts([texts[key] for key in some])
            if embedded.space.digest != space.digest:
                return None
            rows = dict(zip(some, _rows(embedded.vectors), strict=True))
            finite = np.flatnonzero(np.isfinite(embedded.vectors).all(axis=1))
            lasting = {some[place]: rows[some[place]] for place in finite}
            _memory.put(lasting)
            if store is not None and lasting:
                store.put(lasting)
            found |= rows
        return found


def cache_texts(encoder: Encoder) -> CachedTextEncoder:
    """Return an encoder that embeds each text once; one that does so already is returned as is."""
    return encoder if isinstance(encoder, CachedTextEncoder) else CachedTextEncoder(encoder)


def _rows(vectors: Vectors) -> list[bytes]:
    """Return each row as little-endian bytes of its own, so that none keeps the whole alive."""
    return [row.tobytes() for row in np.ascontiguousarray(vectors, np.dtype("<f4"))]


def _sound(found: dict[bytes, bytes], space: SpaceId) -> dict[bytes, bytes]:
    length = 4 * space.dim
    return {key: vector for key, vector in found.items() if len(vector) == length}


def _key(space: SpaceId, text: str) -> bytes:
    # a file name in a prompt need not be Unicode
    return hashlib.sha256(namespace(space) + text.encode("utf-8", "surrogatepass")).digest()


@functools.lru_cache(maxsize=64)
def namespace(space: SpaceId) -> bytes:
    """Return what sets vectors of a space apart: its digest and the versions of what computes."""
    facts = [space.digest, *(f"{name}={_version(name)}" for name in _COMPUTING)]
    return hashlib.sha256(";".join(facts).encode()).digest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
