"""The CSV of ``bioclip predict``, so that what reads pybioclip's tables reads these.

Columns as pybioclip 2.1 writes them (Imageomics, https://github.com/Imageomics/pybioclip,
``get_tol_classification_labels``): for taxa ``file_name``, the ranks from kingdom down to the one
asked for, with ``species_epithet`` before ``species`` and ``common_name`` after it, and ``score``;
for labels and bins of one's own ``file_name``, ``classification`` and ``score``.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from fieldguide.writers.tables import write_csv_rows
from fieldguide_biodiversity.outputs.answers import answer_of, epithet_of, part_of, silence_of
from fieldguide_biodiversity.taxa import RANKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.results import Guess, Prediction, Predictions
    from fieldguide.taxonomy.taxon import Taxon

TAXON_COLUMNS = (*RANKS[:-1], "species_epithet", "species", "common_name")
LABEL_COLUMN = "classification"

logger = logging.getLogger(__name__)


def write_bioclip_table(result: Predictions, path: Path) -> dict[str, Any]:
    """Write predictions as pybioclip does, one row a guess, best first.

    pybioclip has no word for inputs that could not be read (they end it with an error) and none
    for "none of these": such inputs have no row, and are counted. A part of a file is called
    ``file#row,column,height,width``.

    Returns:
        How many inputs have rows, and how many have none, by reason.

    Raises:
        StoreError: the file cannot be written.
    """
    named = [prediction for prediction in result if answer_of(prediction) is not None]
    columns = _columns(named, result.provenance.get("rank"))
    rows = [
        {"file_name": _file_name(prediction), **_names(guess, columns), "score": guess.probability}
        for prediction in named
        for guess in prediction.guesses
    ]
    write_csv_rows(path, ("file_name", *columns, "score"), rows, line_end="\n")
    silent = Counter(silence_of(prediction) for prediction in result if not answer_of(prediction))
    _tell(path, silent)
    return {"inputs": len(named), "without_a_row": dict(silent)}


def _columns(named: Sequence[Prediction], asked: str | None) -> tuple[str, ...]:
    """Return the columns between file and score.

    Args:
        named: predictions that name something.
        asked: the rank that was asked for; None for species, as pybioclip does. A narrower taxon
            that stands for a gap in its lineage has its columns too.
    """
    guesses = [guess for prediction in named for guess in prediction.guesses]
    taxa = [guess.taxon for guess in guesses if guess.taxon is not None]
    if guesses and not taxa:
        return (LABEL_COLUMN,)
    held = {rank for taxon in taxa for rank in _ranks_of(taxon)}
    needed = [rank for rank in RANKS if rank in held or rank == asked]
    if asked not in RANKS or needed[-1] == RANKS[-1]:
        return TAXON_COLUMNS
    return RANKS[: RANKS.index(needed[-1]) + 1]


def _ranks_of(taxon: Taxon) -> dict[str, str]:
    """Return what pybioclip has columns for."""
    species, epithet = epithet_of(taxon)
    found = {rank: name for rank, name in taxon.lineage if rank in RANKS}
    if species:
        found |= {"species": species, "species_epithet": epithet}
    return {**found, "common_name": taxon.common_name}


def _names(guess: Guess, columns: Sequence[str]) -> Mapping[str, str]:
    if columns == (LABEL_COLUMN,):
        return {LABEL_COLUMN: guess.label}
    found = {} if guess.taxon is None else _ranks_of(guess.taxon)
    return {column: found.get(column, "") for column in columns}


def _file_name(prediction: Prediction) -> str:
    part = part_of(prediction)
    return f"{prediction.path}#{part}" if part else prediction.path


def _tell(path: Path, silent: Mapping[str, int]) -> None:
    if silent:
        counts = ", ".join(f"{count} {reason}" for reason, count in silent.items())
        logger.warning(
            "%s has no row for %d inputs (%s): pybioclip's table has no word for them. The whole "
            "table: write .csv.", path, sum(silent.values()), counts,
        )  # fmt: skip
