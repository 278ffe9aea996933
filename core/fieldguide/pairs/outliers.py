"""The last stage: pictures that a model does not take for pictures of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.errors import UsageError
from fieldguide.pairs.stages import Verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fieldguide.guides import Guide
    from fieldguide.pairs.pair import Pair
    from fieldguide.results import Prediction

SCORE = "domain_score"
EVERY_LABEL = 1_000_000


class OutlierStage:
    """Removes pictures that look more like other things than like the domain.

    The score of a picture is the probability that the guide gives to all texts of the domain
    together, against texts of other things. The guide may be any: a model that compares pictures
    with texts, or one with a probe as its adapter, a detector that was trained on examples
    (``fieldguide tune --method probe``), whose labels are then the texts.

    Args:
        guide: model and adapter.
        inside: texts of the domain.
        outside: texts of other things.
        threshold: the score from which on a picture is kept, 0 to 1.

    Attributes:
        provenance: of the scores: model, space, adapter; empty before there are any.

    Raises:
        UsageError: a text is missing or on both sides, or the threshold is no probability.
    """

    name = "outliers"

    def __init__(
        self, guide: Guide, inside: Sequence[str], outside: Sequence[str], threshold: float
    ) -> None:
        if not inside or not outside or set(inside) & set(outside):
            raise UsageError(
                "Say what pictures of the domain are and what others are: one text or more on "
                "each side, none on both."
            )
        if not 0 <= threshold <= 1:
            raise UsageError(f"The threshold {threshold} is not a probability. Give 0 to 1.")
        self._guide = guide
        self._inside, self._outside = tuple(inside), tuple(outside)
        self._threshold = threshold
        self.provenance: Mapping[str, Any] = {}

    def __call__(self, pairs: Sequence[Pair]) -> Verdicts:
        """Return the pairs with a low score, and the score of each."""
        if not pairs:
            return Verdicts({})
        predictions = self._guide.classify(
            [pair.item for pair in pairs],
            [*self._inside, *self._outside],
            templates=None if self._is_probe else ["{}"],
            top=EVERY_LABEL,
        )
        self.provenance = predictions.provenance
        removed, notes = {}, {}
        for place, row in enumerate(predictions):
            score = self._score(row)
            notes[place] = {SCORE: score}
            if not row.guesses:
                removed[place] = f"it was not scored: {row.reason}"
            elif score < self._threshold:
                best = next(g.label for g in row.guesses if g.label not in self._inside)
                removed[place] = f"score {score:.2f}; most like {best!r}"
        return Verdicts(removed, notes)

    @property
    def _is_probe(self) -> bool:
        adapter = self._guide.adapter
        return adapter is not None and adapter.classifier is not None

    def _score(self, row: Prediction) -> float:
        return sum(g.probability or 0.0 for g in row.guesses if g.label in self._inside)
