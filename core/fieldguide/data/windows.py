"""Windows of large files as items of a job."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.image_windows import WindowedImage
from fieldguide.data.in_memory import sample_in_memory
from fieldguide.data.inputs import Item, loader_of
from fieldguide.data.manifest_windows import COLUMNS, columns_of, window_id
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from fieldguide.data.pipeline import Reader, Row
    from fieldguide.samples import Sample, Window, Windowed

EMPTY = "empty"
"""Status of a window with too few valid pixels: it is passed over and is no failure."""
INHERITED = ("captured_at", "latitude_deg", "longitude_deg")
"""Facts of a file that hold for its parts."""


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
        """Return the item of a window, no slice; its id ends with first pixel and sides."""
        if not 0 <= place < len(self):
            raise IndexError(place)
        window = self.windows[self.first + place]
        return replace(self.of, id=window_id(self.of.id, window), window=window)


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
        source = self.source
        about = place_of(item.window, source) if self.with_place else dict(sample.metadata)
        if sample.valid_fraction < max(contract.min_valid_fraction, 1e-9):
            about[EMPTY] = True
        return replace(sample, metadata=about)


def load_part(item: Item, reader: Reader) -> Sample:
    """Return the sample of the part of a file that an item means, with its place.

    A file stays open for the next item: rows of one file follow each other.

    Raises:
        LoadError: the file cannot be read, has no windows, or the part is not inside it.
    """
    window = item.window
    if window is None:
        raise LoadError("no window of it is meant. Report this to the plugin's author.")
    key = item.path if item.path is not None else id(item.image)
    with reader.sources.open(key, lambda: open_windowed(item, reader)) as source:
        parts = zip(window.start_px, window.size_px, source.size_px, strict=True)
        if any(start + length > whole for start, length, whole in parts):
            raise LoadError(
                f"its window {window.start_px} + {window.size_px} px is not inside "
                f"{' x '.join(map(str, source.size_px))} px. Correct the row."
            )
        needed = window.size_px if reader.contract is None else reader.contract.size_px
        sample = source.read(window, max(needed))
        return replace(sample, metadata=_inherited(source) | place_of(window, source))


def _inherited(source: Windowed) -> dict[str, Any]:
    """Return what a file says of itself that is as true of any part of it."""
    return {name: source.metadata[name] for name in INHERITED if name in source.metadata}


def place_of(window: Window, source: Windowed) -> dict[str, Any]:
    """Return where a window lies: in pixels, and as the source knows it."""
    return columns_of(window) | dict(source.place(window))


@contextmanager
def open_whole(item: Item, reader: Reader) -> Iterator[Windowed]:
    """Open a file all of whose windows are read.

    Raises:
        LoadError: as :func:`open_windowed` does, or the item is a part of a file already.
        ContractError: it is not what its loader takes.
    """
    if item.window is not None:
        raise LoadError(
            f"its row means a part of it ({', '.join(COLUMNS)}), and all of it would be cut into "
            "windows. Name the file itself, or leave these columns out."
        )
    with open_windowed(item, reader) as source:
        yield source


@contextmanager
def open_windowed(item: Item, reader: Reader) -> Iterator[Windowed]:
    """Open a file whose windows are read one by one.

    Raises:
        LoadError: it cannot be read, or no loader of its kind reads windows.
        ContractError: it is not what its loader takes.
    """
    if item.fault is not None:
        raise LoadError(item.fault)
    if item.image is not None:
        yield WindowedImage(sample_in_memory(item.image))
        return
    spec = loader_of(item, reader.specs)
    if spec is None or item.path is None:
        raise reader.no_reader(item)
    if spec.windows is None:
        raise LoadError(f"the reader {spec.name!r} has no windows. Name a raster or a picture.")
    opener = spec.import_target(spec.windows)
    bands = None if reader.contract is None else reader.contract.bands
    with opener(reader.loaders[spec.name], Path(item.path), bands) as source:
        yield source
