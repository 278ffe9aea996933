"""How far down a tree answers are right: at each confidence, and always at a rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.benchmarks.intervals import Counts, Interval
from fieldguide.results import Result
from fieldguide.taxonomy.tree import UNRANKED
from fieldguide.zeroshot.label_scores import scores_of
from fieldguide.zeroshot.stopping import StopWhereSure
from fieldguide.zeroshot.taxon_answers import AtRank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.benchmarks.taxa_scores import ScoredTaxa
    from fieldguide.taxonomy.tree import Tree
    from fieldguide.zeroshot.choices import Choice
    from fieldguide.zeroshot.taxon_answers import TaxonAnswer

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
NONE = -1
ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class TaxaFigures:
    """One rule, looked at from one rank.

    Attributes:
        rule: "confidence 0.8", or "always order".
        rank: only answers of this rank or a narrower one count as given.
        answered: how many rows have such an answer, of those whose true taxon is known so far
            down: a label "bird" says nothing of families.
        coverage: their share of those.
        right: share of those answers that the true taxon is or belongs to.
        mean_depth: of those answers, how many ranks they name; NaN where there are none.
    """

    rule: str
    rank: str
    answered: int
    coverage: Interval
    right: Interval
    mean_depth: float


@dataclass(frozen=True, slots=True)
class TaxaEvaluation(Result):
    """What a labelled manifest says of answers in a tree.

    Attributes:
        figures: of each rule and rank.
        rows: how many rows were judged.
        groups: in how many groups.
        unjudged: how many were not scored or have a label that the tree does not have.
    """

    kind = "taxa_evaluation"

    figures: tuple[TaxaFigures, ...]
    rows: int
    groups: int
    unjudged: int
    provenance: Mapping[str, Any]

    def records(self) -> list[dict[str, Any]]:
        """Return one row a rule and rank."""
        return [
            {
                "rule": one.rule,
                "rank": one.rank,
                "answered": one.answered,
                "coverage": one.coverage.value,
                "right": one.right.value,
                "right_low": one.right.low,
                "right_high": one.right.high,
                "mean_depth": one.mean_depth,
            }
            for one in self.figures
        ]


def evaluate_taxa(
    scored: ScoredTaxa,
    probabilities: NDArray[np.floating],
    refused: NDArray[np.bool_] | None = None,
    confidences: Sequence[float] = CONFIDENCES,
) -> TaxaEvaluation:
    """Return how often answers are given and right.

    Args:
        scored: the rows.
        probabilities: (N, C) of the labels.
        refused: (N,) rows of which "none of these" is said whatever the probabilities.
        confidences: at which answers stop.
    """
    tree = scored.taxa.tree
    depths = _depths(tree)
    ranks = [rank for code, rank in enumerate(tree.ranks) if (tree.rank_codes == code).any()]
    stops = {f"confidence {value:g}": StopWhereSure(value) for value in confidences}
    always = {f"always {rank}": AtRank(rank, top=1) for rank in ranks}
    figures = []
    for rule, answer in (stops | always).items():
        nodes = _answers(scored, answer, probabilities)
        if refused is not None and rule in stops:
            nodes[refused] = NONE
        judged = ranks if rule in stops else [rule.removeprefix("always ")]
        figures += [_figures(scored, rule, rank, nodes, depths) for rank in judged]
    return TaxaEvaluation(
        tuple(figures),
        rows=len(scored.truth),
        groups=len(set(scored.groups)),
        unjudged=len(scored.failed) + sum(scored.unknown.values()),
        provenance=scored.provenance,
    )


def _answers(
    scored: ScoredTaxa, answer: TaxonAnswer, probabilities: NDArray[np.floating]
) -> NDArray[np.int32]:
    """Return (N,) the taxon that is the answer for each row; -1 for none."""
    chooser = answer.prepare(scored.taxa.pruned)
    chosen: list[tuple[Choice, ...]] = []
    for start in range(0, len(probabilities), ROWS_AT_ONCE):
        shares = np.maximum(probabilities[start : start + ROWS_AT_ONCE], np.finfo(np.float32).tiny)
        chosen += chooser.choose(scores_of(np.log(shares), chooser.top), None)
    return np.array([NONE if one.node is None else one.node for one, *_ in chosen], np.int32)


def _figures(
    scored: ScoredTaxa, rule: str, rank: str, nodes: NDArray[np.int32], depths: NDArray[np.int8]
) -> TaxaFigures:
    tree, codes = scored.taxa.tree, _codes(scored.taxa.tree)
    code = tree.ranks.index(rank)
    judged = scored.narrower | (codes[scored.truth] >= code)
    given = nodes != NONE
    given[given] = codes[nodes[given]] >= code
    given &= judged
    right = given & _holds(scored, nodes)
    counts = np.stack([right, given, judged], axis=1).astype(np.float64)

    def share_right(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return sums[:, 0] / sums[:, 1]

    def share_given(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return sums[:, 1] / sums[:, 2]

    nowhere = Interval(float("nan"), float("nan"), float("nan"))
    return TaxaFigures(
        rule,
        rank,
        answered=int(given.sum()),
        coverage=Counts(counts, scored.groups, share_given).interval() if judged.any() else nowhere,
        right=Counts(counts, scored.groups, share_right).interval() if given.any() else nowhere,
        mean_depth=float(depths[nodes[given]].mean()) if given.any() else float("nan"),
    )


def _holds(scored: ScoredTaxa, nodes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return (N,) whether each answer is or holds the true taxon, or is not known to be wrong."""
    ends, truth = scored.taxa.tree.ends, scored.truth
    holds = (truth >= nodes) & (truth < ends[nodes])
    inside = (nodes >= truth) & (nodes < ends[truth]) & (truth >= 0)
    return holds | (inside & ~scored.narrower)


def _codes(tree: Tree) -> NDArray[np.int8]:
    """Return (M,) the rank of each taxon; where it has none, that of the nearest one above."""
    codes = tree.rank_codes.copy()
    for node in np.flatnonzero(codes == UNRANKED):  # parents come first
        above = tree.parents[node]
        codes[node] = codes[above] if above >= 0 else UNRANKED
    return codes


def _depths(tree: Tree) -> NDArray[np.int8]:
    """Return (M,) how many ranks the lineage of each taxon names."""
    depths: NDArray[np.int8] = (tree.rank_codes != UNRANKED).astype(np.int8)
    for node in range(len(tree)):
        if tree.parents[node] >= 0:
            depths[node] += depths[tree.parents[node]]
    return depths
