"""What the plugin offers to give files away without names. Imports nothing heavy."""

from __future__ import annotations

from fieldguide.specs import CommandSpec

PRIVACY_COMMANDS = (
    CommandSpec(
        name="export",
        domain="medical",
        summary="Copies DICOM and NIfTI files without names, dates and identifiers",
        target="fieldguide_medical.commands.export:export",
        extra="medical",
    ),
)
