"""What the plugin writes of named organisms. Imports nothing heavy."""

from __future__ import annotations

from fieldguide.specs import CommandSpec, WriterSpec

DOMAIN = "biodiversity"
_HERE = "fieldguide_biodiversity.outputs"

OUTPUT_WRITERS = (
    WriterSpec(
        name="bioclip_csv",
        summary="The table of pybioclip's 'bioclip predict': .bioclip.csv",
        target=f"{_HERE}.bioclip_table:write_bioclip_table",
        suffixes=(".bioclip.csv",),
        results=("predictions",),
        extra=DOMAIN,
    ),
    WriterSpec(
        name="darwin_core_csv",
        summary="Occurrences with Darwin Core's columns: .dwc.csv",
        target=f"{_HERE}.darwin_core:write_occurrence_csv",
        suffixes=(".dwc.csv",),
        results=("predictions",),
        extra=DOMAIN,
    ),
    WriterSpec(
        name="darwin_core_archive",
        summary="Occurrences and their pictures as a Darwin Core archive: .dwca.zip",
        target=f"{_HERE}.darwin_core:write_archive",
        suffixes=(".dwca.zip",),
        results=("predictions",),
        extra=DOMAIN,
    ),
    WriterSpec(
        name="taxon_report",
        summary="HTML page by taxon, with counts for each rank and a map where places are known",
        target="fieldguide.writers.taxon_report:write_taxon_report",
        suffixes=(".html", ".htm"),
        results=("predictions",),
        domain=DOMAIN,
    ),
)

OUTPUT_COMMANDS = (
    CommandSpec(
        name="sort",
        domain=DOMAIN,
        summary="Copies or links pictures into folders by the taxa that 'classify' named",
        target="fieldguide_biodiversity.commands.sort:sort",
        extra=DOMAIN,
    ),
)
