"""What a name means in a tree: one taxon, or an error that says how to choose; never a guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from fieldguide.errors import AmbiguousNameError, UnknownNameError
from fieldguide.taxonomy.name_index import KINDS, NameKind, Suggestion, index_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.taxonomy.tree import Tree

MAX_LISTED = 10
"""Taxa that an error lists."""
MAX_CHARACTERS = 500
"""Longer texts are no names."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text means in a tree.

    Attributes:
        nodes: all taxa of that name, in the order of the tree; empty where there is none.
        kind: by which kind of name they were found; None where there is none.
    """

    nodes: tuple[int, ...]
    kind: NameKind | None


@dataclass(frozen=True, slots=True)
class _Query:
    """A text taken apart: ``rank:Parent/Name``."""

    name: str
    rank: str = ""
    parents: tuple[str, ...] = ()


def find_taxon(tree: Tree, text: str, *, rank: str | None = None) -> int:
    """Return the taxon that a text names.

    It is the first of these that exists; capitals, underscores and double spaces do not matter:

    1. a canonical name (``Turdus merula``),
    2. a canonical name with its authorship (``Turdus merula Linnaeus, 1758``),
    3. a synonym,
    4. a common name in any language,
    5. one of these, told apart by its rank or by taxa above it: ``genus:Oenanthe``,
       ``Plantae/Oenanthe``, ``genus:Apiaceae/Oenanthe``; or ``id:`` and the id of the source.

    Args:
        tree: to look in.
        text: one name.
        rank: only taxa of this rank, one of ``tree.ranks``.

    Raises:
        AmbiguousNameError: several taxa have that name; each is listed with what to type for it.
        UnknownNameError: none has it; the nearest names are listed, and none of them is taken.
            Or there is no such rank.
    """
    (meaning,) = meanings(tree, [text], rank=rank)
    if len(meaning.nodes) == 1:
        return meaning.nodes[0]
    if meaning.nodes:
        raise AmbiguousNameError(_choose(tree, text, meaning.nodes))
    raise UnknownNameError(_unknown(tree, text, rank))


def meanings(tree: Tree, texts: Sequence[str], *, rank: str | None = None) -> list[Meaning]:
    """Return what each text means, as :func:`find_taxon` looks; none and several are no errors.

    Args:
        tree: to look in.
        texts: any number; all of them cost about as much as one.
        rank: only taxa of this rank.

    Raises:
        UnknownNameError: there is no such rank.
    """
    rank = None if rank is None else _known_rank(tree, rank)
    found = _by_kind(tree, [_Query(text, rank or "") for text in texts])
    for step in (_with_authorship, _told_apart):
        missing = [place for place, meaning in enumerate(found) if not meaning.nodes]
        if missing:
            again = step(tree, [texts[place] for place in missing], rank or "")
            for place, meaning in zip(missing, again, strict=True):
                found[place] = meaning
    return found


def suggest(tree: Tree, text: str, limit: int = 5) -> list[Suggestion]:
    """Return the names that are most like a text, best first, one for each taxon.

    Args:
        tree: to look in.
        text: one name, which may be told apart as in :func:`find_taxon`.
        limit: how many at most.
    """
    asked = _take_apart(tree, text)
    return index_of(tree).nearest(asked.name[:MAX_CHARACTERS], limit)


def describe(tree: Tree, node: int) -> str:
    """Return a taxon with its rank and all above it.

    For example ``genus Oenanthe (Animalia > Chordata > Aves > Passeriformes > Muscicapidae)``.
    """
    *above, own = tree.lineage(node)
    line = f"{tree.rank_of(own) or 'unranked'} {tree.name_of(own)}"
    return f"{line} ({' > '.join(map(tree.name_of, above))})" if above else line


def _by_kind(tree: Tree, queries: Sequence[_Query]) -> list[Meaning]:
    """Return the taxa of each name by the surest kind of name that finds one."""
    found = [Meaning((), None)] * len(queries)
    index = index_of(tree)
    for kind in KINDS:
        missing = [place for place, meaning in enumerate(found) if not meaning.nodes]
        if not missing:
            break
        names = [queries[place].name for place in missing]
        for place, nodes in zip(missing, index.nodes_of(names, kind), strict=True):
            fitting = _fitting(tree, nodes, queries[place])
            found[place] = Meaning(fitting, kind if fitting else None)
    return found


def _fitting(tree: Tree, nodes: tuple[int, ...], query: _Query) -> tuple[int, ...]:
    """Return those of the asked-for rank and below the asked-for taxa."""
    if query.rank:
        nodes = tuple(node for node in nodes if tree.rank_of(node) == query.rank)
    if query.parents:
        wanted = set(query.parents)
        nodes = tuple(
            node
            for node in nodes
            if wanted <= {_plain(tree.name_of(above)) for above in tree.lineage(node)[:-1]}
        )
    return nodes


def _with_authorship(tree: Tree, texts: Sequence[str], rank: str) -> list[Meaning]:
    """Look for canonical names that a text begins with, whose authorship is all the rest."""
    starts: list[tuple[int, str]] = []
    for place, text in enumerate(texts):
        words = text[:MAX_CHARACTERS].replace("_", " ").split()
        starts += [(place, " ".join(words[:count])) for count in range(1, min(len(words), 6))]
    nodes_of = index_of(tree).nodes_of([start for _, start in starts], "name")
    found: list[list[int]] = [[] for _ in texts]
    for (place, _), nodes in zip(starts, nodes_of, strict=True):
        found[place] += [
            node
            for node in _fitting(tree, nodes, _Query("", rank))
            if _plain(f"{tree.name_of(node)} {tree.authorships[node].as_py() or ''}")
            == _plain(texts[place])
        ]
    return [Meaning(tuple(nodes), "name" if nodes else None) for nodes in found]


def _told_apart(tree: Tree, texts: Sequence[str], rank: str) -> list[Meaning]:
    """Look for names after their rank, their parents or ``id:``."""
    queries = [_take_apart(tree, text) for text in texts]
    found = [Meaning((), None)] * len(texts)
    asked: list[tuple[int, _Query]] = []
    for place, (text, query) in enumerate(zip(texts, queries, strict=True)):
        if text.strip().lower().startswith("id:"):
            found[place] = _of_id(tree, text.strip()[3:].strip(), rank)
        elif query.parents or (query.rank and rank in ("", query.rank)):
            asked.append((place, _Query(query.name, query.rank or rank, query.parents)))
    for (place, _), meaning in zip(
        asked, _by_kind(tree, [query for _, query in asked]), strict=True
    ):
        found[place] = meaning
    return found


def _of_id(tree: Tree, wanted: str, rank: str) -> Meaning:
    nodes = tuple(pc.indices_nonzero(pc.equal(tree.ids, wanted)).to_pylist())
    nodes = _fitting(tree, nodes, _Query("", rank))
    return Meaning(nodes, "name" if nodes else None)


def _take_apart(tree: Tree, text: str) -> _Query:
    """Return name, rank and parents of ``rank:Parent/Name``."""
    start, colon, rest = text.partition(":")
    rank = next((rank for rank in tree.ranks if rank == _plain(start)), "") if colon else ""
    *parents, name = (rest if rank else text).split("/")
    return _Query(name, rank, tuple(map(_plain, parents)))


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).lower()


def _known_rank(tree: Tree, rank: str) -> str:
    for known in tree.ranks:
        if known == rank.strip().lower():
            return known
    raise UnknownNameError(
        f"{tree.info.name} has no rank {rank!r}. Choose one of: {', '.join(tree.ranks)}."
    )


def _choose(tree: Tree, text: str, nodes: Sequence[int]) -> str:
    shown = nodes[:MAX_LISTED]
    listed = [
        f"  {typed!r}: {describe(tree, node)}"
        for node, typed in zip(shown, ways_to_type(tree, shown), strict=True)
    ]
    if more := len(nodes) - len(shown):
        listed.append(f"  and {more} more")
    return "\n".join(
        [f"{text!r} names {len(nodes)} taxa in {tree.info.name}. Choose one of:", *listed]
    )


def ways_to_type(tree: Tree, nodes: Sequence[int]) -> list[str]:
    """Return for each of several taxa of one name a text that names it alone."""
    ways: list[str] = []
    for node in nodes:
        name, rank, lineage = tree.name_of(node), tree.rank_of(node), tree.lineage(node)[:-1]
        tries = [name]
        tries += [f"{rank}:{name}"] if rank else []
        tries += [f"{tree.name_of(above)}/{name}" for above in reversed(lineage)]
        if rank:
            tries += [f"{rank}:{tree.name_of(above)}/{name}" for above in reversed(lineage)]
        means = [meaning.nodes for meaning in meanings(tree, tries)]
        alone = (typed for typed, found in zip(tries, means, strict=True) if found == (node,))
        ways.append(next(alone, f"id:{tree.ids[node].as_py()}"))
    return ways


def _unknown(tree: Tree, text: str, rank: str | None) -> str:
    of_rank = "" if rank is None else f" of rank {rank}"
    shown = text if len(text) <= MAX_CHARACTERS else f"{text[:60]}..."
    message = f"{tree.info.name} has no taxon{of_rank} called {shown!r}."
    near = suggest(tree, text)
    if not near:
        return f"{message} No name is like it. Check the spelling, or choose another --taxonomy."
    names = ", ".join(f"{name.name} ({describe_kind(tree, name)})" for name in near)
    return f"{message} The nearest names are: {names}. Type the one you mean."


def describe_kind(tree: Tree, name: Suggestion) -> str:
    """Return what a name is: the rank of its taxon, or whose synonym or common name it is."""
    if name.kind == "name":
        return tree.rank_of(name.node) or "unranked"
    which = "synonym" if name.kind == "synonym" else "common name"
    return f"{which} of {tree.name_of(name.node)}"
