"""From an id to its file, and from a file to its id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.data.files import is_folder
from fieldguide.errors import UsageError
from fieldguide.privacy.ids import is_item_id, item_id, real_path
from fieldguide.privacy.salt import read_salt
from fieldguide.privacy.sources import SOURCES, read_sources, state_sources

if TYPE_CHECKING:
    from collections.abc import Sequence


def look_up(names: Sequence[str], place: Path | None = None) -> list[dict[str, str]]:
    """Return id, path and private columns of each name.

    Args:
        names: ids, with or without a window behind them, or files.
        place: a folder with ``sources.parquet``, or that file; by default the user's own.

    Raises:
        UsageError: an id is not in the list.
        StoreError: the list or the salt cannot be read.
    """
    file = state_sources() if place is None else place
    file = file / SOURCES if is_folder(file) else file
    known = read_sources(file)
    rows = []
    for name in names:
        bare = name.partition("#")[0].partition(":")[0]
        found = bare if is_item_id(bare) else item_id(read_salt(), real_path(Path(name)))
        if found not in known:
            raise UsageError(
                f"{found} is not in {file}. Name the folder of the result: --in FOLDER"
            )
        columns = dict(known[found].columns)
        shown = json.dumps(columns, default=str) if columns else ""
        rows.append({"id": found, "path": known[found].path, "columns": shown})
    return rows
