from __future__ import annotations

import csv
import doctest
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldguide.errors import ContractError
from fieldguide_biodiversity import taxa
from fieldguide_biodiversity.taxa import ALIASES, NULL_LIKE, RANKS, taxon_metadata

if TYPE_CHECKING:
    from pathlib import Path

NULLS = ["", "  ", "nan", "NaN", "None", "null", "unknown", "N/A", "-", "_", None, math.nan]
WORDS = st.one_of(
    st.sampled_from([*NULLS, "Pica", "pica", "Pica pica", "Pica nan", "Nan nan", "Pica cf. pica"]),
    st.text(alphabet="Paé nx×_-.(1)", max_size=12),  # noqa: RUF001 - a hybrid's sign
    st.integers(),
)
COLUMNS = st.sampled_from([*(a for names in ALIASES.values() for a in names), "Genus", "site"])


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(taxa).failed == 0


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(COLUMNS, WORDS, max_size=10))
def test_normalising_twice_is_normalising_once_and_no_null_survives(record: dict[str, Any]) -> None:
    try:
        once = taxon_metadata(record)
    except ContractError:
        return  # two different genera: refused, not normalised
    assert taxon_metadata(once) == once
    assert set(once) <= {*RANKS, "common_name"}
    for text in once.values():
        assert text == text.strip()
        assert text.lower() not in NULL_LIKE


@pytest.mark.parametrize(
    "record",
    [
        {"genus": "Turdus", "species": "merula"},
        {"Genus": " Turdus ", "specificEpithet": "merula"},
        {"scientificName": "Turdus merula Linnaeus, 1758"},
        {"scientific_name": "Turdus_merula"},
        {"species": "Turdus merula", "genus": None},
        {"species": "Turdus merula", "genus": "Turdus", "scientificName": "Turdus merula L."},
    ],
)
def test_the_spellings_of_one_species_agree(record: dict[str, Any]) -> None:
    assert taxon_metadata(record) == {"genus": "Turdus", "species": "merula"}


@pytest.mark.parametrize(
    ("name", "genus", "epithet"),
    [
        ("Aedes (Stegomyia) aegypti", "Aedes", "aegypti"),  # a subgenus
        ("Canis lupus familiaris", "Canis", "lupus"),  # a subspecies is narrower than a species
        ("Capsella bursa-pastoris (L.) Medik.", "Capsella", "bursa-pastoris"),
        ("Mentha × piperita L.", "Mentha", "× piperita"),  # noqa: RUF001 - a hybrid's sign
        ("Nandina domestica", "Nandina", "domestica"),  # begins like a null
    ],
)
def test_a_scientific_name_is_split_into_genus_and_epithet(
    name: str, genus: str, epithet: str
) -> None:
    assert taxon_metadata({"scientificName": name}) == {"genus": genus, "species": epithet}


@pytest.mark.parametrize("name", ["Amanita sp.", "Amanita cf. muscaria", "Amanita spp", "Amanita"])
def test_an_undetermined_species_keeps_only_its_genus(name: str) -> None:
    assert taxon_metadata({"genus": "Amanita", "species": name}) == {"genus": "Amanita"}


def test_an_epithet_without_a_genus_is_no_species() -> None:
    assert taxon_metadata({"family": "Corvidae", "species": "pica"}) == {"family": "Corvidae"}


def test_cls_is_the_rank_where_class_is_the_label_of_the_picture() -> None:
    row = {"cls": "Bivalvia", "class": "Cyclonaias tuberculata", "genus": "Cyclonaias"}
    assert taxon_metadata(row) == {"class": "Bivalvia", "genus": "Cyclonaias"}
    assert taxon_metadata({"class": "Cyclonaias tuberculata"}) == {}


def test_two_different_genera_are_refused() -> None:
    with pytest.raises(ContractError, match=r"genus Corvus, another Pica\. Correct one\."):
        taxon_metadata({"genus": "Corvus", "species": "Pica pica"})


@pytest.mark.shared_data
def test_the_rare_species_table_has_no_null_rank(shared_data: Path) -> None:
    path = shared_data / "biodiversity" / "taxonomy" / "rare_species.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        found = [taxon_metadata(row) for row in csv.DictReader(stream)]
    assert len(found) == 11_983
    assert [row for row in found if set(row) != {*RANKS, "common_name"}] == []
