"""Captions with where each comes from: the result of converting annotations."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.results import Result, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """One caption.

    Attributes:
        path: of its image.
        template: which sentence it was made from, with the version of its file; "" where the
            converter does not say.
        seed: of the draw.
        converter: by name.
        source: the annotation or manifest it was made from.
    """

    path: str
    caption: str
    template: str
    seed: int
    converter: str
    source: str


class CaptionRows(Rows[CaptionRow]):
    """Captions in the order of the images, and what no caption could be made of.

    Attributes:
        skipped: image or annotation, and the reason.
    """

    kind = "captions"

    def __init__(
        self,
        rows: Sequence[CaptionRow],
        skipped: Sequence[tuple[str, str]],
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__(rows, provenance)
        self.skipped = tuple(skipped)

    def records(self) -> list[dict[str, Any]]:
        """Return path, caption, template, seed, converter and source of each caption."""
        return [dataclasses.asdict(row) for row in self._rows]

    def write(self, path: str | Path) -> Path:
        """Write a manifest: paths in it are relative to its folder, as readers take them.

        Raises:
            UsageError: no writer has that suffix.
            StoreError: the file cannot be written.
        """
        target = Path(path)
        folder = _whole(target).parent
        rows = [
            dataclasses.replace(row, path=Path(os.path.relpath(_whole(Path(row.path)), folder))
                                .as_posix()) for row in self._rows
        ]  # fmt: skip
        return Result.write(CaptionRows(rows, self.skipped, self.provenance), target)


def _whole(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
