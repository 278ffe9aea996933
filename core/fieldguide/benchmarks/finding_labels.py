"""True findings of a manifest: one column a finding, with 1, 0, -1 (uncertain) or blank.

What -1 means differs: "uncertain" in CheXpert's labels (Irvin et al. 2019, arXiv:1901.07031), "not
mentioned" in Merlin's table. So nothing is assumed: the user says what it counts as.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import bare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.zeroshot.class_sets import ClassSet

    Reading = Callable[[NDArray[np.float64]], NDArray[np.float64]]

UNCERTAIN = -1.0
_ALLOWED = (1.0, 0.0, UNCERTAIN)


def ignore(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return labels in which what is uncertain is not known (CheXpert's "U-Ignore")."""
    return np.where(values == UNCERTAIN, np.nan, values)


def as_positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return labels in which what is uncertain is there (CheXpert's "U-Ones")."""
    return np.where(values == UNCERTAIN, 1.0, values)


def as_negative(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return labels in which what is uncertain is not there (CheXpert's "U-Zeros")."""
    return np.where(values == UNCERTAIN, 0.0, values)


READINGS: Mapping[str, Reading] = {
    "ignore": ignore,
    "positive": as_positive,
    "negative": as_negative,
}
"""What a label of -1 may count as, by the word a user says."""


@dataclass(frozen=True)
class Truth:
    """The true findings of some rows.

    Attributes:
        labels: F findings that have a column.
        values: (N, F) 1 or 0, NaN where it is not known.
        uncertain: (F,) how many labels were -1.
        without_column: findings of the class set of which the manifest says nothing.
    """

    labels: tuple[str, ...]
    values: NDArray[np.float64]
    uncertain: NDArray[np.int64]
    without_column: tuple[str, ...]

    def among(self, labels: Sequence[str]) -> Truth:
        """Return the truth of some of these findings; the others count as not evaluated."""
        places = [self.labels.index(label) for label in labels]
        others = tuple(label for label in self.labels if label not in labels)
        return Truth(
            tuple(labels), self.values[:, places], self.uncertain[places],
            (*self.without_column, *others),
        )  # fmt: skip


def read_truth(
    rows: Sequence[Mapping[str, Any]], classes: ClassSet, uncertain: str | None
) -> Truth:
    """Return the true findings of N rows of a manifest.

    A column is a finding's when it has its label or an alias, written in any case and with any
    signs.

    Args:
        rows: of the manifest.
        classes: whose findings are looked for.
        uncertain: what -1 counts as, one of ``READINGS``; None when there is none.

    Raises:
        UsageError: no finding has a column, two columns are of one finding, a value is none of
            1, 0, -1 and blank, or there are labels of -1 and it is not said what they count as.
    """
    columns = _columns(rows, classes)
    known = [entry for entry in classes.classes if entry.label in columns]
    if not known:
        first = ", ".join(entry.label for entry in classes.classes[:3])
        raise UsageError(
            f"The manifest has no column of a finding of {classes.name}, such as {first}. Write "
            "one column a finding, with 1, 0, -1 or nothing in each row."
        )
    values = np.stack([_values(rows, columns[entry.label]) for entry in known], axis=1)
    doubted = (values == UNCERTAIN).sum(axis=0)
    if doubted.sum() and uncertain is None:
        raise UsageError(
            f"{int(doubted.sum())} labels are -1, which is uncertain in some data sets and not "
            "mentioned in others. Say what they count as: --uncertain ignore, positive or negative"
        )
    return Truth(
        labels=tuple(entry.label for entry in known),
        values=READINGS[uncertain or "ignore"](values),
        uncertain=doubted,
        without_column=tuple(e.label for e in classes.classes if e.label not in columns),
    )


def _columns(rows: Sequence[Mapping[str, Any]], classes: ClassSet) -> dict[str, str]:
    """Return the column of each finding that has one."""
    written: dict[str, set[str]] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        written.setdefault(bare(name), set()).add(name)
    found: dict[str, str] = {}
    for entry in classes.classes:
        mine = sorted(set().union(*(written.get(key, set()) for key in entry.written_names)))
        if len(mine) > 1:
            raise UsageError(
                f"The columns {mine[0]!r} and {mine[1]!r} are both of the finding {entry.label!r}. "
                "Leave one."
            )
        if mine:
            found[entry.label] = mine[0]
    return found


def _values(rows: Sequence[Mapping[str, Any]], column: str) -> NDArray[np.float64]:
    found = np.full(len(rows), np.nan)
    for place, row in enumerate(rows):
        value = row.get(column)
        if value is None or value == "":
            continue
        if isinstance(value, str) or value not in _ALLOWED:
            raise UsageError(
                f"Row {place + 1} has a {column!r} that is none of 1, 0, -1 and blank. Correct it."
            )
        found[place] = float(value)
    return found
