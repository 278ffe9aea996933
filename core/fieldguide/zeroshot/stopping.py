"""An answer as narrow as one can be sure of: a species, else its genus, family, order ...

Of all taxa whose probability reaches the wanted confidence, the narrowest is the answer; the
probability of a taxon is the sum of those of its species. Deng et al. 2012, "Hedging Your Bets:
Optimizing Accuracy-Specificity Trade-offs in Large Scale Visual Recognition" (CVPR), section 4,
has the same rule with a threshold on the posterior. The confidence holds as far as the
probabilities are calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import UsageError
from fieldguide.taxonomy.node_sums import NodeSums
from fieldguide.taxonomy.tree import UNRANKED
from fieldguide.zeroshot.choices import Choice
from fieldguide.zeroshot.classifier import NONE_OF_THESE
from fieldguide.zeroshot.taxon_answers import require_rank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.taxonomy.prune import Pruned
    from fieldguide.zeroshot.choices import Chooser
    from fieldguide.zeroshot.label_scores import LabelScores


@dataclass(frozen=True)
class StopWhereSure:
    """The narrowest taxon whose probability reaches a confidence.

    A taxon that holds all labels is never an answer: that it is one of them was said beforehand.
    Where no other taxon reaches the confidence the answer is "none of these".

    Attributes:
        confidence: 0.5 to 1; below it two taxa side by side could both reach it.
        finest: no answer is narrower than this rank; None for no such bound.
    """

    confidence: float
    finest: str | None = None

    def __post_init__(self) -> None:
        """Refuse a confidence at which an answer is not one.

        Raises:
            UsageError: it is not within 0.5 and 1.
        """
        if not 0.5 <= self.confidence <= 1:
            raise UsageError(
                f"A confidence of {self.confidence:g} is not between 0.5 and 1: below 0.5 two "
                "taxa side by side could both be the answer. Give one such as 0.8."
            )

    def prepare(self, pruned: Pruned) -> Chooser:
        """Return the answer for the labels of a job.

        Raises:
            UsageError: the tree has no such rank.
        """
        if self.finest is not None:
            require_rank(pruned.tree, self.finest)
        return Descent(pruned, self.confidence, self.finest)


@dataclass(frozen=True, eq=False)
class Column:
    """The probabilities of all taxa for one image, looked up as they are asked for."""

    add: NodeSums
    scores: LabelScores
    sums: NDArray[np.float32]
    image: int

    def __getitem__(self, nodes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return (M,) probabilities of M taxa."""
        one = slice(self.image, self.image + 1)
        weights = self.add.pick(nodes, self.scores.weights[:, one], self.sums[:, one])
        return np.asarray(weights[:, 0].astype(np.float64) / self.scores.totals[self.image])

    def of(self, node: int) -> float:
        """Return the probability of one taxon."""
        return float(self[np.array([node])][0])


@dataclass(frozen=True, eq=False)
class Descent:
    """Goes down the tree from taxon to likeliest child as long as that one is sure enough."""

    pruned: Pruned
    confidence: float
    finest: str | None

    @property
    def top(self) -> int:
        """How many labels must be ranked for it."""
        return 1

    def choose(self, scores: LabelScores, plain: LabelScores | None) -> list[tuple[Choice, ...]]:
        """Return one choice for each of N images."""
        taxa = self._columns(scores)
        before = [None] * len(taxa) if plain is None else self._columns(plain)
        return [(self._descend(*both),) for both in zip(taxa, before, strict=True)]

    def _columns(self, scores: LabelScores) -> list[Column]:
        sums = self._sums(scores.weights)
        return [Column(self._sums, scores, sums, image) for image in range(len(scores.totals))]

    @cached_property
    def _sums(self) -> NodeSums:
        return NodeSums(self.pruned)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The widest taxa that may be answers: the first that do not hold all labels."""
        tree = self.pruned.tree
        level = tree.roots
        while len(level) == 1 and self._sums.labels_at[level[0]] < 0:
            level = tree.children(level[0])
        return np.array(level, np.int64)

    @cached_property
    def _known_children(self) -> dict[int, NDArray[np.int64]]:
        return {}

    def _children(self, node: int) -> NDArray[np.int64]:
        if node not in self._known_children:
            children = self.pruned.tree.children(node)
            self._known_children[node] = np.array(children, np.int64)
        return self._known_children[node]

    def _descend(self, taxa: Column, before: Column | None) -> Choice:
        tree = self.pruned.tree
        reached: int | None = None
        level = self._starts
        best = None
        while len(level):
            best = int(level[taxa[level].argmax()])
            if taxa.of(best) < self.confidence or self._too_fine(best):
                break
            reached, level, best = best, self._children(best), None
        why = self._why(reached, best, taxa)
        if reached is None:
            return Choice(None, NONE_OF_THESE, None, why=why)
        plain = None if before is None else before.of(reached)
        return Choice(reached, tree.name_of(reached), taxa.of(reached), plain, why)

    def _too_fine(self, node: int) -> bool:
        if self.finest is None:
            return False
        code = int(self.pruned.tree.rank_codes[node])
        return code != UNRANKED and code > self.pruned.tree.ranks.index(self.finest)

    def _why(self, reached: int | None, best: int | None, taxa: Column) -> str:
        """Return in one line why the answer is no narrower."""
        if best is None:
            return f"the narrowest taxon; sure enough for {self.confidence:g}"
        if self._too_fine(best) and taxa.of(best) >= self.confidence:
            return f"no narrower than {self.finest} was asked for"
        tree = self.pruned.tree
        where = "at the top" if reached is None else f"at {tree.rank_of(reached) or 'this taxon'}"
        what = f"{tree.rank_of(best)} {tree.name_of(best)}".strip()
        share = _below(taxa.of(best), self.confidence)
        return f"stopped {where}: the best below, {what}, has {share}"


def _below(share: float, bound: float) -> str:
    """Return that a share is below a bound, with the digits that it takes to see it.

    >>> _below(0.55, 0.8), _below(0.5961, 0.6)
    ('0.55 < 0.8', '0.596 < 0.6')
    """
    digits = next((n for n in range(2, 9) if float(f"{share:.{n}f}") < bound), 9)
    return f"{share:.{digits}f} < {bound:g}"
