"""Labels in groups, whose probabilities are sums; the likeliest groups are the answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.zeroshot.choices import Choice
from fieldguide.zeroshot.classifier import NONE_OF_THESE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree


@dataclass(frozen=True, eq=False)
class Groups:
    """Each of C labels belongs to one of G groups.

    Attributes:
        groups: (C,) place of each label's group.
        names: (G,) of the groups.
        nodes: (G,) taxa that the groups are; None where they are none.
        top: at most how many groups are said.
        threshold: below this best probability "none of these" comes first.
    """

    groups: NDArray[np.int64]
    names: tuple[str, ...]
    nodes: NDArray[np.int32] | None
    top: int
    threshold: float

    @classmethod
    def of_taxa(cls, tree: Tree, nodes: NDArray[np.int32], top: int, threshold: float) -> Groups:
        """Return the groups of labels that have one taxon each: (C,) places in a tree."""
        taxa, groups = np.unique(nodes, return_inverse=True)
        names = tuple(tree.names.take(taxa).to_pylist())
        return cls(groups, names, taxa, top, threshold)

    def choose(
        self, probabilities: NDArray[np.floating], plain: NDArray[np.floating] | None
    ) -> list[tuple[Choice, ...]]:
        """Return the likeliest groups of N images; equal ones in the order of the groups."""
        sums = self._sums(probabilities)
        before = None if plain is None else self._sums(plain)
        return [
            self._said(row, None if before is None else before[place])
            for place, row in enumerate(sums)
        ]

    @cached_property
    def _order(self) -> NDArray[np.int64] | None:
        """Labels group by group; None where they stand so already."""
        if (np.diff(self.groups) >= 0).all():
            return None
        return np.argsort(self.groups, kind="stable")

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        counts = np.bincount(self.groups, minlength=len(self.names))
        return np.cumsum(counts) - counts

    def _sums(self, probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
        if len(self.names) == len(self.groups) and self._order is None:
            return probabilities
        ordered = probabilities if self._order is None else probabilities[:, self._order]
        return np.add.reduceat(ordered, self._starts, axis=1)

    def _said(
        self, sums: NDArray[np.floating], before: NDArray[np.floating] | None
    ) -> tuple[Choice, ...]:
        best = np.argsort(-sums, kind="stable")[: self.top]
        choices = tuple(
            Choice(
                None if self.nodes is None else int(self.nodes[place]),
                self.names[place],
                float(sums[place]),
                None if before is None else float(before[place]),
            )
            for place in best
        )
        if float(sums[best[0]]) < self.threshold:
            why = f"no answer reaches {self.threshold:g}"
            return (Choice(None, NONE_OF_THESE, None, why=why), *choices)
        return choices
