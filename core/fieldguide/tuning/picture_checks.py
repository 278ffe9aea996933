"""Checks of the pictures themselves: copies, near duplicates, and what cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.tuning.findings import NOTE, STOP, WARN, Finding, counted, some
from fieldguide.tuning.near_duplicates import RADIUS_BITS, nearest_matches
from fieldguide.tuning.splits import SPLITS, TRAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fieldguide.tuning.examples import Examples
    from fieldguide.tuning.fingerprints import Fingerprints

TOGETHER = (
    "Put them into one split, or leave the split column out so that splits are made which keep "
    "them together."
)


@dataclass(frozen=True)
class Twins:
    """Pairs of pictures in different splits.

    Attributes:
        rows: (P,) of val and test.
        others: (P,) one of an earlier split for each, train before val.
    """

    rows: NDArray[np.int64]
    others: NDArray[np.int64]

    def named(self, examples: Examples) -> str:
        """Return the first pairs in words."""
        names = [item.name for item in examples.items]
        return some([f"{names[row]} = {names[other]}" for row, other in self._pairs()])

    def counts(self, examples: Examples) -> dict[str, int]:
        """Return how many rows of each held-out split have a twin in each earlier one."""
        splits = examples.splits
        pairs = [f"{splits[row]} in {splits[other]}" for row, other in self._pairs()]
        return {name: pairs.count(name) for name in sorted(set(pairs))}

    def _pairs(self) -> list[tuple[int, int]]:
        return list(zip(self.rows.tolist(), self.others.tolist(), strict=True))


def check_readable(examples: Examples, fingerprints: Fingerprints | None) -> Iterator[Finding]:
    """Yield rows and files that cannot be used."""
    faults = examples.faults
    if faults:
        name, reason = faults[0]
        yield Finding(
            WARN, "left_out",
            f"{counted(len(faults), 'row')} of the manifest were left out; the first is {name}: "
            f"{reason}",
        )  # fmt: skip
    if fingerprints is None:
        yield Finding(
            NOTE, "not_looked_at", "The pictures were not compared: copies in two splits, if there "
            "are any, were not found.",
        )  # fmt: skip
        return
    if fingerprints.unreadable:
        _, name, reason = fingerprints.unreadable[0]
        unread = {row for row, _, _ in fingerprints.unreadable}
        train = set(examples.rows(TRAIN).tolist())
        yield Finding(
            STOP if train and train <= unread else WARN, "unreadable",
            f"{counted(len(unread), 'picture')} cannot be read; the first is {name}: {reason}",
            "They are not used.",
        )  # fmt: skip
    plain = fingerprints.one_colour
    if plain:
        names = [examples.items[row].name for row in plain]
        yield Finding(
            WARN, "one_colour", f"{counted(len(plain), 'picture')} show one colour only: "
            f"{some(names)}.", "Look at them, and take them out if they are broken.",
        )  # fmt: skip


def check_twins(examples: Examples, fingerprints: Fingerprints) -> Iterator[Finding]:
    """Yield pictures that are in two splits, and equal files with different labels."""
    copies, near = exact_twins(examples, fingerprints), near_twins(examples, fingerprints)
    if len(copies.rows):
        yield Finding(
            WARN, "copies", f"{counted(len(copies.rows), 'picture')} of val and test are copies, "
            f"byte for byte, of one in an earlier split: {copies.named(examples)}.", TOGETHER,
        )  # fmt: skip
    if len(near.rows):
        yield Finding(
            WARN, "near_duplicates",
            f"{counted(len(near.rows), 'picture')} of val and test look like one in an earlier "
            f"split, maybe mirrored or turned: {near.named(examples)}.", TOGETHER,
        )  # fmt: skip
    firsts = fingerprints.first_copies
    labels = examples.labels
    differing = [
        row for row, first in enumerate(firsts.tolist())
        if labels[row] and labels[first] and labels[row] != labels[first]
    ]  # fmt: skip
    if differing:
        row, first = differing[0], int(firsts[differing[0]])
        yield Finding(
            WARN, "two_labels", f"{counted(len(differing), 'file')} have the bytes of one with "
            f"another label: {examples.items[row].name} is {labels[row]!r}, "
            f"{examples.items[first].name} is {labels[first]!r}.", "Correct one of each.",
        )  # fmt: skip
    repeated = int((firsts != np.arange(len(firsts))).sum())
    if repeated > len(copies.rows):
        yield Finding(
            NOTE, "repeated", f"{counted(repeated, 'file')} in all are copies of an earlier row.",
        )  # fmt: skip


def exact_twins(examples: Examples, fingerprints: Fingerprints) -> Twins:
    """Return held-out pictures whose bytes are in an earlier split as well."""
    seen: dict[int, int] = {}
    rows, others = [], []
    for name in SPLITS:
        members = examples.rows(name).tolist()
        for row in members:
            other = seen.get(int(fingerprints.first_copies[row]))
            if other is not None:
                rows.append(row)
                others.append(other)
        for row in members:
            seen.setdefault(int(fingerprints.first_copies[row]), row)
    return Twins(np.array(rows, dtype=np.int64), np.array(others, dtype=np.int64))


def near_twins(
    examples: Examples, fingerprints: Fingerprints, radius_bits: int = RADIUS_BITS
) -> Twins:
    """Return held-out pictures that look like one of an earlier split, without exact copies."""
    exact = set(exact_twins(examples, fingerprints).rows.tolist())
    rows: list[int] = []
    others: list[int] = []
    before = np.zeros(0, dtype=np.int64)
    for name in SPLITS:
        members = np.array(examples.rows(name).tolist(), dtype=np.int64)
        members = members[fingerprints.has_look[members]]
        asked = np.array([row for row in members.tolist() if row not in exact], dtype=np.int64)
        if len(before) and len(asked):
            hashes = fingerprints.hashes
            found = nearest_matches(hashes[asked], hashes[before, 0], radius_bits)
            near = found.places >= 0
            rows.extend(asked[near].tolist())
            others.extend(before[found.places[near]].tolist())
        before = np.concatenate([before, members])
    return Twins(np.array(rows, dtype=np.int64), np.array(others, dtype=np.int64))


def picture_figures(examples: Examples, fingerprints: Fingerprints) -> dict[str, Any]:
    """Return counts of what is found in the pictures, as plain values."""
    return {
        "copies_across_splits": exact_twins(examples, fingerprints).counts(examples),
        "near_duplicates_across_splits": near_twins(examples, fingerprints).counts(examples),
        "unreadable": len(fingerprints.unreadable),
    }
