"""Checklists written by the tests in exactly the forms in which the large ones are published."""

from __future__ import annotations

import gzip
import json
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldguide.taxonomy.lookup import find_taxon, meanings
from fieldguide_biodiversity.checklists.read import build

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.taxonomy.tree import Tree

# Columns and rows as in GBIF's backbone archive: synonyms, a doubtful name, two genera Oenanthe.
GBIF_META = """<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">
  <core encoding="utf-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy=""
        ignoreHeaderLines="1" rowType="http://rs.tdwg.org/dwc/terms/Taxon">
    <files><location>Taxon.tsv</location></files>
    <id index="0"/>
    <field index="0" term="http://rs.tdwg.org/dwc/terms/taxonID"/>
    <field index="1" term="http://rs.tdwg.org/dwc/terms/datasetID"/>
    <field index="2" term="http://rs.tdwg.org/dwc/terms/parentNameUsageID"/>
    <field index="3" term="http://rs.tdwg.org/dwc/terms/acceptedNameUsageID"/>
    <field index="4" term="http://rs.tdwg.org/dwc/terms/scientificName"/>
    <field index="5" term="http://rs.tdwg.org/dwc/terms/scientificNameAuthorship"/>
    <field index="6" term="http://rs.gbif.org/terms/1.0/canonicalName"/>
    <field index="7" term="http://rs.tdwg.org/dwc/terms/taxonRank"/>
    <field index="8" term="http://rs.tdwg.org/dwc/terms/taxonomicStatus"/>
  </core>
  <extension encoding="utf-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy=""
        ignoreHeaderLines="1" rowType="http://rs.gbif.org/terms/1.0/VernacularName">
    <files><location>VernacularName.tsv</location></files>
    <coreid index="0"/>
    <field index="1" term="http://rs.tdwg.org/dwc/terms/vernacularName"/>
    <field index="2" term="http://purl.org/dc/terms/language"/>
  </extension>
</archive>"""
GBIF_TAXA = [
    "taxonID\tdatasetID\tparentNameUsageID\tacceptedNameUsageID\tscientificName\t"
    "scientificNameAuthorship\tcanonicalName\ttaxonRank\ttaxonomicStatus",
    "1\td\t\t\tAnimalia\t\tAnimalia\tkingdom\taccepted",
    "212\td\t1\t\tAves\t\tAves\tclass\taccepted",
    "2490719\td\t212\t\tTurdus merula Linnaeus, 1758\tLinnaeus, 1758\tTurdus merula\tspecies\t"
    "accepted",
    "9\td\t212\t2490719\tMerula merula (Linnaeus, 1758)\t(Linnaeus, 1758)\tMerula merula\tspecies\t"
    "homotypic synonym",
    "10\td\t212\t9\tMerula vulgaris Selby, 1825\tSelby, 1825\tMerula vulgaris\tspecies\tsynonym",
    "11\td\t212\t\tOenanthe Vieillot, 1816\tVieillot, 1816\tOenanthe\tgenus\taccepted",
    '12\td\t11\t\tOenanthe "dubia" Smith\tSmith\t\tspecies\tdoubtful',
    "6\td\t\t\tPlantae\t\tPlantae\tkingdom\taccepted",
    "3034893\td\t6\t\tOenanthe L.\tL.\tOenanthe\tgenus\taccepted",
    "77\td\t6\t999\tLost name\t\tLost name\tspecies\tsynonym",
]
GBIF_COMMON = [
    "taxonID\tvernacularName\tlanguage",
    "2490719\tAmsel\tde",
    "2490719\tMerle noir\tfra",
    "2490719\tAmsel\tde",
    "9\tKos\tpl",
    "5000\tnobody\ten",
]


