"""The moments of an index's corpus, kept beside it and never used for another state of it."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from fieldguide.data.files import atomic_path, read_bounded
from fieldguide.errors import LoadError, StoreError
from fieldguide.retrieval.corpus import CorpusMoments, moments_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.retrieval.lance_index import LanceIndex

CORPUS_FILE = "corpus.safetensors"
HEADER_BYTES = 2**16


def corpus_moments(index: LanceIndex) -> CorpusMoments:
    """Return mean and covariance of all vectors of an index.

    They are kept in the index's folder with the commit they were computed from. Any later commit,
    by whomever, makes them worthless, and then all vectors are read once. Where the folder cannot
    be written they are computed each time.

    Args:
        index: a snapshot, so that nothing changes between the look at the commit and the reading.
    """
    about = {"commit": index.commit(), "space": index.space.digest, "count": str(len(index))}
    path = index.folder / CORPUS_FILE
    kept = _read(path, index.space.dim, about)
    if kept is not None:
        return kept
    moments = moments_of(vector_blocks(index), index.space.dim)
    with contextlib.suppress(StoreError), atomic_path(path) as temporary:
        tensors = {"mean": moments.mean, "covariance": moments.covariance}
        temporary.write_bytes(safetensors.numpy.save(tensors, metadata=about))
    return moments


def vector_blocks(index: LanceIndex) -> Iterator[NDArray[np.float32]]:
    """Yield all vectors of an index, (B, D) each."""
    for batch in index.scan(["vector"]):
        yield matrix_of(batch, index.space.dim)


def matrix_of(batch: Any, dim: int) -> NDArray[np.float32]:
    """Return the vectors (B, D) of a batch of rows."""
    flat = batch.column("vector").flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat.reshape(-1, dim), dtype=np.float32)


def _read(path: Path, dim: int, about: dict[str, str]) -> CorpusMoments | None:
    """Return what is kept, or None where it is missing, damaged or of another state."""
    try:
        content = read_bounded(path, 8 * dim * (dim + 1) + HEADER_BYTES)
        tensors = safetensors.numpy.load(content)
        size = int.from_bytes(content[:8], "little")
        noted = json.loads(content[8 : 8 + size])["__metadata__"]
        mean, covariance = tensors["mean"], tensors["covariance"]
    except (LoadError, SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        return None
    fits = mean.shape == (dim,) and covariance.shape == (dim, dim)
    sound = fits and bool(np.isfinite(mean).all() and np.isfinite(covariance).all())
    return (
        CorpusMoments(int(about["count"]), mean, covariance) if sound and noted == about else None
    )
