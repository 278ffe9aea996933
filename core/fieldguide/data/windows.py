"""Windows of large files as items of a job."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.inputs import Item, loader_of
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from fieldguide.data.pipeline import Reader, Row
    from fieldguide.samples import Sample, Window, Windowed

EMPTY = "empty"
"""Status of a window with too few valid pixels: it is passed over and is no failure."""


@dataclass(frozen=True)
class WindowItems(Sequence[Item]):
    """The windows of one file, made when they are asked for: a job of a million takes no memory.

    Attributes:
        of: the file.
        windows: its windows, in reading order.
        first: the place of the first one that is meant.
    """

    of: Item
    windows: Sequence[Window]
    first: int = 0

    def __len__(self) -> int:
        """Return how many windows there are."""
        return len(self.windows) - self.first

    def __getitem__(self, place: Any) -> Any:
        """Return the item of a window, no slice; its id ends with first row, column, H, W."""
        if not 0 <= place < len(self):
            raise IndexError(place)
        window = self.windows[self.first + place]
        mark = ",".join(map(str, (*window.start_px, *window.size_px)))
        return replace(self.of, id=f"{self.of.id}#{mark}", name=self.of.name, window=window)


@dataclass(frozen=True)
class WindowReader:
    """Turns windows of an open source into prepared pixels.

    Attributes:
        reader: of the modality.
        source: what the windows are of.
        with_place: whether rows say where their window lies.
    """

    reader: Reader
    source: Windowed
    with_place: bool = False

    def read(self, item: Item) -> tuple[Row, NDArray[np.uint8] | None]:
        """Return the row and (H, W, C) pixels, or None in their place when there are none."""
        row, pixels = self.reader.read_by(item, self._load)
        if pixels is None and row.metadata.get(EMPTY):
            return replace(row, status=EMPTY), None
        return row, pixels

    def _load(self, item: Item) -> Sample:
        if item.window is None or self.reader.contract is None:
            raise LoadError("no window of it is meant. Report this to the plugin's author.")
        contract = self.reader.contract
        sample = self.source.read(item.window, max(contract.size_px))
        about: dict[str, Any] = {}
        if self.with_place:
            row, column = item.window.start_px
            height, width = item.window.size_px
            about = {"row_px": row, "column_px": column, "height_px": height, "width_px": width}
            about |= self.source.place(item.window)
        if sample.valid_fraction < max(contract.min_valid_fraction, 1e-9):
            about[EMPTY] = True
        return replace(sample, metadata=about)


@contextmanager
def open_windowed(item: Item, reader: Reader) -> Iterator[Windowed]:
    """Open a file whose windows are read one by one.

    Raises:
        LoadError: it cannot be read, or no loader of its kind reads windows.
        ContractError: it is not what its loader takes.
    """
    if item.fault is not None:
        raise LoadError(item.fault)
    spec = loader_of(item, reader.specs)
    if spec is None or item.path is None:
        raise LoadError("no reader for such files. Name a --domain.")
    if spec.windows is None:
        raise LoadError(f"the reader {spec.name!r} has no windows. Name a raster or a picture.")
    opener = spec.import_target(spec.windows)
    with opener(reader.loaders[spec.name], Path(item.path)) as source:
        yield source
