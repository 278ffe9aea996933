"""Rows whose names belong to some taxa of a tree: "insects only", whatever the rows are called.

Each distinct name of an index is looked up once, by its canonical name, a synonym or a common name.
A row is taken as soon as one of its columns names a taxon of the clades; a name that means several
taxa, in and out of them, takes none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.data.place_and_date import bare
from fieldguide.errors import UsageError
from fieldguide.retrieval.conditions import Condition, Either, In
from fieldguide.retrieval.row_filters import Asked, left_out, spellings
from fieldguide.taxonomy.lookup import meanings
from fieldguide.zeroshot.clades import REGION, named_taxa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.retrieval.lance_index import LanceIndex
    from fieldguide.specs import DomainSpec
    from fieldguide.taxonomy.tree import Tree

NAMED = 3
"""How many names a note quotes."""


@dataclass(frozen=True)
class InClade:
    """Rows that show a taxon of some clades.

    Args:
        tree: of the taxa.
        clades: names of taxa, or files of names, one of which a row must be or belong to.
        column: the metadata key that holds the rows' names; by default those of the domain.

    Raises:
        UnknownNameError: the tree has no taxon of that name; near ones are told.
        AmbiguousNameError: it has several.
    """

    tree: Tree
    clades: tuple[str, ...]
    column: str | None = None

    def __post_init__(self) -> None:
        """Look the clades up."""
        if not self.clades:
            raise UsageError("Name a taxon: --clade Odonata")
        self._nodes()

    def _nodes(self) -> list[int]:
        if places := [name for name in self.clades if name.startswith(REGION)]:
            raise UsageError(
                f"{places[0]!r} is no taxon, and images are found by where they were taken: --near "
                "LAT,LON --within-km KM."
            )
        return named_taxa(self.tree, self.clades)

    def about(self) -> dict[str, Any]:
        """See ``RowFilter``."""
        return {"clade": list(self.clades), "taxonomy": self.tree.info.name}

    def of(self, store: LanceIndex, domain: DomainSpec) -> Asked:
        """See ``RowFilter``."""
        columns = self._columns(store, domain)
        counts = {name: store.texts(name) for name in columns}
        sides = self._sides(sorted({text for texts in counts.values() for text in texts}))
        conditions: list[Condition] = [
            In(name, tuple(text for text in texts if sides[text] == "in"))
            for name, texts in counts.items()
        ]
        found = conditions[0]
        for each in conditions[1:]:
            found = Either(found, each)
        return Asked(found, self._notes(store, counts, sides))

    def _columns(self, store: LanceIndex, domain: DomainSpec) -> list[str]:
        fields = store.fields("text")
        wanted = domain.taxon_columns if self.column is None else (self.column,)
        written = spellings(fields)
        found = [name for each in wanted for name in written.get(bare(each), ())]
        if not found:
            told = f"no column {self.column!r}" if self.column else "no column of names of taxa"
            known = ", ".join(sorted(fields)) or "none"
            raise UsageError(
                f"{store.folder} has {told}, so that no clade can be asked for. Its columns of "
                f"text: {known}. Name the right one: --taxon-column NAME. If there is none, index "
                "a manifest that has names."
            )
        return found

    def _sides(self, texts: Sequence[str]) -> dict[str, str]:
        """Return for each name whether it is "in", "out", "both" or "unknown"."""
        clades = self._nodes()
        found = {}
        for text, meaning in zip(texts, meanings(self.tree, texts), strict=True):
            inside = {any(self.tree.is_within(n, c) for c in clades) for n in meaning.nodes}
            side = {(): "unknown", (True,): "in", (False,): "out"}
            found[text] = side.get(tuple(inside), "both")
        return found

    def _notes(
        self, store: LanceIndex, counts: Mapping[str, Counter[str]], sides: Mapping[str, str]
    ) -> tuple[str, ...]:
        notes: list[str] = []
        if len(counts) == 1:
            ((column, texts),) = counts.items()
            notes += left_out(len(store) - texts.total(), column)
        for side, what in (
            ("unknown", f"not in {self.tree.info.name}"),
            ("both", "of several taxa, not all in the clade, and takes no row"),
        ):
            rows: Counter[str] = Counter()
            for texts in counts.values():
                rows.update({text: n for text, n in texts.items() if sides[text] == side})
            if rows:
                shown = ", ".join(repr(text[:60]) for text, _ in rows.most_common(NAMED))
                more = " ..." if len(rows) > NAMED else ""
                names = "1 name is" if len(rows) == 1 else f"{len(rows):,} names are"
                notes.append(f"{names} {what} ({rows.total():,} times in the index): {shown}{more}")
        return tuple(notes)
