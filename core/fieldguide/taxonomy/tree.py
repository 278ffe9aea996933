"""A ragged tree of taxa in columns, for a garden list or for all species that have a name.

Taxa stand in depth-first order: a parent before its children, so that a subtree is one slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

UNRANKED = -1
NO_PARENT = -1

SYNONYM, COMMON = "synonym", "common"
OTHER_NAMES = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("node", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
    ]
)
"""Of :attr:`Tree.other_names`: kind is "synonym" or "common"; language is an ISO 639-1 code."""


@dataclass(frozen=True)
class TreeInfo:
    """Where a tree comes from.

    Attributes:
        name: of the tree, such as "GBIF backbone".
        version: of its source.
        source: its address or citation.
        licence: an SPDX identifier, or "unknown".
    """

    name: str
    version: str = ""
    source: str = ""
    licence: str = "unknown"


@dataclass(frozen=True, eq=False)
class Tree:
    """N taxa in depth-first order; the subtree of taxon i is ``range(i, ends[i])``.

    Trees are made by :func:`~fieldguide.taxonomy.build.build_tree` and
    :func:`~fieldguide.taxonomy.lineages.tree_from_lineages`.

    Attributes:
        info: where it comes from.
        ranks: names of ranks, wide to narrow.
        names: (N,) canonical names without authors; a species is its whole binomial.
        rank_codes: (N,) int8 places in ``ranks``; -1 where a taxon has no rank.
        parents: (N,) int32; -1 of roots.
        ends: (N,) int32, one past the last taxon of each subtree.
        ids: (N,) of the source.
        authorships: (N,) authors and years, or empty.
        other_names: synonyms and common names, see ``OTHER_NAMES``; in the order of their nodes.
    """

    info: TreeInfo
    ranks: tuple[str, ...]
    names: pa.StringArray
    rank_codes: NDArray[np.int8]
    parents: NDArray[np.int32]
    ends: NDArray[np.int32]
    ids: pa.StringArray
    authorships: pa.StringArray
    other_names: pa.Table

    def __len__(self) -> int:
        """Return how many taxa there are."""
        return len(self.parents)

    def name_of(self, node: int) -> str:
        """Return the canonical name of a taxon."""
        return str(self.names[int(node)].as_py())

    def rank_of(self, node: int) -> str:
        """Return the rank of a taxon; empty where it has none."""
        code = int(self.rank_codes[node])
        return "" if code == UNRANKED else self.ranks[code]

    def lineage(self, node: int) -> tuple[int, ...]:
        """Return a taxon with all above it, root first."""
        found = []
        while node != NO_PARENT:
            found.append(int(node))
            node = int(self.parents[node])
        return tuple(reversed(found))

    def record(self, node: int) -> dict[str, str]:
        """Return the names of a taxon and of those above it by their ranks, wide to narrow.

        Ranks that the lineage does not have are not there.
        """
        return {self.rank_of(i): self.name_of(i) for i in self.lineage(node) if self.rank_of(i)}

    def ancestor_at(self, node: int, rank: str) -> int | None:
        """Return which taxon of a rank a taxon is or belongs to; None where there is none."""
        found = int(self.ancestors_at(np.array([node]), rank)[0])
        return None if found == NO_PARENT else found

    def ancestors_at(self, nodes: NDArray[np.integer], rank: str) -> NDArray[np.int32]:
        """Return (K,) taxa of a rank that (K,) taxa are or belong to; -1 where there is none.

        Raises:
            ValueError: the tree has no such rank.
        """
        code = self.ranks.index(rank)
        current = np.asarray(nodes, dtype=np.int32).copy()
        open_ = np.flatnonzero((current != NO_PARENT) & (self.rank_codes[current] != code))
        while len(open_):
            current[open_] = self.parents[current[open_]]
            still = current[open_]
            open_ = open_[(still != NO_PARENT) & (self.rank_codes[still] != code)]
        return current

    def subtree(self, node: int) -> slice:
        """Return the places of a taxon and of all below it."""
        return slice(int(node), int(self.ends[node]))

    def is_within(self, node: int, clade: int) -> bool:
        """Return whether a taxon is a clade or belongs to it."""
        return clade <= node < int(self.ends[clade])

    def children(self, node: int) -> list[int]:
        """Return the taxa directly below one."""
        return list(self._siblings(int(node) + 1, int(self.ends[node])))

    @property
    def roots(self) -> list[int]:
        """The taxa without a parent."""
        return list(self._siblings(0, len(self)))

    def leaves(self) -> NDArray[np.int32]:
        """Return the taxa with none below them."""
        return np.flatnonzero(self.ends == np.arange(1, len(self) + 1)).astype(np.int32)

    @cached_property
    def depths(self) -> NDArray[np.int16]:
        """(N,) how many taxa stand above each."""
        depths = np.zeros(len(self), np.int16)
        level = np.flatnonzero(self.parents != NO_PARENT)
        above = self.parents[level]
        while len(level):
            depths[level] += 1
            keep = self.parents[above] != NO_PARENT
            level, above = level[keep], self.parents[above[keep]]
        return depths

    def common_names(self, node: int) -> list[tuple[str, str]]:
        """Return (language, name) of a taxon's common names, the preferred ones first."""
        return [(row["language"], row["name"]) for row in self._other(node, COMMON)]

    def common_name(self, node: int, language: str = "en") -> str:
        """Return the first common name of a taxon in a language, or whose language nobody told.

        Empty where it has neither.
        """
        names = self.common_names(node)
        known = (name for asked in (language, "") for spoken, name in names if spoken == asked)
        return next(known, "")

    def synonyms(self, node: int) -> list[str]:
        """Return the names that a taxon once had."""
        return [row["name"] for row in self._other(node, SYNONYM)]

    def _other(self, node: int, kind: str) -> Iterator[dict[str, str]]:
        first, end = np.searchsorted(self._named_nodes, (node, node + 1))
        rows: Sequence[dict[str, str]] = self.other_names.slice(first, end - first).to_pylist()
        return (row for row in rows if row["kind"] == kind)

    def _siblings(self, first: int, end: int) -> Iterator[int]:
        while first < end:
            yield first
            first = int(self.ends[first])

    @cached_property
    def _named_nodes(self) -> NDArray[np.int32]:
        return np.asarray(self.other_names.column("node").to_numpy(), np.int32)
