"""Taxonomic labels of a metadata record: one spelling of the columns, no null-like values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fieldguide.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
"""From wide to narrow; ``species`` holds the epithet."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "kingdom": ("kingdom",),
    "phylum": ("phylum", "division"),
    "class": ("class_", "cls", "class"),  # tables of images often use "class" for their label
    "order": ("order", "order_"),
    "family": ("family",),
    "genus": ("genus",),
    "species": ("species", "specificepithet", "specific_epithet", "species_epithet", "epithet"),
    "scientific_name": ("scientificname", "scientific_name", "sci_name", "binomial"),
    "common_name": ("common_name", "commonname", "vernacular_name", "vernacularname"),
}
"""Column names by what they hold, in lower case, the surest first."""

NULL_LIKE = frozenset(
    ("", "-", "?", "nan", "none", "null", "na", "n/a", "<na>", "unknown", "unidentified",
     "(unidentified)", "not classified", "pleasehelp")
)  # fmt: skip
"""What tables write where something is not known, in lower case."""

KINGDOMS = {"Metazoa": "Animalia", "Archaeplastida": "Plantae", "Chloroplastida": "Plantae"}
"""Names of kingdoms that BioCLIP's tables (``naming.py``) write otherwise than their sources."""

_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>")  # of names in the Encyclopedia of Life
_UNDETERMINED = frozenset(("sp", "spp", "cf", "aff", "indet"))
_BINOMIAL = re.compile(r"([A-Z][^\W\d_]+)(?: \([A-Z][^\W\d_]+\))? (\S.*)")  # genus (subgenus) rest
# the multiplication sign marks hybrids
_EPITHET = re.compile(r"(?:[\u00d7x] ?)?[^\W\d_A-Z][^\W\d_]+(?:-[^\W\d_]+)*")


def taxon_metadata(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the ranks and the common name that a record really holds, wide to narrow.

    Binomials are split into genus and epithet, authors and years after them are left out; ranks
    that are missing in between stay missing. Applied to its own result it changes nothing.

    Args:
        record: a manifest row or other metadata; columns may be named as in Darwin Core, in
            snake case, or as in BioCLIP's tables (``cls``).

    Returns:
        Some of the keys ``RANKS`` and ``common_name``; an epithet only where its genus is known.

    Raises:
        ContractError: two columns name different genera.

    >>> taxon_metadata({"scientificName": "Pica pica (Linnaeus, 1758)", "Family": "nan"})
    {'genus': 'Pica', 'species': 'pica'}
    >>> taxon_metadata({"cls": "Aves", "genus": "Pica", "species": "Pica pica", "order": None})
    {'class': 'Aves', 'genus': 'Pica', 'species': 'pica'}
    """
    found = _columns(record)
    if " " in found.get("class", ""):
        del found["class"]  # a rank is one word: this is the label of a table of images
    if "kingdom" in found:
        found["kingdom"] = KINGDOMS.get(found["kingdom"], found["kingdom"])
    for name in (found.pop("species", ""), found.pop("scientific_name", "")):
        genus, epithet = _split(name)
        if genus and found.setdefault("genus", genus).casefold() != genus.casefold():
            raise ContractError(
                f"one column names the genus {found['genus']}, another {genus}. Correct one."
            )
        if epithet and "genus" in found:
            found.setdefault("species", epithet)
    return {name: found[name] for name in (*RANKS, "common_name") if name in found}


def clean(value: Any) -> str:
    """Return a value as trimmed text; empty when it says that nothing is known.

    >>> [clean(value) for value in (" Homo_sapiens ", float("nan"), None, "Unknown", 7)]
    ['Homo sapiens', '', '', '', '7']
    """
    text = " ".join(_MARKUP.sub("", str(value)).replace("_", " ").split())
    return "" if text.casefold() in NULL_LIKE else text


def _columns(record: Mapping[str, Any]) -> dict[str, str]:
    """Return cleaned values by what they hold; the first alias with a value wins."""
    spelled: dict[str, str] = {}
    for column, value in record.items():
        key = str(column).strip().lower().replace(" ", "_")
        if text := clean(value):
            spelled.setdefault(key, text)
    found: dict[str, str] = {}
    for name, aliases in ALIASES.items():
        for alias in aliases:
            if alias in spelled:
                found.setdefault(name, spelled[alias])
    return found


def _split(name: str) -> tuple[str, str]:
    """Return genus and epithet; each is empty where the name does not have it.

    >>> _split("Aedes (Stegomyia) aegypti"), _split("tuberculata"), _split("Amanita sp. 3")
    (('Aedes', 'aegypti'), ('', 'tuberculata'), ('Amanita', ''))
    """
    binomial = _BINOMIAL.fullmatch(name)
    genus, rest = (clean(binomial[1]), binomial[2]) if binomial else ("", name)
    match = _EPITHET.match(rest)
    epithet = clean(match[0]) if match else ""
    return genus, "" if epithet.casefold() in _UNDETERMINED else epithet
