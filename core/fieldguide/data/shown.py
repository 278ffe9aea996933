"""One file as it is read, for the eye: whole, or seen from far away where it is too large."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fieldguide.data.inputs import loader_of
from fieldguide.data.pipeline import THUMBNAIL_PX
from fieldguide.data.windows import open_whole
from fieldguide.samples import RGB, SRGB8, HasNotes, Overviewed, Sample, Window

if TYPE_CHECKING:
    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Reader


def shown_whole(item: Item, reader: Reader) -> Sample:
    """Return the sample of a file that is read as a whole.

    Raises:
        LoadError: it cannot be read.
        ContractError: it is a file of another kind.
    """
    sample = reader.load(item)
    return replace(sample, metadata=reader.open_facts(sample.metadata))


def shown_by_windows(item: Item, reader: Reader) -> Sample:
    """Return a small picture of a file that is read window by window.

    Its metadata are what the file says of itself and where a window that is all of it would lie;
    ``size_px`` among them is the size of the file. A source that cannot be seen as a whole, and
    a part of one, is read as :func:`shown_whole` does.

    Raises:
        LoadError: it cannot be read.
        ContractError: it is a file of another kind.
    """
    spec = loader_of(item, reader.specs)
    if spec is None or spec.windows is None or item.window is not None:
        return shown_whole(item, reader)
    with open_whole(item, reader) as source:
        seen = source.overview(THUMBNAIL_PX) if isinstance(source, Overviewed) else None
        if seen is None:
            return shown_whole(item, reader)
        size_px = source.size_px
        facts = dict(source.metadata) | dict(source.place(Window((0,) * len(size_px), size_px)))
        facts.pop("geometry", None)
        notes = source.notes if isinstance(source, HasNotes) else ()
    return Sample(seen, RGB, SRGB8, {**reader.open_facts(facts), "size_px": size_px}, notes=notes)
