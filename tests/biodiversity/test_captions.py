from __future__ import annotations

import csv
import doctest
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.errors import ContractError
from fieldguide_biodiversity import captions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MAGPIE = {
    "kingdom": "Animalia",
    "phylum": "Chordata",
    "class": "Aves",
    "order": "Passeriformes",
    "family": "Corvidae",
    "genus": "Pica",
    "species": "hudsonia",
    "common_name": "black-billed magpie",
}


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(captions).failed == 0


@pytest.mark.parametrize(
    ("text_type", "expected"),
    [
        # the paper's own example of the five text types (arXiv:2311.18803)
        (captions.common_name, "black-billed magpie"),
        (captions.scientific_name, "Pica hudsonia"),
        (
            captions.taxonomic_name,
            "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia",
        ),
        (captions.sci_com, "Pica hudsonia with common name black-billed magpie"),
        (
            captions.taxon_com,
            "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia "
            "with common name black-billed magpie",
        ),
    ],
)
def test_five_text_types_of_the_paper(
    text_type: Callable[[Mapping[str, Any]], str], expected: str
) -> None:
    assert text_type(MAGPIE) == expected


def test_a_binomial_in_the_species_column_gives_the_same_caption_as_an_epithet() -> None:
    binomial = {**MAGPIE, "species": "Pica hudsonia"}
    assert captions.taxon_caption(binomial) == captions.taxon_caption(MAGPIE)


def test_ranks_that_are_missing_in_between_are_left_out() -> None:
    ragged = {**MAGPIE, "phylum": None, "order": "", "family": "nan"}
    assert captions.taxonomic_name(ragged) == "Animalia Aves Pica hudsonia"


def test_a_record_with_a_common_name_alone_is_captioned_by_it() -> None:
    assert captions.taxon_caption({"common_name": "magpie"}) == "a photo of magpie."


def test_a_record_of_a_higher_taxon_is_captioned_by_its_ranks() -> None:
    record = {"kingdom": "Animalia", "family": "Scaridae", "genus": None, "species": None}
    assert captions.taxon_caption(record) == "a photo of Animalia Scaridae."


@pytest.mark.parametrize("record", [{}, {"genus": "unknown", "site": "A3"}, {"species": "sp."}])
def test_a_record_without_any_taxon_is_refused_with_the_columns_to_fill(
    record: dict[str, Any],
) -> None:
    with pytest.raises(ContractError, match=r"names no taxon\. Fill one of the columns"):
        captions.taxon_caption(record)


@pytest.mark.shared_data
def test_every_row_of_the_rare_species_table_gives_its_full_caption(shared_data: Path) -> None:
    path = shared_data / "biodiversity" / "taxonomy" / "rare_species.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 11_983
    for row in rows:
        ranks = ("kingdom", "phylum", "cls", "order", "family", "genus", "species")
        names = " ".join(row[column] for column in ranks)  # the table has no null rank
        expected = f"a photo of {names} with common name {row['common_name']}."
        assert captions.taxon_caption(row) == expected
        assert not {"nan", "None", "unknown"} & set(expected.split())
