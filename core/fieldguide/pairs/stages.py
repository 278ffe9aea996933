"""A filter of pairs: stages one after the other, each of which says what to remove and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from fieldguide.results import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.pairs.pair import Pair

KEPT, REMOVED = "kept", "removed"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a stage says of N pairs.

    Attributes:
        removed: places of pairs to remove, with the reason.
        notes: what was found of a pair, by its place and the name of a column.
    """

    removed: Mapping[int, str]
    notes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


class Stage(Protocol):
    """One step of a filter."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    def __call__(self, pairs: Sequence[Pair]) -> Verdicts:
        """Return what is to go of the pairs that the stages before have left."""
        ...


@dataclass(frozen=True, slots=True)
class PairRow:
    """What became of one pair.

    Attributes:
        pair: the pair.
        stage: that removed it; empty for one that is kept.
        reason: why.
        notes: what was found of it.
    """

    pair: Pair
    stage: str = ""
    reason: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageCount:
    """How many pairs came to a stage, and how many it removed."""

    stage: str
    before: int
    removed: int


class PairReport(Rows[PairRow]):
    """What became of every pair, in their order.

    Attributes:
        counts: of every stage, in their order; what they removed and what is kept make the input.
    """

    kind = "pairs"

    def __init__(
        self,
        rows: Sequence[PairRow],
        counts: Sequence[StageCount],
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__(rows, provenance)
        self.counts = tuple(counts)

    @property
    def kept(self) -> list[PairRow]:
        """The rows that no stage removed."""
        return [row for row in self if not row.stage]

    def records(self) -> list[dict[str, Any]]:
        """Return path, status, stage and reason of every pair, and what was found of it."""
        return [
            {
                "path": row.pair.item.name,
                "status": REMOVED if row.stage else KEPT,
                "stage": row.stage,
                "reason": row.reason,
                **row.notes,
            }
            for row in self
        ]


def run_stages(
    pairs: Sequence[Pair], stages: Sequence[Stage], provenance: Mapping[str, Any]
) -> PairReport:
    """Return what becomes of pairs: each stage sees what those before have left.

    Args:
        pairs: all of them.
        stages: cheap ones first.
        provenance: of the report; the counts of the stages are added.
    """
    rows = [PairRow(pair) for pair in pairs]
    left = list(range(len(pairs)))
    counts = []
    for stage in stages:
        found = stage([pairs[place] for place in left])
        for number, place in enumerate(left):
            notes = {**rows[place].notes, **found.notes.get(number, {})}
            reason = found.removed.get(number)
            rows[place] = PairRow(
                pairs[place], "" if reason is None else stage.name, reason or "", notes
            )
        counts.append(StageCount(stage.name, len(left), len(found.removed)))
        left = [place for number, place in enumerate(left) if number not in found.removed]
    facts = {count.stage: {"before": count.before, "removed": count.removed} for count in counts}
    return PairReport(rows, counts, {**provenance, "stages": facts, "kept": len(left)})
