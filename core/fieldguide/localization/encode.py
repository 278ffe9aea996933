"""Embeds the windows of one open source, with progress."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.data.overview import overview
from fieldguide.data.pipeline import encode_items
from fieldguide.data.windows import WindowReader
from fieldguide.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Batch, Reader
    from fieldguide.guides import Guide
    from fieldguide.localization.grid import WindowGrid
    from fieldguide.planning import Plan
    from fieldguide.samples import Windowed


@dataclass(frozen=True)
class WindowEncoder:
    """Embeds windows of one source.

    Attributes:
        guide: how the job runs.
        plan: of the source's modality.
        item: the source.
        opened: the source, open.
        with_place: whether rows say where their window lies.
    """

    guide: Guide
    plan: Plan
    item: Item
    opened: Windowed
    with_place: bool = False

    def encode(self, grid: WindowGrid, todo: Sequence[Item]) -> Iterator[Batch]:
        """Yield batches of the last windows of a grid, those that are still to be embedded.

        Raises:
            ContractError: the source as a whole is of another kind than its modality.
        """
        runtime = self.guide.runtime
        sized = self.guide.planner.sized(self.plan, len(grid))
        reader = self._reader(grid) if len(todo) else reader_of(self.plan, self.item)
        reading = WindowReader(reader, self.opened, self.with_place)
        batches = encode_items(
            todo, reading, sized.encoder, batch_size=sized.batch_size, workers=runtime.workers
        )
        what = f"{Path(self.item.name).name}, {sides(grid.sides_px)} px"
        done = len(grid) - len(todo)
        with progress_bar(len(grid), "window", shown=runtime.progress, what=what, done=done) as bar:
            for batch in batches:
                yield batch
                bar.update(len(batch.rows))

    def _reader(self, grid: WindowGrid) -> Reader:
        reader = reader_of(self.plan, self.item)
        if reader.contract is None or (reader.check is None and reader.normaliser is None):
            return reader
        whole = overview(self.opened, grid, max(reader.contract.size_px))
        return reader if whole is None else reader.for_windows(whole)


def sides(lengths: Sequence[int]) -> str:
    """Return how the sides of a window are written: one number for a square or cube.

    >>> sides((224, 224)), sides((64, 64, 12))
    ('224', '64x64x12')
    """
    return str(lengths[0]) if len(set(lengths)) == 1 else "x".join(map(str, lengths))


def reader_of(plan: Plan, item: Item) -> Reader:
    """Return what reads the modality of an item."""
    return plan.reader.readers[plan.reader.modality_of[item.id]]
