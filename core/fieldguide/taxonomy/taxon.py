"""One taxon, as results name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldguide.taxonomy.tree import Tree


@dataclass(frozen=True, slots=True)
class Taxon:
    """A taxon with its place in the tree.

    Attributes:
        name: the canonical name, without authors.
        rank: empty where it has none.
        lineage: (rank, name) from the widest to the taxon itself; ranks that it lacks are missing.
        common_name: empty where it has none in the language asked for.
        id: of the source of the tree.
    """

    name: str
    rank: str
    lineage: tuple[tuple[str, str], ...]
    common_name: str = ""
    id: str = ""


def taxon_of(tree: Tree, node: int, language: str = "en") -> Taxon:
    """Return a taxon of a tree."""
    return Taxon(
        name=tree.name_of(node),
        rank=tree.rank_of(node),
        lineage=tuple(tree.record(node).items()),
        common_name=tree.common_name(node, language),
        id=str(tree.ids[int(node)].as_py()),
    )
