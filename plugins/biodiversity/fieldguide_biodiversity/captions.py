"""Captions from taxonomic labels, in the text types of BioCLIP.

Stevens et al. 2023, "BioCLIP: A Vision Foundation Model for the Tree of Life"
(arXiv:2311.18803). The sentence around the names is the one of the paper's training captions; a
column ``caption_template`` gives another one, or names a set of templates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.errors import ContractError, UsageError
from fieldguide.zeroshot.class_sets import check_templates, fill
from fieldguide.zeroshot.template_sets import expand_templates
from fieldguide_biodiversity.taxa import RANKS, taxon_metadata
from fieldguide_biodiversity.text_types import MIX, TaxonNames, group_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE = "a photo of {}."
TEMPLATE_COLUMN = "caption_template"


def taxon_caption(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a training caption with everything that is known of the taxon (``taxon_com``).

    Raises:
        ContractError: the record names no taxon, or two different genera, or its template has no
            place for the name. So do all functions here.

    >>> taxon_caption({"scientificName": "Turdus merula", "vernacularName": "blackbird"})
    ('a photo of Turdus merula with common name blackbird.',)
    >>> taxon_caption({"genus": "Turdus", "caption_template": "a drawing of {}"})
    ('a drawing of Turdus',)
    """
    return captions_of(record, "taxon_com")


def com_caption(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a caption with the common name; else the scientific, else the taxonomic one.

    >>> com_caption({"genus": "Pica", "species": "hudsonia"})
    ('a photo of Pica hudsonia.',)
    """
    return captions_of(record, "com")


def sci_caption(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a caption with genus and epithet."""
    return captions_of(record, "sci")


def ranks_caption(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a caption with all known ranks from kingdom to epithet."""
    return captions_of(record, "taxon")


def sci_com_caption(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a caption with the scientific and the common name."""
    return captions_of(record, "sci_com")


def mix_caption(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the five captions of BioCLIP, of which a training draws one each time.

    >>> mix_caption({"genus": "Pica", "species": "pica", "common_name": "magpie"})[:2]
    ('a photo of magpie.', 'a photo of Pica pica.')
    """
    return captions_of(record, MIX)


def kind_caption(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a caption with the common name and the nearest well-known group.

    >>> kind_caption({"class": "Aves", "species": "Erithacus rubecula",
    ...               "common_name": "European robin"})
    ('a photo of European robin, a kind of bird.',)
    """
    return captions_of(record, "kind")


def captions_of(record: Mapping[str, Any], text_type: str) -> tuple[str, ...]:
    """Return the captions of a record in a text type; one for each template.

    Raises:
        ContractError: see :func:`taxon_caption`.
    """
    texts = texts_of(names_of(record), text_type)
    if not texts:
        raise ContractError(
            "its row names no taxon. Fill one of the columns kingdom, phylum, class, order, "
            "family, genus, species, scientific_name or common_name."
        )
    return tuple(fill(_templates(record), texts))


def names_of(record: Mapping[str, Any]) -> TaxonNames:
    """Return what the taxon of a record is called.

    Raises:
        ContractError: two columns name different genera.

    >>> names_of({"species": "Pica hudsonia", "family": None}).scientific
    'Pica hudsonia'
    """
    taxon = taxon_metadata(record)
    return TaxonNames(
        common=taxon.get("common_name", ""),
        scientific=_joined(taxon, ("genus", "species")),
        taxonomic=_joined(taxon, RANKS),
        group=group_of(taxon[rank] for rank in RANKS if rank in taxon),
    )


def _joined(taxon: Mapping[str, str], ranks: tuple[str, ...]) -> str:
    return " ".join(taxon[rank] for rank in ranks if rank in taxon)


def _templates(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the templates of a record.

    Raises:
        ContractError: its own has no place for a name, or several.
    """
    own = record.get(TEMPLATE_COLUMN)
    if own in (None, ""):
        return (TEMPLATE,)
    templates = expand_templates((str(own),)) or ()
    try:
        check_templates(templates)
    except UsageError as error:
        raise ContractError(f"its {TEMPLATE_COLUMN} does not fit. {error}") from error
    return templates
