"""Splits into train, val and test where a manifest has none: by group, stratified, seeded."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRAIN = "train"
VAL = "val"
TEST = "test"
SPLITS = (TRAIN, VAL, TEST)

VAL_FRACTION = 0.15
TEST_FRACTION = 0.2

NAMES: Mapping[str, str] = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "dev": VAL,
    "test": TEST,
    "testing": TEST,
}
"""What manifests write for a split, in lower case."""


@dataclass
class _Part:
    """A split that is being filled.

    Attributes:
        wanted: rows of each label that it should have.
        has: rows of each label that it has.
    """

    name: str
    wanted: dict[str, float]
    has: Counter[str]

    def gain(self, group: Mapping[str, int]) -> float:
        """Return how much nearer to what is wanted a group's rows bring this split.

        The fall of the sum over labels of (wanted - has)^2 / wanted, as Pearson's statistic has it.
        """
        fall = 0.0
        for label, count in group.items():
            missing = self.wanted[label] - self.has[label]
            fall += (missing**2 - (missing - count) ** 2) / max(self.wanted[label], 1e-9)
        return fall


def make_splits(
    labels: Sequence[str],
    groups: Sequence[str],
    fractions: Mapping[str, float],
    seed: int,
) -> list[str]:
    """Divide rows so that each split has its share of every label and no group is divided.

    Groups are taken in random order, the largest first; each goes to the split that it brings
    nearest to its share (the greedy idea of Sechidis et al. 2011, "On the Stratification of
    Multi-label Data", with rows of one group kept together). The first split has a group of every
    label before any other gets one.

    Args:
        labels: of N rows; "" is a label as any other here.
        groups: of N rows; rows of the same group stay together.
        fractions: share of each split by name, which sum to 1; the first is what is trained with.
        seed: of the random order.

    Returns:
        N names of splits; the same for the same rows in whatever order.

    >>> rows = make_splits(["a"] * 4, ["x", "x", "y", "z"], {"train": 0.5, "test": 0.5}, seed=0)
    >>> rows[0] == rows[1], sorted(rows)
    (True, ['test', 'test', 'train', 'train'])
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        counts[group][label] += 1
    total = Counter(labels)
    parts = [
        _Part(name, {label: share * n for label, n in total.items()}, Counter())
        for name, share in fractions.items()
    ]
    names = sorted(counts)
    order = np.random.default_rng(seed).permutation(len(names))
    shuffled = [names[place] for place in order]
    split_of: dict[str, str] = {}
    for group in sorted(shuffled, key=lambda name: -sum(counts[name].values())):
        new = not set(counts[group]) <= set(parts[0].has)
        best = parts[0] if new else max(parts, key=lambda part: part.gain(counts[group]))
        best.has.update(counts[group])
        split_of[group] = best.name
    return [split_of[group] for group in groups]
