"""The split of every row: as the manifest says, and made where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.errors import UsageError
from fieldguide.tuning.splits import (
    NAMES,
    TEST,
    TEST_FRACTION,
    TRAIN,
    VAL,
    VAL_FRACTION,
    make_splits,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.tuning.rows import Columns, Row

ALL_THREE: Mapping[str, float] = {
    TRAIN: 1 - VAL_FRACTION - TEST_FRACTION,
    VAL: VAL_FRACTION,
    TEST: TEST_FRACTION,
}
TRAIN_AND_VAL: Mapping[str, float] = {TRAIN: 1 - VAL_FRACTION, VAL: VAL_FRACTION}


@dataclass(frozen=True)
class RowSplits:
    """The splits of N rows.

    Attributes:
        names: (N,) "train", "val" or "test".
        fractions: the splits that were made and their shares of the rows that were divided; empty
            when all were read.
        source: where they come from, in words.
    """

    names: tuple[str, ...]
    fractions: Mapping[str, float]
    source: str


def split_rows(rows: Sequence[Row], columns: Columns, seed: int) -> RowSplits:
    """Return the split of every row.

    A manifest without splits, or with train alone, is divided into three. One that has train and
    test, but no val, lends some of its train to val: the strength and length of a training are not
    chosen on the rows that are reported.

    Args:
        rows: N images.
        columns: which columns were read, for what is said of them.
        seed: of what is made.

    Raises:
        UsageError: a row has no or an unknown split, or no group, although others have.
    """
    _check_complete(rows, "group", columns.group)
    given = [_split_name(row, columns.split) for row in rows]
    present = set(given) - {""}
    if not present or present == {TRAIN}:
        made = divide([TRAIN] * len(rows), rows_labels(rows), rows_groups(rows), ALL_THREE, seed)
        return RowSplits(tuple(made), ALL_THREE, _words("made here", ALL_THREE, columns, seed))
    _check_complete(rows, "split", columns.split)
    source = f"column {columns.split!r}"
    if TRAIN not in present or VAL in present:
        return RowSplits(tuple(given), {}, source)
    made = divide(given, rows_labels(rows), rows_groups(rows), TRAIN_AND_VAL, seed)
    return RowSplits(
        tuple(made), TRAIN_AND_VAL, _words(f"{source}, val made of its train", TRAIN_AND_VAL,
                                           columns, seed),
    )  # fmt: skip


def divide(
    splits: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str],
    fractions: Mapping[str, float],
    seed: int,
) -> list[str]:
    """Divide the rows of those splits that have a share anew; others stay.

    Args:
        splits: of N rows.
        labels: of N rows.
        groups: of N rows, which are not divided.
        fractions: share of each split that is made.
        seed: of the random order.
    """
    chosen = [row for row, name in enumerate(splits) if name in fractions]
    made = make_splits(
        [labels[row] for row in chosen], [groups[row] for row in chosen], fractions, seed
    )
    result = list(splits)
    for row, name in zip(chosen, made, strict=True):
        result[row] = name
    return result


def rows_labels(rows: Sequence[Row]) -> list[str]:
    """Return the label of each row."""
    return [row.label for row in rows]


def rows_groups(rows: Sequence[Row]) -> list[str]:
    """Return the group of each row: its own id where no column says so."""
    return [row.group or row.item.id for row in rows]


def _words(what: str, fractions: Mapping[str, float], columns: Columns, seed: int) -> str:
    shares = ", ".join(f"{name} {share:.0%}" for name, share in fractions.items())
    return f"{what} by {columns.group or 'image'}, stratified by label: {shares}; seed {seed}"


def _split_name(row: Row, column: str) -> str:
    name = row.split.lower()
    if name and name not in NAMES:
        raise UsageError(
            f"{row.item.name} has the {column} {row.split!r}; known are {', '.join(NAMES)}. "
            "Correct the column, name another by --split-column, or leave such rows out: "
            f"--where '{column} != \"{row.split}\"'"
        )
    return NAMES.get(name, "")


def _check_complete(rows: Sequence[Row], attribute: str, column: str | None) -> None:
    missing = [row.item.name for row in rows if not getattr(row, attribute)]
    if column is None or not missing:
        return
    raise UsageError(
        f"{len(missing)} rows have no {column!r}, the first is {missing[0]}. Fill the column, or "
        f"leave them out: --where '{column} is not null'"
    )
