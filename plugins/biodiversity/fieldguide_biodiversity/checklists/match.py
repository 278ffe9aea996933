"""Names as people write them, found in a tree: with authors, hybrids' signs, cf. and sp."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fieldguide.taxonomy.lookup import meanings, suggest
from fieldguide_biodiversity.checklists.names import HYBRID, parse_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.taxonomy.name_index import Suggestion
    from fieldguide.taxonomy.tree import Tree
    from fieldguide_biodiversity.checklists.names import ParsedName

How = Literal["exact", "synonym", "common", "ambiguous", "suggested", "none"]
_BY_KIND: dict[str, How] = {"name": "exact", "synonym": "synonym", "common": "common"}
LEAST_TAKEN = 0.85
"""Similarity of a suggestion that may be taken: two wrong letters in a binomial of 14."""
_STEPS = 4
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class NameMatch:
    """What a written name means in a tree.

    Attributes:
        text: as it was written.
        how: by which kind of name it was found; ambiguous where several taxa have it.
        nodes: one taxon, several where it is ambiguous, else none.
        note: what to know: that it is determined to the genus only, that the author is another.
        suggestions: the nearest names where none is found; none of them is taken.
    """

    text: str
    how: How
    nodes: tuple[int, ...] = ()
    note: str = ""
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def node(self) -> int | None:
        """The taxon, or None where there is none or several."""
        return self.nodes[0] if len(self.nodes) == 1 else None


def match_names(
    tree: Tree, texts: Sequence[str], *, rank: str | None = None, suggestions: int = 3
) -> list[NameMatch]:
    """Find names in a tree; typing errors are answered with suggestions, never with a taxon.

    A text is looked for as it stands, then without authors, then with a hybrid's sign or without.

    Args:
        tree: to look in.
        texts: any number; equal ones are looked for once.
        rank: only taxa of this rank.
        suggestions: how many at most for each name that is not found; each passes over all names.
    """
    distinct = list(dict.fromkeys(texts))
    parsed = {text: parse_name(text) for text in distinct}
    found: dict[str, NameMatch] = {}
    for step in range(_STEPS):
        asked = {
            text: _spelling(parsed[text], text, step) for text in distinct if text not in found
        }
        spelled = {text: name for text, name in asked.items() if name}
        means = meanings(tree, list(spelled.values()), rank=rank)
        for text, meaning in zip(spelled, means, strict=True):
            if meaning.nodes and meaning.kind is not None:
                how = _BY_KIND[meaning.kind] if len(meaning.nodes) == 1 else "ambiguous"
                found[text] = _noted(tree, NameMatch(text, how, meaning.nodes), parsed[text], step)
    for text in distinct:
        if text not in found:
            near = suggest(tree, parsed[text].canonical or text, suggestions) if suggestions else []
            found[text] = NameMatch(text, "none", suggestions=tuple(near))
    return [found[text] for text in texts]


def accept_suggestion(match: NameMatch) -> NameMatch:
    """Return a match by the nearest name, said to be suggested, where it is near and the only one.

    A second taxon as near as the first leaves the name unmatched.
    """
    if match.how != "none" or not match.suggestions:
        return match
    best, *others = match.suggestions
    if best.similarity < LEAST_TAKEN or (others and others[0].similarity >= best.similarity):
        return match
    return replace(match, how="suggested", nodes=(best.node,), note=f"taken for {best.name}")


def _spelling(name: ParsedName, text: str, step: int) -> str:
    """Return how a name is looked for at a step; empty where that is nothing new."""
    spellings = (text, name.canonical, name.canonical.replace(HYBRID, ""), _with_sign(name))
    spelling = spellings[step].strip()
    return "" if spelling in spellings[:step] or (step and not name.understood) else spelling


def _with_sign(name: ParsedName) -> str:
    """Return a binomial as that of a hybrid: checklists write the sign, and people leave it out."""
    genus, _, epithet = name.canonical.partition(" ")
    if not epithet or HYBRID in name.canonical:
        return name.canonical
    return f"{genus} {HYBRID}{epithet}"


def _noted(tree: Tree, match: NameMatch, name: ParsedName, step: int) -> NameMatch:
    if step and name.qualifier:
        return replace(match, note=f"determined to {name.canonical} only ({name.qualifier})")
    if match.node is not None and match.how == "exact" and name.authorship:
        there = tree.authorships[match.node].as_py() or ""
        own, other = _initials(name.authorship), _initials(there)
        if own and other and own.isdisjoint(other):
            return replace(match, note=f"the tree has it by another author: {there}")
    return match


def _initials(authorship: str) -> set[str]:
    """Return the first letters of authors: what ``L.`` and ``Linnaeus, 1758`` have in common."""
    return {word[0] for word in _WORDS.findall(authorship) if word[0].isupper()}
