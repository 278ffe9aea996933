"""From rows with one column a rank, gaps and all, to a tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fieldguide.taxonomy.build import build_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree, TreeInfo

NOWHERE = -1
_TOP = 0  # the path without a name


@dataclass(frozen=True, eq=False)
class PlacedLineages:
    """The tree of lineages, and where each of them went.

    Attributes:
        tree: of all of them.
        nodes: (R,) the taxon that each row names; -1 where it names none.
    """

    tree: Tree
    nodes: NDArray[np.int64]


def tree_from_lineages(
    records: Iterable[Mapping[str, Any]], ranks: Sequence[str], info: TreeInfo
) -> Tree:
    """Return the tree of lineages; a row with gaps keeps its place and drops nothing.

    A taxon without, say, an order hangs on its class. Where another row of that name and rank
    knows all that this one knows and more, both are one taxon. Rows that disagree (homonyms), and
    one with gaps that several others would fill differently, stay apart.

    Args:
        records: by rank; None and empty texts are gaps. Other keys are not looked at.
        ranks: wide to narrow.
        info: where they come from.

    >>> from fieldguide.taxonomy.tree import TreeInfo
    >>> rows = [{"class": "Aves", "genus": "Pica"}, {"class": "Aves", "family": "Corvidae",
    ...         "genus": "Pica"}, {"class": "Aves", "genus": "Corvus"}]
    >>> tree = tree_from_lineages(rows, ("class", "family", "genus"), TreeInfo("birds"))
    >>> [tree.record(node) for node in tree.leaves()]  # doctest: +NORMALIZE_WHITESPACE
    [{'class': 'Aves', 'family': 'Corvidae', 'genus': 'Pica'}, {'class': 'Aves', 'genus': 'Corvus'}]
    """
    return place_lineages(records, ranks, info).tree


def place_lineages(
    records: Iterable[Mapping[str, Any]], ranks: Sequence[str], info: TreeInfo
) -> PlacedLineages:
    """Return the tree of lineages, as :func:`tree_from_lineages`, and the taxon of each row."""
    names: dict[tuple[int, str], int] = {}  # (place of the rank, name) by first appearance
    given = _Paths()
    rows = np.array([_add(record, ranks, names, given) for record in records], np.int64)
    named = list(names)
    wholes = _Paths()
    whole = _whole(given, [place for place, _ in named], wholes)
    taxa = [path for path in dict.fromkeys(whole.values()) if path != _TOP]
    number = np.full(len(wholes.above), NOWHERE)
    number[taxa] = np.arange(len(taxa))
    above = number[[wholes.above[path] for path in taxa]]
    last = [named[wholes.last[path]] for path in taxa]
    columns = {
        "id": [str(place) for place in range(len(taxa))],
        "parent_id": [None if place == NOWHERE else str(place) for place in above.tolist()],
        "name": [name for _, name in last],
        "rank": [ranks[place] for place, _ in last],
    }
    table = pa.table({name: pa.array(texts, pa.string()) for name, texts in columns.items()})
    tree = build_tree(table, info, ranks)
    nodes = np.empty(len(taxa) + 1, np.int64)
    nodes[-1] = NOWHERE  # of the path without a name
    nodes[tree.ids.cast(pa.int64()).to_numpy()] = np.arange(len(tree))
    of_path = np.array([number[whole[path]] for path in range(len(given.above))], np.int64)
    return PlacedLineages(tree, nodes[of_path[rows]])


@dataclass(frozen=True, eq=False)
class _Paths:
    """Paths of names by number, each a shorter one with one name more; 0 has none.

    Attributes:
        above: of each path, the one without its last name.
        last: of each path, the number of its last name.
        known: numbers of paths by both.
    """

    above: list[int] = field(default_factory=lambda: [_TOP])
    last: list[int] = field(default_factory=lambda: [NOWHERE])
    known: dict[tuple[int, int], int] = field(default_factory=dict)

    def longer(self, path: int, name: int) -> int:
        """Return a path with one name more."""
        found = self.known.setdefault((path, name), len(self.above))
        if found == len(self.above):
            self.above.append(path)
            self.last.append(name)
        return found

    def names(self, path: int) -> frozenset[int]:
        """Return the numbers of all names of a path."""
        found = []
        while path != _TOP:
            found.append(self.last[path])
            path = self.above[path]
        return frozenset(found)


def _add(
    record: Mapping[str, Any], ranks: Sequence[str], names: dict[tuple[int, str], int], to: _Paths
) -> int:
    """Return the path of a record, wide to narrow, without the ranks that are not known."""
    path = _TOP
    for place, rank in enumerate(ranks):
        if name := record.get(rank):
            path = to.longer(path, names.setdefault((place, str(name)), len(names)))
    return path


def _whole(given: _Paths, place_of: Sequence[int], wholes: _Paths) -> dict[int, int]:
    """Return each path with its gaps filled as far as the others tell; wide ranks come first.

    Args:
        given: the paths.
        place_of: the rank of each name.
        wholes: gets the filled paths.
    """
    whole = {_TOP: _TOP}
    by_end: dict[int, list[int]] = {}
    for path, name in enumerate(given.last):
        if path != _TOP:
            by_end.setdefault(name, []).append(path)
    for end in sorted(by_end, key=place_of.__getitem__):
        found = {path: wholes.longer(whole[given.above[path]], end) for path in by_end[end]}
        whole |= found
        if len(distinct := set(found.values())) > 1:
            names = {path: wholes.names(path) for path in distinct}
            fullest = dict.fromkeys(_fullest(names))
            for path, known in found.items():
                if known not in fullest:
                    fuller = [one for one in fullest if names[known] < names[one]]
                    whole[path] = fuller[0] if len(fuller) == 1 else known
    return whole


def _fullest(paths: Mapping[int, frozenset[int]]) -> list[int]:
    """Return the paths whose names no other one has all of."""
    by_length: dict[int, list[int]] = {}
    for path, names in paths.items():
        by_length.setdefault(len(names), []).append(path)
    found: list[int] = []
    for length in sorted(by_length, reverse=True):
        # those of one length differ, so only longer ones can have all names of one
        found += [
            path
            for path in by_length[length]
            if not any(paths[path] < paths[longer] for longer in found)
        ]
    return found
