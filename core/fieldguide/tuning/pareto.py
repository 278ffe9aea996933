"""Which strength of an adapter to use: points of gain and cost, and rules that pick one.

Between a model and its tuned form lies a line of weight-space ensembles (Wortsman et al. 2022,
"Robust fine-tuning of zero-shot models", arXiv:2109.01903; Castro and Heilbron 2022, "FitCLIP",
arXiv:2203.13371). Along it the domain's score rises and the general one falls, often with a point
that is better on average than both ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fieldguide.errors import UsageError


@dataclass(frozen=True, slots=True)
class Point:
    """One strength with its scores, both 0 to 1 and higher is better.

    Attributes:
        domain: score on the domain.
        general: score on what the base was made for.
        general_loss: the largest loss against the base on any general suite; negative is gain.
    """

    strength: float
    domain: float
    general: float
    general_loss: float = 0.0


Rule = Callable[[Sequence[Point]], Point]
"""Picks one of the points."""


def pareto_front(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points than which none is better in one score and no worse in the other.

    Sorted by strength. Of points with equal scores all stay.
    """
    kept = [p for p in points if not any(_dominates(other, p) for other in points)]
    return tuple(sorted(kept, key=lambda point: point.strength))


def _dominates(one: Point, other: Point) -> bool:
    no_worse = one.domain >= other.domain and one.general >= other.general
    return no_worse and (one.domain > other.domain or one.general > other.general)


@dataclass(frozen=True, slots=True)
class WithinLoss:
    """Pick the best domain score whose general loss stays within a bound.

    Attributes:
        max_loss: fraction; 0.02 allows two points of a score in percent.
    """

    max_loss: float

    def __post_init__(self) -> None:
        """Refuse a bound that even the base would break.

        Raises:
            UsageError: it is below 0 or above 1.
        """
        if not 0 <= self.max_loss <= 1:
            raise UsageError(f"The bound on the general loss is {self.max_loss}. Give 0 to 1.")

    def __call__(self, points: Sequence[Point]) -> Point:
        """Return the point; of equals the weaker one. The base itself always stays within."""
        allowed = [p for p in points if p.general_loss <= self.max_loss or p.strength == 0]
        return max(allowed, key=lambda point: (point.domain, -point.strength))

    def __str__(self) -> str:
        """Return the rule in words."""
        return (
            "the best score on the domain whose loss on every general suite is at most "
            f"{100 * self.max_loss:g} points"
        )


@dataclass(frozen=True, slots=True)
class BestMean:
    """Pick the best mean of both scores, as the papers do who fix no bound."""

    def __call__(self, points: Sequence[Point]) -> Point:
        """Return the point; of equals the weaker one."""
        return max(points, key=lambda p: (p.domain + p.general, -p.strength))

    def __str__(self) -> str:
        """Return the rule in words."""
        return "the best mean of the scores on the domain and on the general suites"


@dataclass(frozen=True, slots=True)
class Fixed:
    """Take the strength that the user named.

    Attributes:
        strength: one of those that were measured.
    """

    strength: float

    def __call__(self, points: Sequence[Point]) -> Point:
        """Return the point of this strength.

        Raises:
            UsageError: it was not measured.
        """
        for point in points:
            if point.strength == self.strength:
                return point
        known = ", ".join(f"{point.strength:g}" for point in points)
        raise UsageError(f"Strength {self.strength:g} was not measured; {known} were.")

    def __str__(self) -> str:
        """Return the rule in words."""
        return f"the strength {self.strength:g}, as it was asked for"
