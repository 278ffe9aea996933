"""Write the table of known checkpoints in docs/models.md from the registries.

Run: ``python tools/list_checkpoints.py``
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.cli.model_texts import size_text
from fieldguide.plugins import build_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.registry import ModelRecord

DOCS = Path(__file__).parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- known checkpoints -->\n", "<!-- end of known checkpoints -->\n"
RUNS = {"downloads": "yes", "unsupported": "no"}


def table() -> Iterator[str]:
    """Yield the table's lines: all checkpoints that do not ship."""
    yield "| name | made for | licence and limits | size | runs here |"
    yield "|---|---|---|---|---|"
    for record in build_catalog(disabled=()).registry.models:
        if record.availability != "ready":
            yield f"| {' | '.join(_cells(record))} |"


def _cells(record: ModelRecord) -> Iterator[str]:
    yield f"`{record.name}`"
    yield ", ".join(f"`{name}`" for name in record.scope) or "-"
    limits = [record.licence, *(["gated"] if record.gated else []), record.licence_limits]
    yield "; ".join(filter(None, limits))
    yield "-" if record.size_bytes is None else size_text(record.size_bytes)
    yield RUNS[record.availability]


def main() -> None:
    """Rewrite the table between its two marks."""
    text = DOCS.read_text("utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    DOCS.write_text(f"{head}{BEGIN}" + "\n".join(table()) + f"\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    main()
