"""When to say "none of these": a bound whose false alarms were counted on pictures of none of them.

The score of a picture is its highest cosine with a label; Ming et al. 2022, "Delving into
Out-of-Distribution Detection with Vision-Language Representations" (arXiv:2211.13445), compare it
with others. The bound is a conformal quantile: of new pictures like those it was fitted on, at most
the share asked for lies above it, in the mean over such fits (Vovk et al. 2005, "Algorithmic
Learning in a Random World"). What was measured on pictures that took no part stands beside it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy.stats import binomtest

from fieldguide.errors import UsageError
from fieldguide.specs import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NoneRule(Record):
    """Below the bound a picture shows none of the labels.

    Attributes:
        bound: of the highest cosine.
        wanted: share of pictures of none of the labels that may be named by mistake.
        fitted_on: pictures that the bound was fitted on.
        measured_on: other such pictures, on which it was measured.
        false_alarms: how many of those were named by mistake.
        low: of the 95 % interval of their share (Clopper and Pearson 1934).
        high: of that interval.
        answered: share of the labelled pictures that are still named; None where there were none.
    """

    bound: float = Field(allow_inf_nan=False)
    wanted: float = Field(gt=0, lt=1)
    fitted_on: int = Field(ge=1)
    measured_on: int = Field(ge=1)
    false_alarms: int = Field(ge=0)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    answered: float | None = Field(default=None, ge=0, le=1)

    @property
    def rate(self) -> float:
        """The share of pictures of none of the labels that were named by mistake."""
        return self.false_alarms / self.measured_on

    def why(self, score: float) -> str:
        """Return why a picture with a score below the bound is none of the labels."""
        return (
            f"like none of them: best similarity {score:.3f} < {self.bound:.3f}, above which "
            f"{self.false_alarms} of {self.measured_on} pictures of other things came"
        )


def fit_none_rule(
    nulls: NDArray[np.floating], labelled: NDArray[np.floating], wanted: float, *, seed: int = 0
) -> NoneRule:
    """Return the bound of one half of the pictures of other things, measured on the other half.

    Args:
        nulls: (K,) highest cosines of pictures that show none of the labels.
        labelled: (N,) those of pictures that show one.
        wanted: share of false alarms, 0 to 1.
        seed: of the halves.

    Raises:
        UsageError: there are too few pictures for such a share.
    """
    if not 0 < wanted < 1:
        raise UsageError(f"A share of false alarms of {wanted:g} is not between 0 and 1.")
    order = np.random.default_rng(seed).permutation(len(nulls))
    mine, others = np.sort(nulls[order[::2]]), nulls[order[1::2]]
    place = math.ceil((len(mine) + 1) * (1 - wanted))
    if place > len(mine) or not len(others):
        needed = 2 * math.ceil(1 / wanted - 1)
        raise UsageError(
            f"{len(nulls)} pictures of other things are too few for {wanted:.0%} false alarms: "
            f"{needed} or more are needed. Add some, or ask for a larger share: --false-alarms."
        )
    bound = float(np.nextafter(mine[place - 1], np.inf))
    alarms = int((others >= bound).sum())
    interval = binomtest(alarms, len(others)).proportion_ci()
    return NoneRule(
        bound=bound,
        wanted=wanted,
        fitted_on=len(mine),
        measured_on=len(others),
        false_alarms=alarms,
        low=float(interval.low),
        high=float(interval.high),
        answered=float((labelled >= bound).mean()) if len(labelled) else None,
    )
