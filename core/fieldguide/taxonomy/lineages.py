"""From rows with one column a rank, gaps and all, to a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fieldguide.taxonomy.build import build_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fieldguide.taxonomy.tree import Tree, TreeInfo

Path = tuple[tuple[int, str], ...]
"""Places of ranks with names, wide to narrow; without the ranks that are not known."""


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
    given = {path: None for record in records if (path := _path(record, ranks))}
    paths = {path[:length]: None for path in given for length in range(1, len(path) + 1)}
    taxa = list(dict.fromkeys(_whole(paths).values()))
    place = {taxon: str(number) for number, taxon in enumerate(taxa)}
    columns = {
        "id": list(place.values()),
        "parent_id": [place.get(taxon[:-1]) for taxon in taxa],
        "name": [taxon[-1][1] for taxon in taxa],
        "rank": [ranks[taxon[-1][0]] for taxon in taxa],
    }
    table = pa.table({name: pa.array(texts, pa.string()) for name, texts in columns.items()})
    return build_tree(table, info, ranks)


def _path(record: Mapping[str, Any], ranks: Sequence[str]) -> Path:
    return tuple((place, str(record[rank])) for place, rank in enumerate(ranks) if record.get(rank))


def _whole(paths: Iterable[Path]) -> dict[Path, Path]:
    """Return each path with its gaps filled as far as the others tell; wide ranks come first."""
    whole: dict[Path, Path] = {(): ()}
    by_end: dict[tuple[int, str], list[Path]] = {}
    for path in paths:
        by_end.setdefault(path[-1], []).append(path)
    for end in sorted(by_end, key=lambda end: end[0]):
        found = {path: (*whole[path[:-1]], end) for path in by_end[end]}
        fullest = _fullest(set(found.values()))
        for path, known in found.items():
            fuller = [
                one for one in fullest if len(one) > len(known) and fullest[one] >= set(known)
            ]
            whole[path] = fuller[0] if len(fuller) == 1 else known
    del whole[()]
    return whole


def _fullest(paths: Iterable[Path]) -> dict[Path, frozenset[tuple[int, str]]]:
    """Return the paths that no longer one contains, each with its names as a set."""
    longest_first = sorted(paths, key=len, reverse=True)
    found: dict[Path, frozenset[tuple[int, str]]] = {}
    for path in longest_first:
        names = frozenset(path)
        longer = (other for one, other in found.items() if len(one) > len(path))
        if not any(names <= other for other in longer):
            found[path] = names
    return found
