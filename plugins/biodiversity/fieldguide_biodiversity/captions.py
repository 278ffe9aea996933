"""Captions from taxonomic labels, in the five text types of BioCLIP.

Stevens et al. 2023, "BioCLIP: A Vision Foundation Model for the Tree of Life"
(arXiv:2311.18803): common, scientific and taxonomic name, and the latter two with the
common name. The sentence around them is the one of the paper's training captions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.errors import ContractError
from fieldguide_biodiversity.taxa import RANKS, taxon_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping


def common_name(record: Mapping[str, Any]) -> str:
    """Return the common name, or an empty text.

    >>> common_name({"genus": "Pica", "common_name": "black-billed magpie"})
    'black-billed magpie'
    """
    return taxon_metadata(record).get("common_name", "")


def scientific_name(record: Mapping[str, Any]) -> str:
    """Return genus and epithet; the genus alone, or an empty text, where that is all there is.

    >>> scientific_name({"genus": "Pica", "species": "hudsonia"})
    'Pica hudsonia'
    >>> scientific_name({"species": "Pica hudsonia", "family": None})
    'Pica hudsonia'
    """
    return _joined(taxon_metadata(record), ("genus", "species"))


def taxonomic_name(record: Mapping[str, Any]) -> str:
    """Return all known ranks from kingdom to epithet; missing ones are left out.

    >>> taxonomic_name({"kingdom": "Animalia", "class": "Aves", "order": float("nan"),
    ...                 "genus": "Pica", "species": "hudsonia"})
    'Animalia Aves Pica hudsonia'
    """
    return _joined(taxon_metadata(record), RANKS)


def sci_com(record: Mapping[str, Any]) -> str:
    """Return the scientific name with the common name.

    >>> sci_com({"genus": "Pica", "species": "hudsonia", "common_name": "black-billed magpie"})
    'Pica hudsonia with common name black-billed magpie'
    >>> sci_com({"genus": "Pica", "species": "hudsonia", "common_name": "None"})
    'Pica hudsonia'
    """
    return _with_common(scientific_name(record), common_name(record))


def taxon_com(record: Mapping[str, Any]) -> str:
    """Return the taxonomic name with the common name.

    >>> taxon_com({"family": "Corvidae", "genus": "Pica", "common_name": "magpie"})
    'Corvidae Pica with common name magpie'
    """
    return _with_common(taxonomic_name(record), common_name(record))


def taxon_caption(record: Mapping[str, Any]) -> str:
    """Return a training caption with everything that is known of the taxon.

    Raises:
        ContractError: the record names no taxon, or two different genera.

    >>> taxon_caption({"scientificName": "Turdus merula", "vernacularName": "blackbird"})
    'a photo of Turdus merula with common name blackbird.'
    """
    name = taxon_com(record)
    if not name:
        raise ContractError(
            "its row names no taxon. Fill one of the columns kingdom, phylum, class, order, "
            "family, genus, species, scientific_name or common_name."
        )
    return f"a photo of {name}."


def _joined(taxon: Mapping[str, str], ranks: tuple[str, ...]) -> str:
    return " ".join(taxon[rank] for rank in ranks if rank in taxon)


def _with_common(name: str, common: str) -> str:
    """Join both; where one is missing the other stands alone."""
    return f"{name} with common name {common}" if name and common else name or common