def write_zip(path: Path, files: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_gbif(path: Path, **changed: str) -> Path:
    files = {
        "meta.xml": GBIF_META,
        "Taxon.tsv": "\n".join(GBIF_TAXA) + "\n",
        "VernacularName.tsv": "\n".join(GBIF_COMMON) + "\n",
        "eml.xml": '<eml:eml xmlns:eml="eml://ecoinformatics.org/eml-2.1.1"><dataset>'
        "<title>GBIF Backbone</title><pubDate>2023-08-28</pubDate><intellectualRights><para>Under "
        '<ulink url="http://creativecommons.org/licenses/by/4.0/legalcode"><citetitle>CC-BY'
        "</citetitle></ulink></para></intellectualRights></dataset></eml:eml>",
    }
    return write_zip(path, files | {name.replace("_", "."): text for name, text in changed.items()})


def lineage(tree: Tree, text: str) -> list[str]:
    return [tree.name_of(node) for node in tree.lineage(find_taxon(tree, text))]


def names_of(tree: Tree) -> list[str]:
    names: list[str] = tree.names.to_pylist()
    return names


def test_a_gbif_archive_becomes_a_tree_with_synonyms_and_common_names(tmp_path: Path) -> None:
    tree = build(write_gbif(tmp_path / "backbone.zip")).tree
    assert lineage(tree, "Turdus merula") == ["Animalia", "Aves", "Turdus merula"]
    merula = find_taxon(tree, "Turdus merula")
    assert tree.ids[merula].as_py() == "2490719"
    assert tree.authorships[merula].as_py() == "Linnaeus, 1758"
    assert tree.synonyms(merula) == ["Merula merula", "Merula vulgaris"]  # one of them by a chain
    assert tree.common_names(merula) == [("de", "Amsel"), ("fr", "Merle noir"), ("pl", "Kos")]
    assert tree.ranks == ("kingdom", "class", "genus", "species")
    assert tree.info.name == "GBIF Backbone"
    assert (tree.info.version, tree.info.licence) == ("2023-08-28", "CC-BY-4.0")


def test_what_is_special_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    built = build(write_gbif(tmp_path / "backbone.zip"))
    assert len(built.tree) == 7
    assert built.notes == {
        "doubtful": 1,
        "with a name that is not a scientific name, kept as it is": 1,
    }
    assert built.left_out == {
        "synonyms of a taxon that has no row": 1,
        "common names of a taxon that has no row": 1,
    }
    assert 'Oenanthe "dubia"' in names_of(built.tree)


def test_genera_of_one_name_in_two_kingdoms_stay_apart(tmp_path: Path) -> None:
    tree = build(write_gbif(tmp_path / "backbone.zip")).tree
    assert lineage(tree, "Plantae/Oenanthe") == ["Plantae", "Oenanthe"]
    assert lineage(tree, "Aves/Oenanthe") == ["Animalia", "Aves", "Oenanthe"]


def test_an_archive_reads_the_same_as_its_folder(tmp_path: Path) -> None:
    archive = write_gbif(tmp_path / "backbone.zip")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "backbone")
    assert names_of(build(tmp_path / "backbone").tree) == names_of(build(archive).tree)


def test_commas_quotes_defaults_and_other_encodings_are_read_as_described(tmp_path: Path) -> None:
    meta = """<archive xmlns="http://rs.tdwg.org/dwc/text/"><core encoding="ISO-8859-1"
      fieldsTerminatedBy=";" fieldsEnclosedBy="'" ignoreHeaderLines="2"
      rowType="http://rs.tdwg.org/dwc/terms/Taxon"><files><location>a/t.txt</location></files>
      <id index="1"/><field term="http://rs.tdwg.org/dwc/terms/taxonRank" default="species"/>
      <field index="0" term="http://rs.tdwg.org/dwc/terms/scientificName"/>
      <field index="2" term="http://rs.tdwg.org/dwc/terms/parentNameUsageID"/></core></archive>"""
    rows = "a comment\nname;id;parent;not described\n'Aus; b';1;;x\nCus dus Müller;2;1;x\n"
    path = write_zip(
        tmp_path / "a.zip", {"x/meta.xml": meta, "x/a/t.txt": rows.encode("iso-8859-1")}
    )
    built = build(path)
    assert names_of(built.tree) == ["Aus; b", "Cus dus"]
    assert [built.tree.rank_of(node) for node in range(2)] == ["species", "species"]
    assert built.tree.authorships.to_pylist()[1] == "Müller"


