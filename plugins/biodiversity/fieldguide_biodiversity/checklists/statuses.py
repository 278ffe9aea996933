"""What a source says of a name: a taxon's own, another's synonym, or neither."""

from __future__ import annotations

from typing import Literal

Standing = Literal["taxon", "doubtful", "synonym", "misapplied", "bare"]
"""Doubtful names are taxa; misapplied and bare names belong to none and stay out of the tree."""

_DOUBTFUL = (
    "doubtful",
    "provisional",
    "uncertain",
    "inquirend",
    "unresolved",
    "unchecked",
    "dubium",
)
_SYNONYM = ("synonym", "invalid", "unaccepted", "not accepted", "superseded", "replaced")
_BARE = ("bare name",)


def standing(status: str | None, *, has_accepted: bool) -> Standing:
    """Return what a taxonomic status means.

    The words are those of Darwin Core's ``taxonomicStatus``, of ChecklistBank's vocabulary
    (https://api.checklistbank.org/vocab/taxonomicstatus) and of GBIF's, in any spelling.

    Args:
        status: as the source writes it.
        has_accepted: whether the row names another one as the accepted taxon.

    >>> [standing(text, has_accepted=False) for text in ("ACCEPTED", "HETEROTYPIC_SYNONYM", None)]
    ['taxon', 'synonym', 'taxon']
    """
    text = " ".join((status or "").replace("_", " ").lower().split())
    if "misapplied" in text:
        return "misapplied"
    if text in _BARE:
        return "bare"
    if any(word in text for word in _SYNONYM):
        return "synonym"
    if has_accepted:
        return "synonym"
    if any(word in text for word in _DOUBTFUL):
        return "doubtful"
    return "taxon"
