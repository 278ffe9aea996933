"""What a text search inside sources returns: regions, and the heat maps that they come from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.manifest_windows import columns_of
from fieldguide.errors import UsageError
from fieldguide.localization.heat import heat_map
from fieldguide.privacy.ids import is_item_id
from fieldguide.results import Result, Rows
from fieldguide.writers.relative import path_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fieldguide.localization.grid import WindowGrid
    from fieldguide.samples import Window


@dataclass(frozen=True, slots=True)
class Region:
    """A window in which a query was found.

    Attributes:
        query: the text.
        rank: among the regions of its query, from 1.
        score: cosine with the query, or its probability against other texts.
        path: of the source.
        window: in pixels of the source.
        metadata: where it lies: ``geometry``, bounds and date, as far as the source knows.
    """

    query: str
    rank: int
    score: float
    path: str
    window: Window
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """One source with the scores of all its windows.

    Attributes:
        path: of the source, as the user wrote it.
        metadata: what it says of itself as a whole.
        queries: Q texts.
        grids: one for each size of window.
        scores: for each grid (N, Q), NaN where a window has no data or could not be read.
        empty: how many windows hold too little data.
        faults: why windows could not be read.
        failed: how many of them.
        overview: (h, w, 3), the source as a whole, where it can be seen so.
        pixel_size_m: side of its pixels, where known; one for each axis where they differ.
    """

    path: str
    metadata: Mapping[str, Any]
    queries: tuple[str, ...]
    grids: tuple[WindowGrid, ...]
    scores: tuple[NDArray[np.float32], ...]
    empty: int = 0
    failed: int = 0
    faults: tuple[str, ...] = ()
    overview: NDArray[np.uint8] | None = None
    pixel_size_m: float | tuple[float, ...] | None = None

    def heat(self, query: str) -> NDArray[np.float32]:
        """Return cells that cover the source exactly, one axis for each of its; NaN without data.

        Raises:
            UsageError: the text was not looked for.
        """
        if query not in self.queries:
            raise UsageError(f"{query!r} was not looked for, but: {', '.join(self.queries)}.")
        place = self.queries.index(query)
        return heat_map(self.grids, [scores[:, place] for scores in self.scores])


class Regions(Rows[Region]):
    """The regions of one search, best first for each query.

    Attributes:
        sources: those that were searched, with all scores.
        skipped: path, status and reason of those that could not be.
    """

    kind = "regions"

    def __init__(
        self,
        rows: Sequence[Region],
        provenance: Mapping[str, Any],
        sources: Sequence[Scored] = (),
        skipped: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        super().__init__(rows, provenance)
        self.sources = list(sources)
        self.skipped = list(skipped)

    def write(self, path: str | Path) -> Path:
        """Write to a file; paths in it are relative to its folder, as manifests are read.

        Raises:
            UsageError: no writer has that suffix.
            StoreError: the file cannot be written.
        """
        rows = [
            row if is_item_id(row.path) else replace(row, path=path_from(Path(path), row.path))
            for row in self._rows
        ]
        return Result.write(Regions(rows, self.provenance, self.sources, self.skipped), path)

    def records(self) -> list[dict[str, Any]]:
        """Return query, rank, score, path, the window in pixels, and where it lies."""
        rows = []
        for region in self._rows:
            own = {
                "query": region.query, "rank": region.rank, "score": region.score,
                "path": region.path, **columns_of(region.window),
            }  # fmt: skip
            rows.append(own | {k: v for k, v in region.metadata.items() if k not in own})
        return rows
