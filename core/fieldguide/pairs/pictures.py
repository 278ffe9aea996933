"""The stages that look at pictures: what cannot be used, and what is there already."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.data.pipeline import read_ahead
from fieldguide.pairs.stages import Verdicts
from fieldguide.progress import progress_bar
from fieldguide.tuning.fingerprints import READ_AHEAD, FingerprintReader
from fieldguide.tuning.near_duplicates import RADIUS_BITS, near_duplicate_groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fieldguide.data.pipeline import Row
    from fieldguide.guides import Guide
    from fieldguide.pairs.pair import Pair
    from fieldguide.tuning.fingerprints import Fingerprints


class Looks:
    """Reads pictures as a guide does and keeps what tells them apart, 73 bytes a picture.

    Args:
        guide: whose domain reads them.
    """

    def __init__(self, guide: Guide) -> None:
        self._guide = guide
        self._reader: FingerprintReader | None = None

    def read(self, pairs: Sequence[Pair]) -> Iterator[Row]:
        """Yield the row of each picture, with what the file says of itself as metadata."""
        items = [replace(pair.item, metadata={}) for pair in pairs]
        plan = self._guide.planner.plan(items, thumbnails=False)
        self._reader = FingerprintReader(plan.reader)
        runtime = self._guide.runtime
        with progress_bar(len(items), "image", shown=runtime.progress) as bar:
            for row, _ in read_ahead(items, self._reader, runtime.workers, READ_AHEAD):
                yield row
                bar.update(1)

    def fingerprints(self, pairs: Sequence[Pair]) -> Fingerprints:
        """Return what tells pictures apart that were read.

        Raises:
            KeyError: one was not read.
        """
        if self._reader is None:
            raise KeyError("no picture was read")
        return self._reader.fingerprints([pair.item for pair in pairs])


class InvalidStage:
    """Removes what cannot be read, is too small, or shows one colour only.

    Args:
        looks: reads the pictures.
        min_side_px: the shorter side of a picture that is kept.
    """

    name = "invalid"

    def __init__(self, looks: Looks, min_side_px: int) -> None:
        self._looks = looks
        self._min_side_px = min_side_px

    def __call__(self, pairs: Sequence[Pair]) -> Verdicts:
        """Return the pairs whose picture cannot be used; all pictures are read."""
        removed = {}
        for place, row in enumerate(self._looks.read(pairs) if pairs else ()):
            if row.status not in ("ok", "out_of_scope"):
                removed[place] = row.reason
            elif reason := self._too_small(row):
                removed[place] = reason
        prints = self._looks.fingerprints(pairs) if pairs else None
        for place in () if prints is None else prints.one_colour:
            removed.setdefault(place, "it shows one colour only")
        return Verdicts(removed)

    def _too_small(self, row: Row) -> str:
        width, height = row.metadata.get("width_px"), row.metadata.get("height_px")
        if width is None or height is None or min(width, height) >= self._min_side_px:
            return ""
        return f"{width} x {height} px is smaller than {self._min_side_px} px"


class DuplicateStage:
    """Keeps the first of pictures that have the same bytes or look the same, turned ones too.

    See ``tuning.near_duplicates`` for what looks the same.

    Args:
        looks: has read the pictures.
        radius_bits: how many of 64 bits of the looks may differ.
    """

    name = "duplicates"

    def __init__(self, looks: Looks, radius_bits: int = RADIUS_BITS) -> None:
        self._looks = looks
        self._radius_bits = radius_bits

    def __call__(self, pairs: Sequence[Pair]) -> Verdicts:
        """Return the pairs whose picture an earlier one has."""
        if not pairs:
            return Verdicts({})
        prints = self._looks.fingerprints(pairs)
        firsts = prints.first_copies
        removed = {
            place: f"the same file as {pairs[first].item.name}"
            for place, first in enumerate(firsts.tolist())
            if first != place
        }
        places = np.array([p for p in range(len(pairs)) if p not in removed and prints.has_look[p]])
        if len(places):
            groups = near_duplicate_groups(prints.hashes[places], self._radius_bits)
            for place, first in zip(places.tolist(), places[groups].tolist(), strict=True):
                if first != place:
                    removed[place] = f"it looks like {pairs[first].item.name}"
        return Verdicts(removed)
