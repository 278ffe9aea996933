"""What the medical plugin offers for whole slides. Imports nothing heavy."""

from __future__ import annotations

from fieldguide.specs import LoaderSpec, ModalitySpec, OptionSpec, WriterSpec

EXTRA = "medical"
OPTIONS = ("mpp", "at_mpp", "at_magnification", "min_tissue")


def slide_modality(tile: ModalitySpec) -> ModalitySpec:
    """Return the modality of slides: models for their tiles cover them."""
    return ModalitySpec(
        name="slide",
        summary="a whole slide stained with haematoxylin and eosin, read window by window",
        extra=EXTRA,
        loader=("slide", "image"),  # "image" reads a tile that slides are searched with
        broader=tile.name,
        templates=tile.templates,
        by_windows=True,
        normaliser=tile.normaliser,
        normaliser_options=tile.normaliser_options,
        symmetries=tile.symmetries,
    )


SLIDE_OPTIONS = (
    OptionSpec(
        name="mpp",
        type="number",
        help="Micrometres a pixel of a slide at its finest, in place of what the file says: 0.25.",
        of_queries=False,
    ),
    OptionSpec(
        name="at_mpp",
        type="number",
        help="Micrometres a pixel at which the model is to see a slide: 0.5.",
        of_queries=False,
    ),
    OptionSpec(
        name="at_magnification",
        type="number",
        help="The same as a power, by the convention of 10 / power micrometres a pixel: 20 is 0.5.",
        of_queries=False,
    ),
    OptionSpec(
        name="min_tissue",
        type="number",
        help="Share of tissue, without pen marks, below which a window of a slide is passed over; "
        "0 for none. [default: 0.25]",
        of_queries=False,
    ),
)

SLIDE_LOADER = LoaderSpec(
    name="slide",
    summary="Whole slides: Aperio, Hamamatsu, MIRAX, Leica, Ventana, tiled TIFF, OME-TIFF",
    target="fieldguide_medical.slides.loader:SlideLoader",
    extra=EXTRA,
    suffixes=(
        ".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide",
        ".tif", ".tiff", ".ome.tif", ".ome.tiff",
    ),
    recognizes="fieldguide_medical.slides.recognize:is_slide",
    options=OPTIONS,
    windows="fieldguide_medical.slides.loader:open_slide_windows",
)  # fmt: skip

QUPATH_WRITER = WriterSpec(
    name="qupath",
    summary="GeoJSON that QuPath imports: where regions and matches lie on one slide, in pixels",
    target="fieldguide_medical.slides.qupath:write_qupath",
    suffixes=(".geojson",),
    results=("regions", "matches"),
    domain="medical",
    extra=EXTRA,
)
