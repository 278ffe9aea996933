"""The lists of INQUIRE-Rerank, Parquet files with the images in them, as Hugging Face has them.

Columns that are read: ``image`` (a record of ``bytes`` and ``path``), ``query``, ``relevant`` (1 or
0), ``inat24_image_id``, ``supercategory``, ``category``, ``iconic_group``. Each query has 100 rows.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from fieldguide.benchmarks.candidate_lists import CandidateLists, Candidates
from fieldguide.benchmarks.published_files import absent, incomplete
from fieldguide.benchmarks.query_figures import SearchQuery
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError
from fieldguide_biodiversity.benchmarks.inquire_archive import GROUPINGS, SPLIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

TITLE = "INQUIRE-Rerank"
ROWS = 16_000
"""Of the split "test": 160 queries with 100 images each."""

ROWS_AT_ONCE = 100
MAX_IMAGE_BYTES = 64 * 2**20
_COLUMNS = ("image", "query", "relevant", "inat24_image_id", *GROUPINGS)
_BROKEN = (OSError, pa.ArrowException, ValueError, KeyError)


@dataclass(frozen=True)
class InquireLists:
    """See ``candidate_lists.CandidateSet``.

    Attributes:
        name: of its record in the registry.
        split: "test" or "validation", as the files are named.
        rows: how many candidates the whole split has.
    """

    name: str
    split: str = SPLIT
    rows: int = ROWS

    def find(self, root: Path, *, whole: bool) -> CandidateLists:
        """See ``CandidateSet``."""
        files = self._files(root)
        count = sum(self._checked(file) for file in files)
        if count > self.rows or not count or (whole and count < self.rows):
            text = f"{count} of {self.rows} candidates"
            raise UsageError(incomplete(root, TITLE, text, more=count > self.rows))
        return CandidateLists(self._candidates(files), self.rows)

    def _files(self, root: Path) -> list[Path]:
        for folder in (root / "INQUIRE-Rerank" / "data", root / "data", root):
            if files := sorted(folder.glob(f"{self.split}-*.parquet")):
                return files
        expected = f"INQUIRE-Rerank/data/{self.split}-00000-of-00004.parquet and those beside it"
        raise UsageError(absent(root, TITLE, expected, self.name))

    def _checked(self, file: Path) -> int:
        """Return how many rows a file has.

        Raises:
            UsageError: it is no such file.
        """
        try:
            with pq.ParquetFile(file) as opened:
                missing = set(_COLUMNS) - set(opened.schema_arrow.names)
                rows = int(opened.metadata.num_rows)
        except _BROKEN as error:
            raise self._misshapen(file, str(error)) from error
        if missing:
            raise self._misshapen(file, f"it has no column {', '.join(sorted(missing))}")
        return rows

    def _candidates(self, files: Sequence[Path]) -> Iterator[Candidates]:
        for file in files:
            try:
                with pq.ParquetFile(file) as opened:
                    for batch in opened.iter_batches(ROWS_AT_ONCE, columns=list(_COLUMNS)):
                        for _, rows in groupby(batch.to_pylist(), key=lambda row: row["query"]):
                            yield self._some(file, list(rows))
            except _BROKEN as error:
                raise self._misshapen(file, str(error)) from error

    def _some(self, file: Path, rows: Sequence[Mapping[str, Any]]) -> Candidates:
        text = rows[0]["query"]
        if not isinstance(text, str) or not text.strip():
            raise self._misshapen(file, "a row has no query")
        if any(row["relevant"] not in (0, 1) for row in rows):
            raise self._misshapen(file, f"a row of {text!r} is neither relevant nor not")
        groups = {name: str(rows[0][name]) for name in GROUPINGS if rows[0][name]}
        query = SearchQuery(text, text, groups)
        return Candidates(
            query, [_item(row) for row in rows], [row["relevant"] == 1 for row in rows]
        )

    def _misshapen(self, file: Path, fault: str) -> UsageError:
        return UsageError(
            f"{file} is no file of {TITLE}: {fault}. Get the published file again: fieldguide "
            f"benchmark {self.name} --how-to-get"
        )


def _item(row: Mapping[str, Any]) -> Item:
    """Return a candidate as an input; one that cannot be opened says why."""
    name = f"iNat24 image {row['inat24_image_id']}"
    content = (row["image"] or {}).get("bytes") if isinstance(row["image"], dict) else None
    if not isinstance(content, bytes) or len(content) > MAX_IMAGE_BYTES:
        return Item(name, name, fault="it holds no image. Get the file again.")
    try:
        return Item(name, name, image=Image.open(io.BytesIO(content)))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return Item(name, name, fault=f"broken image: {error}. Get the file again.")
