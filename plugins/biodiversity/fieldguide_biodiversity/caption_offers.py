"""The plugin's caption converters and formats of annotations. Imports nothing heavy."""

from __future__ import annotations

from fieldguide.specs import AnnotationReaderSpec, CaptionConverterSpec

_FOLDER = "fieldguide_biodiversity"
_NAMED = (
    ("taxon", "All ranks and the common name, as BioCLIP's captions have them",
     "captions:taxon_caption"),
    ("taxon_ranks", "All ranks from kingdom to epithet (BioCLIP's text type taxon)",
     "captions:ranks_caption"),
    ("taxon_sci", "Genus and epithet (BioCLIP's text type sci)", "captions:sci_caption"),
    ("taxon_com", "Common name, else the scientific one (BioCLIP's text type com)",
     "captions:com_caption"),
    ("taxon_sci_com", "Scientific and common name (BioCLIP's text type sci_com)",
     "captions:sci_com_caption"),
    ("taxon_mix", "BioCLIP's five text types, of which a training draws one each time",
     "captions:mix_caption"),
    ("taxon_kind", "Common name and well-known group: European robin, a kind of bird",
     "captions:kind_caption"),
    ("taxon_description", "Sentences on what a taxon looks like and where it lives",
     "taxon_description:taxon_description"),
    ("camera_trap", "Animals, their number, day or night, season, of a camera trap's record",
     "camera_trap_caption:camera_trap_caption"),
    ("leaf_disease", "Crop and disease of a leaf, and its symptoms (PlantVillage, SCOLD)",
     "leaf_disease:leaf_caption"),
)  # fmt: skip

CONVERTERS = tuple(
    CaptionConverterSpec(name=name, summary=summary, target=f"{_FOLDER}.{target}")
    for name, summary, target in _NAMED
)

READERS = (
    AnnotationReaderSpec(
        name="camera_traps",
        summary="COCO Camera Traps JSON: time, place and sequence, with boxes or without",
        target=f"{_FOLDER}.camera_trap_json:read_camera_traps",
        suffixes=(".json",),
        fits_by_suffix=False,
    ),
)
