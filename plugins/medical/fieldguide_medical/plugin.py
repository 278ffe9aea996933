"""What the medical plugin offers. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.hookspecs import hookimpl
from fieldguide.specs import (
    BenchmarkSpec,
    CaptionConverterSpec,
    CommandSpec,
    DomainSpec,
    LoaderSpec,
    ModalitySpec,
    ModelSpec,
    OptionSpec,
    WriterSpec,
)
from fieldguide_medical import reading_offers
from fieldguide_medical.benchmarks.offers import BENCHMARK_CLASS_SETS, benchmark_specs
from fieldguide_medical.open_facts import OPEN_FACTS
from fieldguide_medical.privacy_offers import PRIVACY_COMMANDS
from fieldguide_medical.report_offers import REPORT_COMMANDS, REPORT_CONVERTERS, REPORT_WRITERS
from fieldguide_medical.slide_offers import (
    QUPATH_WRITER,
    SLIDE_LOADER,
    SLIDE_OPTIONS,
    slide_modality,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fieldguide.specs import CommandSpec, LoaderSpec

api = 1

EXTRA = "medical"
QUOTING_LOGGERS = ("pydicom", "nibabel.global", "tifffile", "PIL.Image", "PIL.PngImagePlugin",
                   "PIL.TiffImagePlugin")  # fmt: skip
CLASS_SETS = ("lung_histology", "ct_rate_18", "ct_rate_18_ctclip", "merlin_abdomen_30",
              "chest_xray_14", *BENCHMARK_CLASS_SETS)  # fmt: skip

STAIN_NORMALISER = "fieldguide_medical.stain_normaliser:make_normaliser"
STAIN_OPTIONS = (
    OptionSpec(
        name="stain",
        help="Normalise the stain of histology: of a tile by itself, of windows by their slide.",
        choices=("macenko", "reinhard"),
    ),
    OptionSpec(
        name="stain_target",
        help="A picture whose stain all shall get; else published values.",
    ),
)

HISTOLOGY_TILE = ModalitySpec(
    name="histology_tile",
    summary="a tile of a slide stained with haematoxylin and eosin, as a plain image",
    extra=EXTRA,
    loader=("image",),
    repairs=("sixteen_bit_to_eight_bit",),
    templates=(
        "a histology image of {}.",
        "a histopathology image showing {}.",
        "an H&E stained tile of {}.",
        "an H&E stained section of {}.",
        "a micrograph of {}, stained with haematoxylin and eosin.",
    ),
    check="fieldguide_medical.histology:check_stained_tile",
    normaliser=STAIN_NORMALISER,
    normaliser_options=tuple(option.name for option in STAIN_OPTIONS),
    symmetries="all",
)

BLOOD_SMEAR = ModalitySpec(
    name="blood_smear",
    summary="a stained blood smear, as a plain image",
    extra=EXTRA,
    loader=("image",),
    repairs=("sixteen_bit_to_eight_bit",),
    templates=("a micrograph of a blood smear with {}.", "a stained blood smear showing {}."),
    fits_by_suffix=False,
    symmetries="all",
)

CT_VOLUME = ModalitySpec(
    name="ct_volume",
    summary="a CT volume in Hounsfield units, from NIfTI, DICOM, NRRD or MetaImage",
    extra=EXTRA,
    loader=("nifti", "dicom_series", "nrrd", "metaimage"),
    repairs=("resampled", "cropped", "padded"),
    templates=("a CT scan of {}.", "a computed tomography volume showing {}."),
    preview="fieldguide_medical.preview:ct_slice",
)


@hookimpl
def register_domains() -> Iterable[DomainSpec]:
    """Offer the domain ``medical``."""
    yield DomainSpec(
        name="medical",
        summary="CT volumes, radiographs, stained histology tiles and whole slides, for research",
        extra=EXTRA,
        modalities=(
            HISTOLOGY_TILE,
            CT_VOLUME,
            slide_modality(HISTOLOGY_TILE),
            reading_offers.RADIOGRAPH,
            BLOOD_SMEAR,
        ),
        options=(*reading_offers.OPTIONS, *STAIN_OPTIONS, *SLIDE_OPTIONS),
        registry="fieldguide_medical:registry.yaml",
        class_sets=tuple(f"fieldguide_medical:prompts/{name}.yaml" for name in CLASS_SETS),
        demo="fieldguide_medical.demo:demo_sets",
        private_sources=True,
        open_facts=OPEN_FACTS,
        quoting_loggers=QUOTING_LOGGERS,
    )


@hookimpl
def register_loaders() -> Iterable[LoaderSpec]:
    """Offer the readers of CT volumes, radiographs and slides."""
    yield from reading_offers.LOADERS
    yield SLIDE_LOADER


@hookimpl
def register_models() -> Iterable[ModelSpec]:
    """Offer models of volumes that are made from a model of pictures."""
    yield ModelSpec(
        name="slice_pooled",
        summary="A model of pictures for CT volumes: windowed slices, their vectors pooled",
        target="fieldguide_medical.volume_models:build_slice_pooled",
        extra=EXTRA,
        recipe_key="pooling",
        recipe="fieldguide_medical.volume_models:slice_pooled_settings",
    )
    yield ModelSpec(
        name="inflated",
        summary="A model of pictures for CT volumes: its kernels given depth",
        target="fieldguide_medical.volume_models:build_inflated",
        extra=EXTRA,
        recipe_key="inflate",
        recipe="fieldguide_medical.volume_models:inflated_settings",
    )
    yield ModelSpec(
        name="astra_i3resnet152",
        summary="An inflated ResNet-152 in three parts, without a text tower",
        target="fieldguide_medical.astra:build_astra",
        extra=EXTRA,
    )


@hookimpl
def register_caption_converters() -> Iterable[CaptionConverterSpec]:
    """Offer captions from reports."""
    yield CaptionConverterSpec(
        name="report_sentences",
        summary="The sentences of a report's findings and impression, as ConVIRT draws them",
        target="fieldguide_medical.captions:report_captions",
        domain="medical",
    )
    yield from REPORT_CONVERTERS


@hookimpl
def register_writers() -> Iterable[WriterSpec]:
    """Offer the files of a search in a CT volume or slide."""
    yield QUPATH_WRITER
    yield WriterSpec(
        name="heat_volume",
        summary="Heat map of a search in a CT volume, on the grid of its file",
        target="fieldguide_medical.heat_volume:write_heat_volume",
        extra=EXTRA,
        suffixes=(".nii", ".nii.gz"),
        results=("regions",),
        domain="medical",
    )
    yield from REPORT_WRITERS
    yield WriterSpec(
        name="slice_list",
        summary="The slices of a CT volume in which a text was found, best first",
        target="fieldguide_medical.slice_list:write_slice_list",
        extra=EXTRA,
        suffixes=(".slices.csv",),
        results=("regions",),
        domain="medical",
    )


@hookimpl
def register_commands() -> Iterable[CommandSpec]:
    """Offer ``fieldguide medical NAME``."""
    yield from REPORT_COMMANDS
    yield from PRIVACY_COMMANDS
    yield reading_offers.SERIES


@hookimpl
def register_benchmarks() -> Iterable[BenchmarkSpec]:
    """Offer protocols on public data sets."""
    yield from benchmark_specs()
