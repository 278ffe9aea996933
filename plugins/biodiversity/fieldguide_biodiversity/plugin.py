"""What the biodiversity plugin offers. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.hookspecs import hookimpl
from fieldguide.specs import DomainSpec, ModalitySpec
from fieldguide_biodiversity.benchmarks.inquire_offers import inquire_specs
from fieldguide_biodiversity.benchmarks.offers import benchmark_specs
from fieldguide_biodiversity.caption_offers import CONVERTERS, READERS
from fieldguide_biodiversity.checklist_offers import (
    NAME_WRITERS,
    TAXONOMY_COMMANDS,
    TAXONOMY_READER,
)
from fieldguide_biodiversity.detector_offers import DETECTOR_READERS
from fieldguide_biodiversity.output_offers import OUTPUT_COMMANDS, OUTPUT_WRITERS
from fieldguide_biodiversity.prior_offers import (
    DATE_COLUMNS,
    OCCURRENCES,
    PLACE_AND_SEASON,
    PLACE_COLUMNS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fieldguide.specs import (
        BenchmarkSpec,
        CaptionConverterSpec,
        CommandSpec,
        MethodSpec,
        WriterSpec,
    )

api = 1

EXTRA = "biodiversity"
TAXON_COLUMNS = (
    "scientificName",
    "scientific_name",
    "species",
    "genus",
    "family",
    "order",
    "class",
    "phylum",
    "kingdom",
    "label",
)
"""Where tables of organisms say what is seen, the narrowest first."""

REPAIRS = ("grayscale_to_rgb", "sixteen_bit_to_eight_bit")

ORGANISM_PHOTO = ModalitySpec(
    name="organism_photo",
    summary="A photograph of an animal, plant or fungus",
    extra=EXTRA,
    loader=("image",),
    broader="photo",  # a model made for photographs covers organisms in them
    repairs=REPAIRS,
    templates=("a photo of {}.", "a photo of a {}.", "a close-up photo of {} in nature.", "{}"),
    symmetries="mirror",
)

UNDERWATER_FISH = ModalitySpec(
    name="underwater_fish",
    summary="A crop of one fish from a fixed underwater camera",
    extra=EXTRA,
    loader=("image",),
    repairs=REPAIRS,
    templates=(
        "an underwater photo of {}",
        "a photo of the fish {}",
        "a reef fish, {}",
        "a {} swimming near a coral reef",
        "{}",
    ),
    fits_by_suffix=False,
    symmetries="mirror",
)


@hookimpl
def register_domains() -> Iterable[DomainSpec]:
    """Offer the field of species."""
    yield DomainSpec(
        name="biodiversity",
        summary="Animals, plants and fungi in photographs and underwater video",
        extra=EXTRA,
        modalities=(ORGANISM_PHOTO, UNDERWATER_FISH),
        registry="fieldguide_biodiversity:registry.yaml",
        class_sets=(
            "fieldguide_biodiversity:prompts/fish4knowledge.yaml",
            "fieldguide_biodiversity:prompts/plantvillage_38.yaml",
        ),
        label_texts="fieldguide_biodiversity.label_texts:label_texts",
        description_sets=("fieldguide_biodiversity:prompts/fish4knowledge_looks.yaml",),
        demo="fieldguide_biodiversity.demo:demo_sets",
        taxonomy="fieldguide_biodiversity.default_tree:default_tree",
        taxonomy_reader=TAXONOMY_READER,
        place_columns=PLACE_COLUMNS,
        date_columns=DATE_COLUMNS,
        taxon_columns=TAXON_COLUMNS,
        options=PLACE_AND_SEASON,
        prior="fieldguide_biodiversity.priors.source:place_and_season",
    )


@hookimpl
def register_caption_converters() -> Iterable[CaptionConverterSpec]:
    """Offer captions from taxonomic labels, descriptions, camera traps and leaves."""
    yield from CONVERTERS


@hookimpl
def register_commands() -> Iterable[CommandSpec]:
    """Offer ``fieldguide biodiversity NAME``."""
    yield from (*TAXONOMY_COMMANDS, OCCURRENCES, *OUTPUT_COMMANDS)


@hookimpl
def register_writers() -> Iterable[WriterSpec]:
    """Offer tables of results that only this domain has."""
    yield from NAME_WRITERS
    yield from OUTPUT_WRITERS


@hookimpl
def register_methods() -> Iterable[MethodSpec]:
    """Offer the formats of annotations of the field."""
    yield from (*READERS, *DETECTOR_READERS)


@hookimpl
def register_benchmarks() -> Iterable[BenchmarkSpec]:
    """Offer protocols on public data sets of organisms."""
    yield from (*benchmark_specs(), *inquire_specs())
