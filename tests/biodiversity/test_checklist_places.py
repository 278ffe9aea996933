from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from fieldguide.errors import UsageError
from fieldguide_biodiversity.checklists.places import residents

if TYPE_CHECKING:
    from pathlib import Path

DWC = "http://rs.tdwg.org/dwc/terms/"
META = f"""<archive xmlns="http://rs.tdwg.org/dwc/text/">
  <core fieldsTerminatedBy="\\t" fieldsEnclosedBy="" ignoreHeaderLines="1" rowType="{DWC}Taxon">
    <files><location>taxon.txt</location></files><id index="0"/>
    <field index="1" term="{DWC}parentNameUsageID"/>
    <field index="2" term="{DWC}scientificName"/><field index="3" term="{DWC}taxonRank"/></core>
  <extension fieldsTerminatedBy="\\t" fieldsEnclosedBy="" ignoreHeaderLines="1"
     rowType="http://rs.gbif.org/terms/1.0/Distribution">
    <files><location>distribution.txt</location></files><coreid index="0"/>
    <field index="1" term="{DWC}locationID"/><field index="2" term="{DWC}countryCode"/>
    <field index="3" term="{DWC}occurrenceStatus"/></extension></archive>"""
TAXA = """id\tparent\tname\trank
1\t\tAves\tclass
2\t1\tTurdus merula\tspecies
3\t1\tTurdus torquatus\tspecies
4\t1\tTurdus migratorius\tspecies
5\t1\tPica pica\tspecies
"""
DISTRIBUTION = """id\tlocationID\tcountryCode\toccurrenceStatus
2\t\tGB\tpresent
3\tISO:GB-SCT\t\t
4\t\tGB\tabsent
5\tISO3166:FR\t\tpresent
9\t\tGB\tpresent
"""


def names_in(path: Path, country: str) -> list[str]:
    return [row["scientificName"] for row in residents(path, country).records()]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "checklist.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("meta.xml", META)
        opened.writestr("taxon.txt", TAXA)
        opened.writestr("distribution.txt", DISTRIBUTION)
    return path


def test_a_country_has_the_taxa_that_live_in_it_or_in_a_part_of_it(archive: Path) -> None:
    assert names_in(archive, "gb") == ["Turdus merula", "Turdus torquatus"]
    assert names_in(archive, "FR") == ["Pica pica"]


def test_a_country_that_is_not_named_lists_those_that_are(archive: Path) -> None:
    with pytest.raises(UsageError, match=r"no taxon in 'DE'\. It names: FR, GB, GB-SCT"):
        residents(archive, "DE")


def test_a_coldp_package_has_areas_of_several_gazetteers(tmp_path: Path) -> None:
    path = tmp_path / "col.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("NameUsage.tsv", "ID\tparentID\tstatus\tscientificName\trank\n"
                        "A\t\taccepted\tAves\tclass\nB\tA\taccepted\tPica pica\tspecies\n"
                        "C\tA\taccepted\tPica nuttalli\tspecies\n")  # fmt: skip
        opened.writestr("Distribution.tsv", "taxonID\tareaID\tarea\tgazetteer\tstatus\n"
                        "B\tFR\tFrance\tiso\tnative\nC\tFR\tFoo\ttdwg\tnative\n")  # fmt: skip
    assert names_in(path, "FR") == ["Pica pica"]


def test_a_checklist_without_distributions_says_so(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("name,parent\nAves,\n")
    with pytest.raises(UsageError, match="only they have places"):
        residents(path, "GB")
