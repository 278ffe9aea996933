"""Ranks of the living world, wide to narrow, and how they are written."""

from __future__ import annotations

RANK_ORDER = (
    *("domain", "realm", "subrealm", "superkingdom", "kingdom", "subkingdom", "infrakingdom"),
    *("superphylum", "phylum", "subphylum", "infraphylum", "parvphylum", "microphylum"),
    *("gigaclass", "megaclass", "superclass", "class", "subclass", "infraclass", "subterclass"),
    *("parvclass", "superlegion", "legion", "sublegion", "supercohort", "cohort", "subcohort"),
    *("gigaorder", "magnorder", "grandorder", "mirorder", "superorder", "order", "nanorder"),
    *("hypoorder", "minorder", "suborder", "infraorder", "parvorder", "zoosection"),
    *("zoosubsection", "megafamily", "grandfamily", "superfamily", "epifamily", "family"),
    *("subfamily", "infrafamily", "supertribe", "tribe", "subtribe", "infratribe"),
    *("supergenus", "genus", "genushybrid", "subgenus", "infragenus", "supersection", "section"),
    *("subsection", "superseries", "series", "subseries", "species aggregate", "complex"),
    *("species", "hybrid", "infraspecies", "subspecies", "infrahybrid", "variety", "subvariety"),
    *("form", "subform", "race", "morph", "strain", "cultivar group", "cultivar"),
)
"""Those that Catalogue of Life, GBIF and iNaturalist write.

ChecklistBank's vocabulary of ranks (https://api.checklistbank.org/vocab/rank) and iNaturalist's
list of rank levels; of names that two codes use for different places, the commoner one.
"""

SPECIES, GENUS = "species", "genus"
BELOW_SPECIES = RANK_ORDER[RANK_ORDER.index(SPECIES) + 1 :]

_WRITTEN = {
    "regnum": "kingdom",
    "division": "phylum",
    "divisio": "phylum",
    "subdivision": "subphylum",
    "superdivision": "superphylum",
    "classis": "class",
    "ordo": "order",
    "familia": "family",
    "tribus": "tribe",
    "gen.": "genus",
    "gen": "genus",
    "subgen.": "subgenus",
    "subg.": "subgenus",
    "sect.": "section",
    "section botany": "section",
    "section zoology": "zoosection",
    "subsection botany": "subsection",
    "subsection zoology": "zoosubsection",
    "ser.": "series",
    "aggregate": "species aggregate",
    "species group": "species aggregate",
    "species complex": "species aggregate",
    "sp": "species",
    "sp.": "species",
    "subsp.": "subspecies",
    "subsp": "subspecies",
    "ssp.": "subspecies",
    "ssp": "subspecies",
    "var.": "variety",
    "var": "variety",
    "varietas": "variety",
    "subvar.": "subvariety",
    "f.": "form",
    "f": "form",
    "fo.": "form",
    "forma": "form",
    "subf.": "subform",
    "infraspecific name": "infraspecies",
    "infraspecific_name": "infraspecies",
    "cv.": "cultivar",
    "cultivar_group": "cultivar group",
    "species_aggregate": "species aggregate",
}
"""Other ways to write some of them."""


def known_rank(written: str) -> str | None:
    """Return a rank as ``RANK_ORDER`` writes it; None where it is none.

    >>> [known_rank(text) for text in ("SPECIES", "subsp.", "Division", "unranked")]
    ['species', 'subspecies', 'phylum', None]
    """
    text = " ".join(written.split()).lower()
    text = _WRITTEN.get(text, text)
    return text if text in RANK_ORDER else None
