"""The curves of a training: in memory, in the card's folder, and in TensorBoard where wanted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import atomic_path
from fieldguide.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = "history.jsonl"


class History:
    """Rows of figures by step.

    Args:
        tensorboard: folder for TensorBoard's event files; None for none.

    Raises:
        MissingExtraError: TensorBoard is wanted and not installed.
    """

    def __init__(self, tensorboard: Path | None = None) -> None:
        self.rows: list[dict[str, Any]] = []
        self._writer = None if tensorboard is None else _writer(tensorboard)

    def add(self, row: dict[str, Any]) -> None:
        """Note figures; "step" counts over all fits and "phase" names the fit."""
        self.rows.append(row)
        if self._writer is not None:
            for name, value in row.items():
                if name != "step" and isinstance(value, int | float):
                    self._writer.add_scalar(name, value, row["step"])
            self._writer.flush()

    def go_on_from(self, rows: Sequence[dict[str, Any]]) -> None:
        """Take the rows of an earlier run of this training."""
        self.rows = list(rows)

    def write(self, folder: Path) -> None:
        """Write all rows as JSON Lines."""
        with atomic_path(folder / FILE) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in self.rows), "utf-8")


def _writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter  # only where it is asked for
    except ImportError as error:
        raise MissingExtraError(
            "TensorBoard is not installed. Run: pip install 'fieldguide[tensorboard]'"
        ) from error
    return SummaryWriter(str(folder))
