"""Predictions along the tree of their taxa, with counts for each rank."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fieldguide.data.manifest_windows import BOX_COLUMNS
from fieldguide.results import NONE_OF_THESE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fieldguide.results import Prediction
    from fieldguide.taxonomy.taxon import Taxon


@dataclass
class TaxonGroup:
    """A taxon with what was named so or narrower.

    Attributes:
        rank: empty where it has none.
        common_name: empty where no answer brought one.
        count: rows of it and of all that belongs to it.
        own: rows that were named so and no narrower.
        rows: those of its own that a page shows.
    """

    name: str
    rank: str
    common_name: str = ""
    count: int = 0
    own: int = 0
    rows: list[Prediction] = field(default_factory=list)
    inside: dict[tuple[str, str], TaxonGroup] = field(default_factory=dict)

    @property
    def children(self) -> list[TaxonGroup]:
        """What belongs to it, the commonest first."""
        return sorted(self.inside.values(), key=lambda group: (-group.count, group.name))

    def add(self, prediction: Prediction, taxon: Taxon, *, shown: bool) -> None:
        """Count a prediction for a taxon and for all that it belongs to."""
        group = self
        group.count += 1
        for rank, name in _steps(taxon):
            group = group.inside.setdefault((rank, name), TaxonGroup(name, rank))
            group.count += 1
        group.common_name = group.common_name or taxon.common_name
        group.own += 1
        if shown:
            group.rows.append(prediction)


def _steps(taxon: Taxon) -> tuple[tuple[str, str], ...]:
    """Return the lineage with the taxon itself, which has no place in it where it has no rank."""
    own = (taxon.rank, taxon.name)
    return taxon.lineage if own in taxon.lineage else (*taxon.lineage, own)


def group_by_taxon(rows: Iterable[Prediction], max_shown: int) -> TaxonGroup:
    """Return the root of the taxa of the best guesses; rows without a taxon are not in it.

    Args:
        rows: predictions.
        max_shown: how many of them are kept to be shown; all are counted.
    """
    root = TaxonGroup("", "")
    for prediction in rows:
        taxon = prediction.guesses[0].taxon if prediction.guesses else None
        if taxon is not None:
            root.add(prediction, taxon, shown=root.count < max_shown)
    return root


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with several crops, and what was named how often."""

    path: str
    counts: tuple[tuple[str, int], ...]
    boxes: str

    @property
    def words(self) -> str:
        """Such as ``2 x red deer, 1 x wild boar``."""
        return ", ".join(f"{count} \u00d7 {name}" for name, count in self.counts)


def several_in_one(rows: Sequence[Prediction]) -> list[Picture]:
    """Return the pictures of which several boxes were looked at."""
    crops: dict[str, list[Prediction]] = {}
    for row in rows:
        if BOX_COLUMNS[2] in row.metadata:  # its number
            crops.setdefault(row.path, []).append(row)
    return [_picture(path, each) for path, each in crops.items() if len(each) > 1]


def _picture(path: str, rows: Sequence[Prediction]) -> Picture:
    names = Counter(map(_name, rows))
    boxes = Counter(str(row.metadata.get(BOX_COLUMNS[0], "")) or "box" for row in rows)
    told = ", ".join(f"{count} \u00d7 {label}" for label, count in boxes.most_common())
    return Picture(path, tuple(names.most_common()), told)


def _name(row: Prediction) -> str:
    if not row.guesses or row.guesses[0].label == NONE_OF_THESE:
        return "not named"
    best = row.guesses[0]
    return (best.taxon.common_name if best.taxon else "") or best.label
