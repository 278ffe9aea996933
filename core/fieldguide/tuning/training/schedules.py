"""The learning rate of a step, as a share of its largest: a function of the step alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

ScheduleName = Literal["cosine", "linear", "constant"]
Schedule = Callable[[float], float]
"""From the share of steps behind the warm-up that are done, 0 to 1, to the share of the rate."""

SCHEDULES: Mapping[ScheduleName, Schedule] = {
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),  # Loshchilov and Hutter 2017
    "linear": lambda done: 1 - done,
    "constant": lambda done: 1.0,
}


def rate_share(step: int, steps: int, warmup_fraction: float, schedule: Schedule) -> float:
    """Return what the largest learning rate is multiplied by at a step, counted from 0.

    >>> [rate_share(step, 4, 0.5, SCHEDULES["linear"]) for step in range(4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    warmup = round(warmup_fraction * steps)
    if step < warmup:
        return (step + 1) / warmup
    return schedule((step - warmup) / max(1, steps - warmup))
