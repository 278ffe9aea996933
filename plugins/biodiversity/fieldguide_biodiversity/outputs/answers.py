"""What a prediction says in the end: a name, or why it names nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.data.manifest_windows import COLUMNS
from fieldguide.results import NONE_OF_THESE
from fieldguide_biodiversity.checklists.ranks import BELOW_SPECIES, GENUS, SPECIES

if TYPE_CHECKING:
    from fieldguide.results import Guess, Prediction
    from fieldguide.taxonomy.taxon import Taxon


def answer_of(prediction: Prediction) -> Guess | None:
    """Return the best guess; None where there is none, or where it is "none of these"."""
    best = prediction.guesses[0] if prediction.guesses else None
    return None if best is None or best.label == NONE_OF_THESE else best


def silence_of(prediction: Prediction) -> str:
    """Return why a prediction names nothing: "none of these" or its status."""
    return NONE_OF_THESE if prediction.guesses else prediction.status


def part_of(prediction: Prediction) -> str:
    """Return which part of its file a prediction means: ``row,column,height,width`` in pixels.

    Empty for a whole file.
    """
    found = [prediction.metadata.get(name) for name in COLUMNS]
    return "" if None in found else ",".join(map(str, found))


def epithet_of(taxon: Taxon) -> tuple[str, str]:
    """Return the name of a species or of what is below it, and that name without its genus.

    Both are empty for a wider taxon. ``Ursus arctos syriacus`` has the epithets
    ``arctos syriacus``.
    """
    lineage = dict(taxon.lineage)
    name = taxon.name if taxon.rank in BELOW_SPECIES else lineage.get(SPECIES, "")
    genus = lineage.get(GENUS) or name.partition(" ")[0]
    return name, name.removeprefix(genus).strip()
