"""The windows of one source, embedded once and kept on disk for whatever asks for them next."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.contract import check_axes
from fieldguide.data.store_job import options_fingerprint
from fieldguide.data.windows import WindowItems
from fieldguide.errors import ContractError, LoadError, UsageError
from fieldguide.localization.encode import sides
from fieldguide.localization.grid import make_grid
from fieldguide.localization.store import WindowStore
from fieldguide.localization.window_size import USUAL, window_sizes_px
from fieldguide.samples import FixesWindow, KnowsUsualWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Reader
    from fieldguide.errors import InputError
    from fieldguide.guides import Guide
    from fieldguide.localization.encode import WindowEncoder
    from fieldguide.localization.grid import WindowGrid
    from fieldguide.planning import Plan
    from fieldguide.samples import Windowed


@dataclass(frozen=True)
class Source:
    """One file whose windows are kept.

    Attributes:
        guide: domain and model.
        plan: of the file's modality.
        item: the file.
        folder: in which ``FILE.windows`` is; None for the current one.
    """

    guide: Guide
    plan: Plan
    item: Item
    folder: Path | None

    def store(self, grid: WindowGrid) -> WindowStore:
        """Return where the vectors of a grid are kept; another model or file has another place."""
        if self.plan.encoder is None:
            raise ValueError("a plan without a model")
        space, options = self.plan.encoder.space, self.guide.options
        about = {
            "file": self.item.fingerprint(),
            "window_px": grid.window_px,
            "stride_px": grid.stride_px,
            "size_px": grid.size_px,
            "space": space.digest,
            "options": self.guide.about(self.plan)["options"],
            "read_by": options_fingerprint(options),  # changes with a file that an option names
        }
        digest = hashlib.sha256(json.dumps(about, default=str).encode()).hexdigest()[:12]
        folder = (self.folder or Path()) / f"{Path(self.item.name).name}.windows"
        return WindowStore(folder / f"{sides(grid.window_px)}px-{digest}", about, space.dim)


def make_grids(
    reader: Reader, opened: Windowed, windows: Sequence[str | int], overlap: float
) -> tuple[WindowGrid, ...]:
    """Return one grid for each size of window, smallest first.

    Raises:
        ContractError: windows of a volume for a model of images, or the reverse.
        UsageError: a size or overlap that makes no sense.
    """
    if reader.contract is None:
        raise ValueError("a reader without a contract")
    axes = len(opened.size_px)
    check_axes(axes, reader.contract)
    usual_px = (max(reader.contract.size_px),) * axes
    if isinstance(opened, KnowsUsualWindow):
        usual_px = opened.usual_window_px(reader.contract)
    fixed = opened.window_option if isinstance(opened, FixesWindow) else None
    if fixed is not None and set(windows) - {USUAL}:
        raise UsageError(
            f"--window and {fixed} both say how large a window is. Leave one out, or write "
            f"--window {USUAL}"
        )
    size_m = opened.pixel_size_m
    sizes_m = (size_m,) * axes if isinstance(size_m, float) else size_m
    sizes = window_sizes_px(windows, sizes_m, usual_px)
    return tuple(make_grid(opened.size_px, size, overlap) for size in sizes)


def embed_missing(encoder: WindowEncoder, grid: WindowGrid, store: WindowStore) -> int:
    """Embed the windows that the store lacks, and return how many they were.

    Raises:
        ContractError: the windows are not what the model takes.
    """
    todo = WindowItems(encoder.item, grid, first=store.done)
    for batch in encoder.encode(grid, todo):
        for row in batch.rows:
            if row.status == "refused":
                raise ContractError(row.reason)
        store.add(batch)
    store.commit()
    return len(todo)


def nothing_embedded(faults: Sequence[str]) -> InputError:
    """Return why a source has no vector at all."""
    if faults:
        return LoadError(f"none of its windows could be read: {faults[0]}")
    return LoadError("it holds no data (all is nodata). Choose a file or an area with data.")
