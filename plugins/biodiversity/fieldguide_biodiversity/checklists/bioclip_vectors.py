"""BioCLIP's published text vectors as label vectors of a tree: transposed, in the tree's order."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.data.files import atomic_path, require_file
from fieldguide.errors import LoadError, UsageError
from fieldguide.models.embeddings import unit_length
from fieldguide.models.vector_file import let_go
from fieldguide.taxonomy.tree_file import require_suffix, write_tree
from fieldguide.zeroshot.given_vectors import COLUMNS
from fieldguide_biodiversity.checklists.bioclip_names import read_bioclip_names

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree

COLUMNS_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class Imported:
    """What was written.

    Attributes:
        tree: of the names.
        vectors: path of the matrix.
        labels: how many taxa have a vector.
        dim: numbers in each.
        nameless: columns without a name, which are left out.
        merged: columns whose names are those of another one; the taxon has their unit mean.
    """

    tree: Tree
    vectors: Path
    labels: int
    dim: int
    nameless: int
    merged: int


def import_bioclip_vectors(vectors: Path, names: Path, output: Path) -> Imported:
    """Write ``NAME.tree``, ``NAME.npy`` and ``NAME.csv`` of published text vectors.

    Args:
        vectors: ``txt_emb_species.npy``, (D, C) floating point; column i is called names[i].
        names: ``txt_emb_species.json``.
        output: ``NAME.tree``.

    Raises:
        UsageError: a file is missing, damaged or another one, the two do not belong together, or a
            column has no direction.
        StoreError: the files cannot be written.
    """
    require_suffix(output)
    target = output.with_suffix(".npy")
    if vectors.absolute() == target.absolute():
        raise UsageError(f"{target} is what is read. Choose another --output.")
    columns = _opened(vectors)
    found = read_bioclip_names(names)
    if columns.shape[1] != len(found.nodes):
        raise UsageError(
            f"{vectors} has {columns.shape[1]} columns, and {names} names {len(found.nodes)}. Name "
            "the two files that belong together."
        )
    nodes = np.unique(found.nodes[found.nodes >= 0])
    rows = np.where(found.nodes >= 0, np.searchsorted(nodes, found.nodes), -1)
    with atomic_path(target) as temporary, temporary.open("wb") as stream:
        _write(stream, vectors, columns, rows, len(nodes))
    with (
        atomic_path(output.with_suffix(".csv")) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as text,
    ):
        table = csv.writer(text)
        table.writerow(COLUMNS)
        table.writerows((found.tree.ids[node].as_py(), found.tree.name_of(node)) for node in nodes)
    write_tree(found.tree, output)
    nameless = int((rows < 0).sum())
    merged = len(rows) - nameless - len(nodes)
    return Imported(found.tree, target, len(nodes), len(columns), nameless, merged)


def _opened(path: Path) -> NDArray[np.floating]:
    """Return the matrix, mapped."""
    try:
        require_file(path)
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from error
    except (OSError, ValueError, EOFError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise UsageError(f"{path} cannot be read: {reason}. Get it again.") from error
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind != "f":
        raise UsageError(f"{path} is no matrix of floating-point numbers. Name another file.")
    return found


def _write(
    stream: IO[bytes],
    path: Path,
    columns: NDArray[np.floating],
    rows: NDArray[np.int64],
    count: int,
) -> None:
    """Write (count, D) unit vectors: row rows[i] is column i, or the mean of all that have it."""
    about = {"descr": "<f4", "fortran_order": False, "shape": (count, len(columns))}
    np.lib.format.write_array_header_1_0(stream, about)
    start_of_rows, size = stream.tell(), 4 * len(columns)
    sums: dict[int, NDArray[np.float32]] = {}
    shared = np.bincount(rows[rows >= 0], minlength=count) > 1
    for start in range(0, len(rows), COLUMNS_AT_ONCE):
        part = slice(start, min(start + COLUMNS_AT_ONCE, len(rows)))
        units = _units(path, columns, part)
        for row, unit in zip(rows[part].tolist(), units, strict=True):
            if row < 0:
                continue
            if shared[row]:
                sums[row] = sums.get(row, np.float32(0)) + unit
                continue
            stream.seek(start_of_rows + row * size)
            stream.write(unit.tobytes())
    for row, total in sums.items():
        stream.seek(start_of_rows + row * size)
        stream.write(unit_length(total[None]).tobytes())


def _units(path: Path, columns: NDArray[np.floating], part: slice) -> NDArray[np.float32]:
    """Return some columns as (K, D) rows of unit length."""
    found = np.ascontiguousarray(columns[:, part].T, "<f4")
    let_go(columns, slice(0, len(columns)))
    lengths = np.linalg.norm(found, axis=1)
    wrong = ~(np.isfinite(lengths) & (lengths > 0))
    if wrong.any():
        place = int(wrong.argmax())
        raise UsageError(
            f"Column {part.start + place} of {path} has the length {lengths[place]:.4g}, which is "
            "no direction. Get it again."
        )
    return unit_length(found)
