"""Label vectors that were made elsewhere: ``NAME.npy``, with ``NAME.csv`` that names its rows.

Such a matrix does not say which model made it. That it belongs to the model of a job is the user's
word; a wrong number of columns is refused, and the record of the job has the file's SHA-256.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from fieldguide.data.files import require_file
from fieldguide.errors import LoadError, UsageError
from fieldguide.models.embeddings import Embeddings
from fieldguide.models.vector_file import ROWS_PER_CHUNK, let_go

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.models.embeddings import SpaceId, Vectors
    from fieldguide.taxonomy.tree import Tree

COLUMNS = ("id", "name")
TOLERANCE = 1e-3
"""How far the length of a vector may be from one: half precision is nearer."""

_BROKEN = (OSError, ValueError, EOFError, KeyError, LoadError, pa.ArrowException)


@dataclass(frozen=True, eq=False)
class GivenVectors:
    """C vectors of taxa of one tree.

    Attributes:
        path: of the matrix.
        digest: SHA-256 of its numbers.
        ids: (C,) of the taxa in their tree.
        names: (C,) of the taxa.
        vectors: (C, D) float32 of unit length, mapped from the file.
    """

    path: Path
    digest: str
    ids: pa.StringArray
    names: pa.StringArray
    vectors: Vectors

    def nodes(self, tree: Tree) -> NDArray[np.int32]:
        """Return (C,) the taxa of a tree that have a vector, ascending.

        Raises:
            UsageError: it is not the tree that the vectors were made for.
        """
        found = _places(self.ids, tree.ids)
        if (found < 0).any() or not tree.names.take(pa.array(found)).equals(self.names):
            raise UsageError(
                f"{self.path} holds vectors of other taxa than those of {tree.info.name!r}. Name "
                "the tree that was written with it: --taxonomy FILE."
            )
        return np.unique(found).astype(np.int32)

    def of(self, tree: Tree, labels: NDArray[np.integer], space: SpaceId) -> Embeddings:
        """Return (L, D) of some taxa of the tree, or of a part of it, in a model's space.

        Rows that stand side by side stay mapped; others are copied.

        Raises:
            UsageError: a taxon has no vector, or the model's vectors have another length.
        """
        if self.vectors.shape[1] != space.dim:
            raise UsageError(
                f"{self.path} holds vectors of {self.vectors.shape[1]} numbers, and {space.model} "
                f"makes vectors of {space.dim}. Name the model that made them: --model NAME."
            )
        rows = _places(tree.ids.take(pa.array(labels)), self.ids)
        if (rows < 0).any():
            lost = tree.name_of(int(labels[int((rows < 0).argmax())]))
            raise UsageError(f"{self.path} holds no vector of {lost!r}. Leave the taxon out.")
        if len(rows) and (np.diff(rows) == 1).all():
            return Embeddings(self.vectors[rows[0] : rows[-1] + 1], space)
        return Embeddings(self.vectors[rows], space)


def read_given_vectors(path: Path) -> GivenVectors:
    """Return the vectors of ``NAME.npy``, whose rows ``NAME.csv`` names by ``id`` and ``name``.

    All of them are read once, a part at a time.

    Raises:
        UsageError: a file is missing or damaged, or holds anything but finite vectors of unit
            length in single precision.
    """
    try:
        require_file(path)
        vectors = np.load(path, mmap_mode="c", allow_pickle=False)
    except _BROKEN as error:
        raise _unread(path, error) from error
    is_matrix = isinstance(vectors, np.ndarray) and vectors.ndim == 2
    if not is_matrix or vectors.dtype != np.dtype("<f4") or not vectors.flags.c_contiguous:
        raise UsageError(f"{path} is no matrix of single precision. {_ADVICE}")
    ids, names = _read_rows(path.with_suffix(".csv"))
    if len(ids) != len(vectors):
        raise UsageError(
            f"{path} has {len(vectors)} rows, and its .csv names {len(ids)}. {_ADVICE}"
        )
    return GivenVectors(path, _checked(path, vectors), ids, names, vectors)


_ADVICE = "Make both files again."


def _checked(path: Path, vectors: Vectors) -> str:
    """Return the digest of vectors that are of unit length."""
    digest = hashlib.sha256()
    for start in range(0, len(vectors), ROWS_PER_CHUNK):
        rows = slice(start, min(start + ROWS_PER_CHUNK, len(vectors)))
        lengths = np.linalg.norm(vectors[rows], axis=1)
        wrong = ~(np.abs(lengths - 1) <= TOLERANCE)  # what is not a number, too
        if wrong.any():
            place = int(wrong.argmax())
            raise UsageError(
                f"Row {start + place} of {path} has the length {lengths[place]:.4g}, not 1. "
                f"{_ADVICE}"
            )
        digest.update(vectors[rows].data)
        let_go(vectors, rows)
    return digest.hexdigest()


def _read_rows(path: Path) -> tuple[pa.StringArray, pa.StringArray]:
    """Return the ids and the names of a table, in its order."""
    kinds = dict.fromkeys(COLUMNS, pa.string())
    try:
        require_file(path)
        table = pa_csv.read_csv(
            path,
            convert_options=pa_csv.ConvertOptions(
                column_types=kinds, include_columns=list(COLUMNS)
            ),
        )
    except _BROKEN as error:
        raise _unread(path, error) from error
    ids, names = (pa.concat_arrays(table.column(name).chunks) for name in COLUMNS)
    if pc.count_distinct(ids).as_py() != len(ids):
        raise UsageError(f"{path} names a taxon twice. {_ADVICE}")
    return ids, names


def _unread(path: Path, error: Exception) -> UsageError:
    if isinstance(error, LoadError):
        return UsageError(f"{path}: {error}")
    reason = (str(error) or type(error).__name__).splitlines()[0][:200]
    return UsageError(f"{path} cannot be read: {reason}. {_ADVICE}")


def _places(texts: pa.StringArray, among: pa.StringArray) -> NDArray[np.int64]:
    """Return where each text stands among others; -1 where it does not."""
    found = pc.fill_null(pc.index_in(texts, value_set=among), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)
