"""Which taxa of a tree the names of a table mean, and which of them a region has."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pytest

from fieldguide.errors import UsageError
from fieldguide.taxonomy.lineages import tree_from_lineages
from fieldguide.taxonomy.prune import prune
from fieldguide.taxonomy.tree import TreeInfo
from fieldguide.zeroshot.priors import Candidates, KnowsRegions
from fieldguide_biodiversity.priors.matching import match_taxa
from fieldguide_biodiversity.priors.regions import taxa_of_region
from fieldguide_biodiversity.priors.source import OccurrenceSource
from fieldguide_biodiversity.priors.table import COUNTS, OccurrenceTable

BLACKBIRD, ROBIN = "Turdus merula", "Turdus migratorius"
LABELS = (BLACKBIRD, ROBIN)


def table(*taxa: str, country: str = "GB") -> OccurrenceTable:
    """Make a table of one record each, all in one place and month; above the taxon: slashes."""
    count = len(taxa)
    columns = [
        pa.array([taxon.rpartition("/")[2] for taxon in taxa]),
        pa.array([taxon.rpartition("/")[0] for taxon in taxa]),
        pa.array([1000] * count, pa.int32()),
        pa.array([6] * count, pa.int8()),
        pa.array([country] * count),
        pa.array([1] * count, pa.int64()),
    ]
    return OccurrenceTable(pa.table(columns, schema=COUNTS))


RANKS = ("kingdom", "family", "genus", "species")
TREE = tree_from_lineages(
    [
        dict(zip(RANKS, row, strict=True))
        for row in (
            ("Animalia", "Turdidae", "Turdus", BLACKBIRD),
            ("Animalia", "Turdidae", "Turdus", ROBIN),
            ("Animalia", "Muscicapidae", "Oenanthe", "Oenanthe oenanthe"),
            ("Plantae", "Apiaceae", "Oenanthe", "Oenanthe crocata"),
        )
    ],
    RANKS,
    TreeInfo("two kingdoms"),
)


def nodes_named(*names: str) -> list[int]:
    return [TREE.names.to_pylist().index(name) for name in names]


def test_a_name_of_two_kingdoms_is_told_apart_by_the_names_above_it() -> None:
    found = match_taxa(
        table(
            "Animalia/Muscicapidae/Oenanthe",
            "Plantae/Apiaceae/Oenanthe",
            "Oenanthe",
        ),
        TREE,
    )
    above = [None if node < 0 else TREE.lineage(int(node))[0] for node in found.nodes]
    assert above == [None, *nodes_named("Animalia", "Plantae")]


def test_a_herb_does_not_count_for_the_only_bird_of_its_name() -> None:
    birds = prune(TREE, np.array(nodes_named("Oenanthe oenanthe", BLACKBIRD))).tree
    found = match_taxa(table("Plantae/Apiaceae/Oenanthe"), birds)
    assert found.nodes.tolist() == [-1]


def test_a_species_that_the_tree_does_not_have_counts_for_its_genus_and_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    strange = table("Animalia/Turdidae/Turdus/Turdus novus", BLACKBIRD)
    found = match_taxa(strange, TREE)
    assert found.nodes.tolist() == nodes_named(BLACKBIRD, "Turdus")
    labels = np.array(sorted(nodes_named(*LABELS)), np.int32)
    with caplog.at_level(logging.WARNING):
        OccurrenceSource(strange).for_labels(Candidates(LABELS, TREE, labels))
    assert (
        "1 names of the occurrences are not among the taxa of this run, such as Turdus novus"
        in caplog.text
    )


def test_names_outside_the_clade_of_the_labels_are_not_complained_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mixed = table("Plantae/Rosaceae/Rosa/Rosa canina", BLACKBIRD)
    labels = np.array(sorted(nodes_named(*LABELS)), np.int32)
    with caplog.at_level(logging.WARNING):
        OccurrenceSource(mixed).for_labels(Candidates(LABELS, TREE, labels))
    assert caplog.text == ""


def test_a_region_has_the_species_that_were_recorded_there_and_not_their_whole_genus() -> None:
    here = table(BLACKBIRD, "Animalia/Turdidae/Turdus")
    there = table(ROBIN, country="US")
    both = OccurrenceTable(pa.concat_tables([here.counts, there.counts]))
    assert taxa_of_region("gb", TREE, both).tolist() == nodes_named(BLACKBIRD)
    source = OccurrenceSource(both)
    assert isinstance(source, KnowsRegions)
    assert source.taxa_in(TREE, "US").tolist() == nodes_named(ROBIN)


def test_a_region_that_is_not_known_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(UsageError, match="they have GB"):
        taxa_of_region("ZZ", TREE, table(*LABELS))
    with pytest.raises(UsageError, match="countryCode"):
        taxa_of_region("GB", TREE, table(BLACKBIRD, country=""))
    with pytest.raises(UsageError, match="two kingdoms"):
        taxa_of_region("GB", TREE, table("Pica pica"))