def test_inaturalists_archive_names_parents_by_address(tmp_path: Path) -> None:
    meta = """<archive xmlns="http://rs.tdwg.org/dwc/text/"><core encoding="UTF-8"
      fieldsTerminatedBy="," fieldsEnclosedBy="&quot;" linesTerminatedBy="\\n" ignoreHeaderLines="1"
      rowType="http://rs.tdwg.org/dwc/terms/Taxon"><files><location>taxa.csv</location></files>
      <id index="0"/>
      <field index="1" term="http://rs.tdwg.org/dwc/terms/taxonID"/>
      <field index="2" term="http://purl.org/dc/terms/identifier"/>
      <field index="3" term="http://rs.tdwg.org/dwc/terms/parentNameUsageID"/>
      <field index="4" term="http://rs.tdwg.org/dwc/terms/kingdom"/>
      <field index="5" term="http://rs.tdwg.org/dwc/terms/scientificName"/>
      <field index="6" term="http://rs.tdwg.org/dwc/terms/taxonRank"/></core></archive>"""
    url = "https://www.inaturalist.org/taxa/"
    taxa = [
        "id,taxonID,identifier,parentNameUsageID,kingdom,scientificName,taxonRank",
        f"48460,{url}48460,{url}48460,,,Life,stateofmatter",
        f"1,{url}1,{url}1,{url}48460,Animalia,Animalia,kingdom",
        f"47219,{url}47219,{url}47219,{url}1,Animalia,Apis mellifera,species",
        f"99,{url}99,{url}99,{url}1,Animalia,Anas \u00d7 platyrhynchos,hybrid",
    ]
    head = "id,vernacularName,language,locality,countryCode,source,lexicon,contributor,created\n"
    english = head + '47219,"Western Honey Bee",en,,,,English,kueda,2009-01-01T00:00:00Z\n'
    german = head + "47219,Westliche Honigbiene,de,,,,German,x,2010-01-01T00:00:00Z\n"
    path = write_zip(
        tmp_path / "inaturalist-taxonomy.dwca.zip",
        {
            "meta.xml": meta,
            "taxa.csv": "\n".join(taxa) + "\n",
            "VernacularNames-english.csv": english,
            "VernacularNames-german.csv": german,
        },
    )
    built = build(path)
    bee = find_taxon(built.tree, "western honey bee")
    assert built.tree.ids[bee].as_py() == "47219"
    assert lineage(built.tree, "Apis mellifera") == ["Life", "Animalia", "Apis mellifera"]
    assert built.tree.common_name(bee, "de") == "Westliche Honigbiene"
    assert built.tree.rank_of(find_taxon(built.tree, "Life")) == ""
    assert find_taxon(built.tree, "Anas \u00d7platyrhynchos") is not None
    assert built.notes["with a rank that is not known, now unranked"] == 1
    assert built.notes["hybrids"] == 1


COLDP_USAGES = """col:ID\tcol:parentID\tcol:status\tcol:scientificName\tcol:authorship\tcol:rank
A\t\taccepted\tAnimalia\t\tkingdom
G\tA\taccepted\tPuma\tJardine, 1834\tgenus
S\tG\tprovisionally accepted\tPuma concolor\t(Linnaeus, 1771)\tspecies
Y\tS\tambiguous synonym\tFelis concolor\tLinnaeus, 1771\tspecies
M\tS\tmisapplied\tFelis onca\tauct.\tspecies
B\t\tbare name\tFelis nuda\t\tspecies
"""
COLDP_COMMON = """\
col:taxonID\tcol:sourceID\tcol:name\tcol:transliteration\tcol:language\tcol:preferred
S\t\tMountain lion\t\teng\t
S\t\tCougar\t\teng\ttrue
S\t\tPuma\\tcat\t\tspa\t
"""


