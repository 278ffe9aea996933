from __future__ import annotations

import csv
import doctest
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.errors import ContractError, UnknownNameError
from fieldguide_biodiversity import captions, text_types

if TYPE_CHECKING:
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
    assert doctest.testmod(text_types).failed == 0


FIVE = {
    # the paper's own example of the five text types (arXiv:2311.18803)
    "com": "black-billed magpie",
    "sci": "Pica hudsonia",
    "taxon": "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia",
    "sci_com": "Pica hudsonia with common name black-billed magpie",
    "taxon_com": "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia "
    "with common name black-billed magpie",
}


@pytest.mark.parametrize(("text_type", "expected"), FIVE.items())
def test_five_text_types_of_the_paper(text_type: str, expected: str) -> None:
    assert text_types.texts_of(captions.names_of(MAGPIE), text_type) == (expected,)
    assert captions.captions_of(MAGPIE, text_type) == (f"a photo of {expected}.",)


def test_the_mix_of_the_training_has_all_five() -> None:
    assert captions.mix_caption(MAGPIE) == tuple(f"a photo of {text}." for text in FIVE.values())


def test_without_a_common_name_com_falls_back_as_the_authors_do_and_others_say_no_name_twice() -> (
    None
):
    """make_wds.py: the scientific name stands in, then the taxonomic one."""
    nameless = {**MAGPIE, "common_name": None}
    assert captions.com_caption(nameless) == ("a photo of Pica hudsonia.",)
    assert captions.sci_com_caption(nameless) == ("a photo of Pica hudsonia.",)
    higher = {"class": "Aves", "family": "Corvidae"}
    assert captions.com_caption(higher) == ("a photo of Aves Corvidae.",)
    assert captions.sci_caption(higher) == ("a photo of Aves Corvidae.",)


def test_the_kind_is_the_nearest_group_that_everybody_knows() -> None:
    assert captions.kind_caption(MAGPIE) == ("a photo of black-billed magpie, a kind of bird.",)
    owl = {"class": "Aves", "order": "Strigiformes", "species": "Strix aluco"}
    assert captions.kind_caption(owl) == ("a photo of Strix aluco, a kind of owl.",)
    tawny = {**owl, "common_name": "tawny owl"}
    assert captions.kind_caption(tawny) == ("a photo of tawny owl.",)


def test_a_template_of_the_row_takes_the_place_of_the_usual_one() -> None:
    drawn = {**MAGPIE, "caption_template": "a drawing of {}"}
    assert captions.sci_caption(drawn) == ("a drawing of Pica hudsonia",)


def test_the_eighty_templates_of_bioclips_evaluation_can_be_named() -> None:
    many = captions.sci_caption({**MAGPIE, "caption_template": "openai_imagenet"})
    assert len(many) == 80
    assert {"a bad photo of a Pica hudsonia.", "a tattoo of the Pica hudsonia."} <= set(many)


def test_a_template_without_a_place_for_the_name_is_refused() -> None:
    with pytest.raises(ContractError, match="its caption_template does not fit"):
        captions.sci_caption({**MAGPIE, "caption_template": "a drawing"})


def test_a_text_type_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UnknownNameError, match="There are: com, sci, taxon, sci_com"):
        captions.captions_of(MAGPIE, "latin")


def test_a_binomial_in_the_species_column_gives_the_same_caption_as_an_epithet() -> None:
    binomial = {**MAGPIE, "species": "Pica hudsonia"}
    assert captions.taxon_caption(binomial) == captions.taxon_caption(MAGPIE)


def test_ranks_that_are_missing_in_between_are_left_out() -> None:
    ragged = {**MAGPIE, "phylum": None, "order": "", "family": "nan"}
    assert captions.ranks_caption(ragged) == ("a photo of Animalia Aves Pica hudsonia.",)


def test_a_record_with_a_common_name_alone_is_captioned_by_it() -> None:
    assert captions.taxon_caption({"common_name": "magpie"}) == ("a photo of magpie.",)


def test_a_record_of_a_higher_taxon_is_captioned_by_its_ranks() -> None:
    record = {"kingdom": "Animalia", "family": "Scaridae", "genus": None, "species": None}
    assert captions.taxon_caption(record) == ("a photo of Animalia Scaridae.",)


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
        assert captions.taxon_caption(row) == (expected,)
        assert not {"nan", "None", "unknown"} & set(expected.split())
