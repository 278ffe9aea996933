"""What the plugin offers for reports and organ masks. Imports nothing heavy."""

from __future__ import annotations

from fieldguide.specs import CaptionConverterSpec, CommandSpec, WriterSpec

DOMAIN = "medical"
EXTRA = "medical"
TABLES = ("report_findings", "report_mentions")
"""The kinds of results that the command ``findings`` writes."""

REPORT_CONVERTERS = (
    CaptionConverterSpec(
        name="report_sections",
        summary="The sections of a report that describe the image, each as one text",
        target="fieldguide_medical.captions:section_captions",
        domain=DOMAIN,
    ),
    CaptionConverterSpec(
        name="report_findings",
        summary="The sentences of a report that state a finding of chest CT, present or absent",
        target="fieldguide_medical.captions:finding_captions",
        domain=DOMAIN,
    ),
    CaptionConverterSpec(
        name="organ_captions",
        summary="Which organs a CT shows, their volumes and mean values, from its organ mask",
        target="fieldguide_medical.organ_captions:organ_captions",
        extra=EXTRA,
        options=("seed", "per_image"),
        domain=DOMAIN,
    ),
)

REPORT_WRITERS = tuple(
    WriterSpec(
        name=f"report_{form}",
        summary=f"Findings of reports as {title}",
        target=f"fieldguide.writers.tables:write_{form}",
        suffixes=suffixes,
        results=TABLES,
        domain=DOMAIN,
    )
    for form, title, suffixes in (
        ("csv", "CSV", (".csv",)),
        ("json", "JSON or JSON Lines", (".json", ".jsonl")),
        ("parquet", "Parquet", (".parquet",)),
    )
)

REPORT_COMMANDS = (
    CommandSpec(
        name="findings",
        summary="Read from reports which findings are present, absent or uncertain",
        target="fieldguide_medical.commands.findings:findings",
        domain=DOMAIN,
    ),
)
