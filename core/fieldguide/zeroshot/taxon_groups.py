"""Labels in groups, whose probabilities are sums; the likeliest groups are the answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from fieldguide.taxonomy.group_sums import GroupSums
from fieldguide.zeroshot.choices import Choice
from fieldguide.zeroshot.classifier import NONE_OF_THESE
from fieldguide.zeroshot.top_places import top_places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree
    from fieldguide.zeroshot.label_scores import LabelScores


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

    def choose(self, scores: LabelScores, plain: LabelScores | None) -> list[tuple[Choice, ...]]:
        """Return the likeliest groups of N images; equal ones in the order of the groups."""
        sums = self._sums(scores)
        if self._are_labels:
            places = scores.top[:, : self.top]
        else:
            places = top_places(torch.from_numpy(sums), self.top).numpy()
        found = scores.picked(places, sums)
        before = None if plain is None else plain.picked(places, self._sums(plain))
        return [
            self._said(places[row], found[row], None if before is None else before[row])
            for row in range(len(places))
        ]

    @cached_property
    def _are_labels(self) -> bool:
        return np.array_equal(self.groups, np.arange(len(self.names)))

    @cached_property
    def _add(self) -> GroupSums:
        return GroupSums(self.groups, len(self.names))

    def _sums(self, scores: LabelScores) -> NDArray[np.float32]:
        """Return (G, N) weights of the groups."""
        return scores.weights if self._are_labels else self._add(scores.weights)

    def _said(
        self,
        places: NDArray[np.int64],
        found: NDArray[np.float32],
        before: NDArray[np.float32] | None,
    ) -> tuple[Choice, ...]:
        """Return what is said of one image: (K,) groups and their probabilities, best first."""
        choices = tuple(
            Choice(
                None if self.nodes is None else int(self.nodes[place]),
                self.names[place],
                float(found[rank]),
                None if before is None else float(before[rank]),
            )
            for rank, place in enumerate(places)
        )
        if float(found[0]) < self.threshold:
            why = f"no answer reaches {self.threshold:g}"
            return (Choice(None, NONE_OF_THESE, None, why=why), *choices)
        return choices
