"""What the plugin offers for the boxes of detectors. Imports nothing heavy."""

from __future__ import annotations

from fieldguide.specs import AnnotationReaderSpec

DETECTOR_READERS = (
    AnnotationReaderSpec(
        name="megadetector",
        summary="MegaDetector's batch results: boxes of animals, people and vehicles",
        target="fieldguide_biodiversity.megadetector:read_megadetector",
        suffixes=(".json",),
        recognizes="fieldguide_biodiversity.megadetector:is_megadetector",
    ),
)
