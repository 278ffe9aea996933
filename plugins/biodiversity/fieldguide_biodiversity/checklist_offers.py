"""What the plugin offers for taxonomies and their names. Imports nothing heavy."""

from __future__ import annotations

from fieldguide.specs import CommandSpec, WriterSpec

DOMAIN = "biodiversity"

TAXONOMY_READER = "fieldguide_biodiversity.checklists.open_tree:read_taxonomy"

TAXONOMY_COMMANDS = (
    CommandSpec(
        name="taxonomy",
        domain=DOMAIN,
        summary="Build trees of taxa from checklists, and say what names mean in them",
        target="fieldguide_biodiversity.commands.taxonomy:taxonomy",
        extra=DOMAIN,
    ),
)

NAME_WRITERS = tuple(
    WriterSpec(
        name=f"names_{form}",
        summary=f"Names with their accepted taxa as {title}",
        target=f"fieldguide.writers.tables:write_{form}",
        suffixes=suffixes,
        results=("name_matches",),
        domain=DOMAIN,
    )
    for form, title, suffixes in (
        ("csv", "CSV", (".csv",)),
        ("json", "JSON or JSON Lines", (".json", ".jsonl")),
        ("parquet", "Parquet", (".parquet",)),
    )
)
