"""The names of a tree as they are compared: whole columns at once, made once for a tree.

A look-up passes over the columns and builds no dictionary: 10 ms for a million names, and a
hundred thousand names at once take little more than one.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import process
from rapidfuzz.distance import OSA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree

NameKind = Literal["name", "synonym", "common"]
KINDS: tuple[NameKind, ...] = ("name", "synonym", "common")
"""What a name can be to a taxon, the surest first."""
LEAST_SIMILARITY = 0.6
"""Of a name worth suggesting: 1 - changes / length of the longer name."""
LEAST_PART = 4
"""Characters of a text that is looked for inside names too: ``blackbird``, ``common blackbird``."""
_CHUNK = 500_000
"""Names that stand in memory as Python strings at a time."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A name of the tree that is like what was asked for.

    Attributes:
        name: as the tree writes it.
        node: the taxon that it means.
        kind: what the name is to it.
        similarity: 0 to 1; 1 is the same but for capitals and spaces.
    """

    name: str
    node: int
    kind: NameKind
    similarity: float


@dataclass(frozen=True)
class NameColumn:
    """Names of one kind.

    Attributes:
        kind: of all of them.
        names: (M,) as the tree writes them.
        folded: (M,) as they are compared.
        nodes: (M,) int32, the taxa that they mean.
    """

    kind: NameKind
    names: pa.Array
    folded: pa.Array
    nodes: NDArray[np.int32]


class NameIndex:
    """All names of a tree, by kind.

    Args:
        tree: is not kept.
    """

    def __init__(self, tree: Tree) -> None:
        self.columns = tuple(_columns(tree))

    def nodes_of(self, texts: Sequence[str], kind: NameKind) -> list[tuple[int, ...]]:
        """Return, for each text, the taxa that have it as a name of that kind.

        Args:
            texts: any number; all of them cost one pass.
            kind: one of ``KINDS``.
        """
        asked = fold(pa.array(texts, pa.string())).dictionary_encode()
        column = next(column for column in self.columns if column.kind == kind)
        found: list[set[int]] = [set() for _ in asked.dictionary]
        which = pc.index_in(column.folded, value_set=asked.dictionary)
        rows = pc.indices_nonzero(pc.is_valid(which))
        for text, node in zip(
            which.take(rows).to_pylist(), column.nodes[rows.to_numpy()].tolist(), strict=True
        ):
            found[text].add(node)
        return [tuple(sorted(found[code])) for code in asked.indices.to_pylist()]

    def nearest(self, text: str, limit: int) -> list[Suggestion]:
        """Return the names that differ least from a text, best first; one for each taxon.

        Differences are counted as insertions, deletions, substitutions and swaps of neighbours
        (optimal string alignment; Boytsov 2011, doi:10.1145/1963190.1963191). All names are
        compared, so that a wrong first letter is no obstacle. Where few are near, names that
        contain the text follow.
        """
        asked = fold(pa.array([text], pa.string()))[0].as_py()
        found = [near for column in self.columns for near in _nearest(column, asked, limit)]
        found.sort(key=lambda near: (-near.similarity, KINDS.index(near.kind), near.name))
        best: dict[int, Suggestion] = {}
        for near in found:
            best.setdefault(near.node, near)
        return list(best.values())[:limit]


def fold(names: pa.Array) -> pa.Array:
    """Return names as they are compared: lower case, composed letters, single spaces.

    An underscore counts as a space, as folders of images write names.
    """
    spaced = pc.replace_substring(pc.utf8_normalize(names, form="NFC"), "_", " ")
    trimmed = pc.utf8_trim_whitespace(pc.utf8_lower(spaced))
    if pc.any(pc.match_substring(trimmed, "  ")).as_py():
        trimmed = pc.replace_substring_regex(trimmed, r"\s+", " ")
    return trimmed


def index_of(tree: Tree) -> NameIndex:
    """Return the index of a tree, which is made at the first call and kept as long as the tree."""
    if tree not in _KEPT:
        _KEPT[tree] = NameIndex(tree)
    return _KEPT[tree]


_KEPT: weakref.WeakKeyDictionary[Tree, NameIndex] = weakref.WeakKeyDictionary()


def _columns(tree: Tree) -> Iterator[NameColumn]:
    nodes = np.arange(len(tree), dtype=np.int32)
    yield NameColumn("name", tree.names, fold(tree.names), nodes)
    for kind in KINDS[1:]:
        rows = tree.other_names.filter(pc.equal(tree.other_names["kind"], kind))
        names = _one_chunk(rows["name"])
        of = rows["node"].to_numpy().astype(np.int32, copy=False)
        yield NameColumn(kind, names, fold(names), of)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _nearest(column: NameColumn, asked: str, limit: int) -> Iterator[Suggestion]:
    """Return the nearest names of one kind; the same name may stand there for several taxa."""
    lengths = pc.utf8_length(column.folded).to_numpy(zero_copy_only=False)
    shorter, longer = np.minimum(lengths, len(asked)), np.maximum(lengths, len(asked))
    rows = np.flatnonzero(shorter >= longer * LEAST_SIMILARITY)  # no other can be as similar
    found = _extract(column.folded, rows, asked, limit, LEAST_SIMILARITY)
    if len(found) < limit and len(asked) >= LEAST_PART:
        part = np.flatnonzero(pc.match_substring(column.folded, asked).to_numpy(False))
        found |= _extract(column.folded, part, asked, limit, 0.0)
    best = sorted(found.items(), key=lambda near: (-near[1], near[0]))[:limit]
    for row, similarity in best:
        yield Suggestion(column.names[row].as_py(), int(column.nodes[row]), column.kind, similarity)


def _extract(
    folded: pa.Array, rows: NDArray[np.intp], asked: str, limit: int, least: float
) -> dict[int, float]:
    """Return the rows whose names are most like a text, with their similarity."""
    found: dict[int, float] = {}
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        near = process.extract(
            asked,
            folded.take(pa.array(part)).to_pylist(),
            scorer=OSA.normalized_similarity,
            score_cutoff=least,
            limit=limit,
        )
        found |= {int(part[place]): similarity for _, similarity, place in near}
    return found
