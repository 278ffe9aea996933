"""Captions with where each comes from: the result of converting annotations."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.manifest_windows import columns_of
from fieldguide.privacy.ids import is_item_id
from fieldguide.results import Result, Rows
from fieldguide.writers.relative import path_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.samples import Window


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
        window: the part of the image that it is about; None for all of it.
    """

    path: str
    caption: str
    template: str
    seed: int
    converter: str
    source: str
    window: Window | None = None


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
        return [_record(row) for row in self._rows]

    def write(self, path: str | Path) -> Path:
        """Write a manifest: paths in it are relative to its folder, as readers take them.

        Raises:
            UsageError: no writer has that suffix.
            StoreError: the file cannot be written.
        """
        target = Path(path)
        rows = [
            row
            if is_item_id(row.path)
            else dataclasses.replace(row, path=path_from(target, row.path))
            for row in self._rows
        ]
        return Result.write(CaptionRows(rows, self.skipped, self.provenance), target)


def _record(row: CaptionRow) -> dict[str, Any]:
    own = {f.name: getattr(row, f.name) for f in dataclasses.fields(row) if f.name != "window"}
    return own if row.window is None else own | columns_of(row.window)