@pytest.mark.parametrize("name", ["NameUsage.tsv", "name_usage.txt", "inside/Name-Usage.tab"])
def test_a_catalogue_of_life_package_is_read(tmp_path: Path, name: str) -> None:
    files = {
        name: COLDP_USAGES,
        "VernacularName.tsv": COLDP_COMMON,
        "metadata.yaml": "---\ntitle: Catalogue of Life\nversion: 2024\nlicense: CC-BY 4.0\n",
    }
    built = build(write_zip(tmp_path / "col.zip", files))
    assert lineage(built.tree, "Felis concolor") == ["Animalia", "Puma", "Puma concolor"]
    puma = find_taxon(built.tree, "Puma concolor")
    # the preferred name comes first; what a backslash stands for does not break the line
    assert built.tree.common_names(puma) == [
        ("en", "Cougar"),
        ("en", "Mountain lion"),
        ("es", "Puma cat"),
    ]
    assert built.tree.info.name == "Catalogue of Life"
    assert (built.tree.info.version, built.tree.info.licence) == ("2024", "CC-BY-4.0")
    assert built.notes == {"doubtful": 1}
    assert built.left_out == {
        "misapplied names, which are no synonyms": 1,
        "bare names, which belong to no taxon": 1,
    }


def simple_row(**cells: str) -> str:
    names = [
        "id",
        "parent_key",
        "basionym_key",
        "is_synonym",
        "status",
        "rank",
        "nom_status",
        "constituent_key",
        "origin",
        "source_taxon_key",
        "kingdom_key",
        "phylum_key",
        "class_key",
        "order_key",
        "family_key",
        "genus_key",
        "species_key",
        "name_id",
        "scientific_name",
        "canonical_name",
        "genus_or_above",
        "specific_epithet",
        "infra_specific_epithet",
        "notho_type",
        "authorship",
        "year",
        "bracket_authorship",
        "bracket_year",
        "name_published_in",
        "issues",
    ]
    assert len(names) == 30
    return "\t".join(cells.get(name, "\\N") for name in names)


def test_gbifs_simple_backbone_is_read(tmp_path: Path) -> None:
    rows = [
        simple_row(id="1", rank="KINGDOM", status="ACCEPTED", scientific_name="Animalia",
                   canonical_name="Animalia", is_synonym="f"),
        simple_row(id="5", parent_key="1", rank="SPECIES", status="ACCEPTED", is_synonym="f",
                   scientific_name="Puma concolor (Linnaeus, 1771)", canonical_name="Puma concolor",
                   bracket_authorship="Linnaeus", bracket_year="1771"),
        simple_row(id="6", parent_key="5", rank="SPECIES", status="SYNONYM", is_synonym="t",
                   scientific_name="Felis concolor Linnaeus, 1771", canonical_name="Felis concolor",
                   name_published_in="a\\tb"),
        simple_row(id="7", parent_key="1", rank="UNRANKED", status="DOUBTFUL", is_synonym="f",
                   scientific_name="BOLD:AAA0001"),
    ]  # fmt: skip
    path = tmp_path / "simple.txt.gz"
    path.write_bytes(gzip.compress(("\n".join(rows) + "\n").encode()))
    built = build(path)
    puma = find_taxon(built.tree, "Felis concolor")
    assert built.tree.name_of(puma) == "Puma concolor"
    assert built.tree.authorships[puma].as_py() == "(Linnaeus, 1771)"
    assert lineage(built.tree, "bold:aaa0001") == ["Animalia", "BOLD:AAA0001"]
    assert built.tree.info.licence == "CC-BY-4.0"
    assert built.notes["doubtful"] == 1
    assert "with a rank that is not known, now unranked" not in built.notes


