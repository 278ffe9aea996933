"""The rows of a manifest that an evaluation compares with answers: each has one label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide


def find_labelled(
    guide: Guide, manifest: str | Path, column: str, where: str | None
) -> tuple[list[Item], list[str]]:
    """Return the rows of a manifest and their labels, each label once, in order.

    Raises:
        UsageError: a row has no label.
    """
    items = guide.find(manifest, where=where, shown=[column])
    labelled = [item for item in items if column in item.metadata]
    if not labelled:
        raise UsageError(
            f"{manifest} has no row with a {column!r}. Name the column: --label-column"
        )
    if len(labelled) < len(items):
        raise UsageError(
            f"{len(items) - len(labelled)} rows have no {column!r}. Fill the column, or leave them "
            f"out: --where '{column} is not null'"
        )
    return items, sorted({str(item.metadata[column]) for item in labelled})


def require_one_label(guide: Guide, classes: str | None) -> None:
    """Refuse findings, any number of which may be in an image.

    Raises:
        UsageError: the classes are findings.
    """
    if guide.offers_findings(classes):
        raise UsageError(
            f"The classes of {classes} are findings, any number of which may hold, each with a "
            "column of its own: use evaluate_findings."
        )
