"""How probabilities of taxa become answers: as labels, at a rank, in bins, or where one is sure.

An answer is prepared once for the labels of a job and then asked for each batch of images.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fieldguide.errors import UsageError
from fieldguide.taxonomy.at_rank import partition_at
from fieldguide.zeroshot.taxon_groups import Groups

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.taxonomy.prune import Pruned
    from fieldguide.taxonomy.tree import Tree
    from fieldguide.zeroshot.choices import Chooser

USUAL_TOP = 5
OTHER = "other"


class TaxonAnswer(Protocol):
    """How to answer."""

    def prepare(self, pruned: Pruned) -> Chooser:
        """Return the answer for the labels of a job.

        Raises:
            UsageError: the tree has no such rank, or no label fits.
        """
        ...


@dataclass(frozen=True)
class Leaves:
    """The likeliest labels themselves.

    Attributes:
        top: at most how many.
        threshold: below this best probability "none of these" comes first.
    """

    top: int = USUAL_TOP
    threshold: float = 0.0

    def prepare(self, pruned: Pruned) -> Chooser:
        """Return the answer for the labels of a job."""
        return Groups.of_taxa(pruned.tree, pruned.labels, self.top, self.threshold)


@dataclass(frozen=True)
class AtRank:
    """The likeliest taxa of a rank; a taxon's probability is the sum of its labels'.

    A label whose lineage has no taxon of that rank is not lost: see
    :func:`~fieldguide.taxonomy.at_rank.partition_at`.

    Attributes:
        rank: such as "family".
        top: at most how many.
        threshold: below this best probability "none of these" comes first.
    """

    rank: str
    top: int = USUAL_TOP
    threshold: float = 0.0

    def prepare(self, pruned: Pruned) -> Chooser:
        """Return the answer for the labels of a job.

        Raises:
            UsageError: the tree has no such rank.
        """
        require_rank(pruned.tree, self.rank)
        nodes = partition_at(pruned, self.rank)
        return Groups.of_taxa(pruned.tree, nodes, self.top, self.threshold)


@dataclass(frozen=True)
class IntoBins:
    """The user's own bins: each label falls into that of the narrowest taxon that has one.

    Attributes:
        bins: by taxa of the pruned tree.
        top: at most how many.
        threshold: below this best probability "none of these" comes first.
        other: the bin of labels without one.
    """

    bins: Mapping[int, str] = field(default_factory=dict)
    top: int = USUAL_TOP
    threshold: float = 0.0
    other: str = OTHER

    def prepare(self, pruned: Pruned) -> Chooser:
        """Return the answer for the labels of a job."""
        bins = self._bins_of(pruned)
        names = list(dict.fromkeys(bins))
        place = {name: number for number, name in enumerate(names)}
        groups = np.array([place[name] for name in bins], np.int64)
        return Groups(groups, tuple(names), None, self.top, self.threshold)

    def _bins_of(self, pruned: Pruned) -> list[str]:
        """Return the bin of each label."""
        found = []
        for label in pruned.labels:
            lineage = reversed(pruned.tree.lineage(int(label)))
            named = (self.bins[node] for node in lineage if node in self.bins)
            found.append(next(named, self.other))
        return found


def require_rank(tree: Tree, rank: str) -> None:
    """Raise UsageError unless a tree has a rank; those it has are named."""
    if rank not in tree.ranks:
        raise UsageError(
            f"The tree {tree.info.name!r} has no rank {rank!r}. It has: {', '.join(tree.ranks)}."
        )