def test_the_categories_of_inat2021_are_read_past_images_and_annotations(tmp_path: Path) -> None:
    category = {
        "id": 3, "name": "Apis mellifera", "common_name": "Western Honey Bee",
        "supercategory": "Insects", "kingdom": "Animalia", "phylum": "Arthropoda",
        "class": "Insecta", "order": "Hymenoptera", "family": "Apidae", "genus": "Apis",
        "specific_epithet": "mellifera", "image_dir_name": "00003_Animalia_Arthropoda",
    }  # fmt: skip
    path = tmp_path / "train.json"
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(1000)]
    path.write_text(json.dumps({"info": {}, "images": images, "categories": [category],
                                "annotations": images}, indent=1))  # fmt: skip
    tree = build(path).tree
    assert lineage(tree, "Western honey bee") == [
        *("Animalia", "Arthropoda", "Insecta", "Hymenoptera", "Apidae", "Apis", "Apis mellifera")
    ]
    assert tree.common_name(find_taxon(tree, "Apis mellifera"), "en") == "Western Honey Bee"


def test_a_table_of_parents_without_ids_takes_names_for_ids(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        'name,parent,rank\nAves,,class\nTurdus,Aves,genus\n"Turdus merula",Turdus,sp.\n'
    )
    assert lineage(build(path).tree, "turdus merula") == ["Aves", "Turdus", "Turdus merula"]


def test_a_table_with_a_column_a_rank_drops_no_row_for_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "Kingdom,class,Order,family,tribe,genus,species,common name\n"
        "Animalia,Actinopterygii,nan,Cyprinidae,,Carassius,auratus,goldfish\n"
        "Animalia,Actinopterygii,Cypriniformes,Cyprinidae,Leuciscini,Carassius,carassius,\n"
        "Plantae,,,,,,Quercus robur,oak\n"
        "Plantae,,,,,,mystery,\n"
    )
    built = build(path, language="en")
    assert " ".join(lineage(built.tree, "goldfish")) == (
        "Animalia Actinopterygii Cypriniformes Cyprinidae Leuciscini Carassius Carassius auratus"
    )
    assert lineage(built.tree, "oak") == ["Plantae", "Quercus", "Quercus robur"]
    assert lineage(built.tree, "mystery") == ["Plantae", "mystery"]
    assert built.tree.common_name(find_taxon(built.tree, "Quercus robur"), "en") == "oak"
    assert built.left_out == {}


def test_a_list_of_species_from_gbif_has_rows_of_several_ranks(tmp_path: Path) -> None:
    path = tmp_path / "0001.csv"  # tabs, as GBIF's downloads have them
    columns = [
        "taxonKey",
        "scientificName",
        "acceptedTaxonKey",
        "acceptedScientificName",
        "numberOfOccurrences",
        "taxonRank",
        "taxonomicStatus",
        "kingdom",
        "kingdomKey",
        "order",
        "genus",
        "genusKey",
        "species",
        "speciesKey",
    ]
    rows = [
        ["5", "Oenanthe Vieillot, 1816", "5", "Oenanthe Vieillot, 1816", "3", "GENUS", "ACCEPTED",
         "Animalia", "1", "Passeriformes", "Oenanthe", "5", "", ""],
        ["7", "Oenanthe deserti (Temminck, 1825)", "7", "", "1", "SPECIES", "ACCEPTED", "Animalia",
         "1", "", "Oenanthe", "5", "Oenanthe deserti", "7"],
        ["8", "Saxicola deserti Temminck, 1825", "7", "", "1", "SPECIES", "SYNONYM", "Animalia",
         "1", "", "Oenanthe", "5", "Oenanthe deserti", "7"],
    ]  # fmt: skip
    path.write_text("\n".join("\t".join(row) for row in [columns, *rows]) + "\n")
    built = build(path)
    assert names_of(built.tree) == ["Animalia", "Passeriformes", "Oenanthe", "Oenanthe deserti"]
    assert lineage(built.tree, "Saxicola deserti")[-1] == "Oenanthe deserti"
    assert built.tree.authorships.to_pylist()[2:] == ["Vieillot, 1816", "(Temminck, 1825)"]
    assert built.left_out == {}


