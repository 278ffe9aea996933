"""Adapters that lie in a folder, and their cards, as the command line shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.data.files import is_folder
from fieldguide.errors import AdapterError, UsageError
from fieldguide.tuning.adapter_files import (
    MAX_BESIDE_BYTES,
    RECORD,
    ZIP_SUFFIX,
    find_source,
    read_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fieldguide.tuning.adapter_sources import Source

CARD = "card.md"


def adapters_in(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a row for the adapter in a folder, or for each in its folders and .zip files.

    Raises:
        UsageError: there is no such folder.
    """
    if not is_folder(folder):
        raise UsageError(f"There is no folder {folder}. Name one that holds adapters.")
    inside = (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))
    for path in [folder] if (folder / RECORD).is_file() else inside:
        if not (path / RECORD).is_file() and path.suffix.lower() != ZIP_SUFFIX:
            continue
        try:
            config = read_record(find_source(path))[0]
        except AdapterError as error:  # one that is broken is listed, not hidden
            yield {"name": str(path), "summary": f"cannot be used: {error}", "place": str(path)}
        else:
            research = " (research only)" if config.research_only else ""
            yield {
                "name": str(path),
                "base": config.base.model,
                "method": config.method,
                "scope": ", ".join(config.scope),
                "licence": config.licence + research,
                "summary": config.summary,
                "place": str(path),
            }


def card_of(source: Source) -> str:
    """Return the text of an adapter's card; "" when it has none."""
    if CARD not in source.names():
        return ""
    return source.read(CARD, MAX_BESIDE_BYTES).decode("utf-8", "replace")
