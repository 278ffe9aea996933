"""Which columns of a table of occurrences hold what.

The names are the terms of Darwin Core (https://dwc.tdwg.org/terms/), as downloads of GBIF have them
(https://techdocs.gbif.org/en/data-use/download-formats), and those of iNaturalist's export of
observations (https://www.inaturalist.org/observations/export).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")
"""From wide to narrow."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "species": ("species", "taxon_species_name"),
    "scientific_name": ("scientificname", "scientific_name"),
    "epithet": ("specificepithet",),
    **{rank: (rank, f"taxon_{rank}_name") for rank in RANKS},
    "latitude": ("decimallatitude", "latitude"),
    "longitude": ("decimallongitude", "longitude"),
    "uncertainty_m": (
        "coordinateuncertaintyinmeters",
        "public_positional_accuracy",
        "positional_accuracy",
    ),
    "date": ("eventdate", "observed_on"),
    "month": ("month",),
    "basis": ("basisofrecord",),
    "status": ("occurrencestatus",),
    "individuals": ("individualcount",),
    "captive": ("captive_cultivated",),
    "country": ("countrycode",),
}
"""Names in lower case by what they hold, the surest first."""

NAMED_BY = ("species", "scientific_name", "genus")


def choose_columns(header: Sequence[str]) -> dict[str, str]:
    """Return the column of a header for each thing that it tells.

    Raises:
        UsageError: there is no place, or no name; the sentence has no file in it.

    >>> choose_columns(["gbifID", "species", "decimalLatitude", "decimalLongitude"])
    {'species': 'species', 'latitude': 'decimalLatitude', 'longitude': 'decimalLongitude'}
    """
    spelled = {name.strip().lower().rpartition(":")[2]: name for name in reversed(header)}
    found = {
        thing: next(spelled[alias] for alias in aliases if alias in spelled)
        for thing, aliases in ALIASES.items()
        if any(alias in spelled for alias in aliases)
    }
    if not {"latitude", "longitude"} <= set(found):
        raise UsageError(
            "it has no columns decimalLatitude and decimalLongitude (or latitude and longitude). "
            "Give an occurrence download of GBIF, an observations export of iNaturalist, or a "
            "table with Darwin Core's names in its first line."
        )
    if not any(name in found for name in NAMED_BY):
        raise UsageError(
            "it has no column species, scientificName or genus. Give a table with one of them."
        )
    return found