def test_a_name_of_one_word_without_a_rank_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("family,scientificName\nMuscicapidae,Oenanthe L.\nTurdidae,Turdus merula L.\n")
    built = build(path)
    assert names_of(built.tree) == ["Muscicapidae", "Turdidae", "Turdus", "Turdus merula"]
    assert built.unread == {"names of one word in list.csv, whose rank no column says": 1}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_the_same_table_is_read_from_csv_tsv_and_parquet(tmp_path: Path, suffix: str) -> None:
    rows = {"class": ["Aves", "Aves"], "genus": ["Pica", None], "species": ["pica", None]}
    path = tmp_path / f"list{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.table(rows), path)
    else:
        mark = "," if suffix == ".csv" else "\t"
        path.write_text(
            f"class{mark}genus{mark}species\nAves{mark}Pica{mark}pica\nAves{mark}{mark}\n"
        )
    assert names_of(build(path).tree) == ["Aves", "Pica", "Pica pica"]


@pytest.mark.shared_data
def test_the_rare_species_table_keeps_every_species(shared_data: Path) -> None:
    path = shared_data / "biodiversity/taxonomy/rare_species.csv"
    tree = build(path).tree
    # counted with cut, sort and uniq over the distinct paths of the file's columns 2 to 8
    counts = {rank: tree.rank_codes.tolist().count(code) for code, rank in enumerate(tree.ranks)}
    assert counts == COUNTS
    assert lineage(tree, "purple wartyback")[-1] == "Cyclonaias tuberculata"


COUNTS = {
    "kingdom": 1,
    "phylum": 5,
    "class": 15,
    "order": 85,
    "family": 202,
    "genus": 316,
    "species": 400,
}


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_name_of_a_random_checklist_is_found_or_counted(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    count = data.draw(st.integers(1, 12))
    # a name's target stands before it, so that there are chains and no circles; -1 is lost
    targets = [data.draw(st.sampled_from(["taxon", *range(-1, place)])) for place in range(count)]
    parents = [data.draw(st.integers(-1, place - 1)) for place in range(count)]

    def accepted(place: int) -> int:
        """Follow a name by hand."""
        while place >= 0 and targets[place] != "taxon":
            place = int(targets[place])
        return place

    head = "taxonID,parentNameUsageID,acceptedNameUsageID,scientificName"
    lines = []
    for place in range(count):
        parent = parents[place] if accepted(parents[place]) >= 0 else -1
        is_taxon = targets[place] == "taxon"
        above = f"id{parent}" if is_taxon and parent >= 0 else ""
        named = "" if is_taxon else f"id{targets[place]}"
        lines.append(f"id{place},{above},{named},Name{'abcdefghijkl'[place]}us")
    path = tmp_path_factory.mktemp("random") / "list.csv"
    path.write_text("\n".join([head, *data.draw(st.permutations(lines))]) + "\n")
    taxa = [place for place in range(count) if targets[place] == "taxon"]
    if not taxa:
        return
    built = build(path)
    lost = sum(accepted(place) < 0 for place in range(count))
    assert built.left_out.get("synonyms of a taxon that has no row", 0) == lost
    assert len(built.tree) == len(taxa)
    for place in range(count):
        (meaning,) = meanings(built.tree, [f"name{'abcdefghijkl'[place]}us"])
        found = [built.tree.ids[node].as_py() for node in meaning.nodes]
        assert found == ([f"id{accepted(place)}"] if accepted(place) >= 0 else [])
