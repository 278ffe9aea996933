from __future__ import annotations

import gzip
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fieldguide.errors import UsageError
from fieldguide_biodiversity.priors import files
from fieldguide_biodiversity.priors.build import build_table, open_occurrences
from fieldguide_biodiversity.priors.cells import cell_of
from fieldguide_biodiversity.priors.files import BLOCK_BYTES
from fieldguide_biodiversity.priors.table import OccurrenceTable, read_table

if TYPE_CHECKING:
    from pathlib import Path

# columns and their order as in GBIF's simple download, of which only some are used
GBIF = (
    "gbifID\tkingdom\tphylum\tclass\torder\tfamily\tgenus\tspecies\tscientificName\tcountryCode\t"
    "occurrenceStatus\tindividualCount\tdecimalLatitude\tdecimalLongitude\t"
    "coordinateUncertaintyInMeters\teventDate\tmonth\tbasisOfRecord"
)
BLACKBIRD = {
    "gbifID": "1", "kingdom": "Animalia", "phylum": "Chordata", "class": "Aves",
    "order": "Passeriformes", "family": "Turdidae", "genus": "Turdus", "species": "Turdus merula",
    "scientificName": "Turdus merula Linnaeus, 1758", "countryCode": "GB",
    "occurrenceStatus": "PRESENT", "decimalLatitude": "51.5", "decimalLongitude": "-0.1",
    "eventDate": "2020-06-01", "month": "6", "basisOfRecord": "HUMAN_OBSERVATION",
}  # fmt: skip
HYBRID = "\u00d7Platanthera \u00d7hybrida"
ABOVE = "Animalia/Chordata/Aves/Passeriformes/Turdidae/Turdus"


def gbif(path: Path, *changes: dict[str, str], header: str = GBIF) -> Path:
    """Write blackbirds with some values changed, as GBIF does: tabs, and no quotes."""
    rows = [{**BLACKBIRD, **change} for change in changes]
    lines = ["\t".join(row.get(name, "") for name in header.split("\t")) for row in rows]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def rows_of(table: OccurrenceTable) -> list[tuple[object, ...]]:
    return [
        (row["taxon"], row["above"], row["month"], row["country"], row["records"])
        for row in table.counts.to_pylist()
    ]


def test_records_of_one_taxon_place_and_month_are_counted_together(tmp_path: Path) -> None:
    table = build_table([gbif(tmp_path / "a.csv", {}, {}, {"month": "7"})])
    assert rows_of(table) == [
        ("Turdus merula", ABOVE, 6, "GB", 2),
        ("Turdus merula", ABOVE, 7, "GB", 1),
    ]
    assert (
        table.counts.column("cell").to_pylist()
        == [int(cell_of(np.array([51.5]), np.array([-0.1]))[0])] * 2
    )
    assert table.about["left_out"] == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"occurrenceStatus": "ABSENT"}, "absent"),
        ({"occurrenceStatus": "absent"}, "absent"),
        ({"individualCount": "0"}, "absent"),
        ({"decimalLatitude": ""}, "without a place"),
        ({"decimalLatitude": "NaN"}, "without a place"),
        ({"decimalLongitude": "west"}, "without a place"),
        ({"decimalLatitude": "91"}, "not on the earth"),
        ({"decimalLongitude": "-180.5"}, "not on the earth"),
        ({"decimalLatitude": "1e300"}, "not on the earth"),
        ({"decimalLatitude": "0", "decimalLongitude": "0.0"}, "at 0,0"),
        ({"basisOfRecord": "FOSSIL_SPECIMEN"}, "fossil or captive"),
        ({"basisOfRecord": "FossilSpecimen"}, "fossil or captive"),
        ({"basisOfRecord": "LIVING_SPECIMEN"}, "fossil or captive"),
        ({"coordinateUncertaintyInMeters": "250000"}, "place uncertain by more than 100 km"),
    ],
)
def test_a_row_that_does_not_tell_that_it_was_there_is_left_out_with_the_reason(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    table = build_table([gbif(tmp_path / "a.csv", {}, change, change)])
    assert table.about["left_out"] == {reason: 2}
    assert table.records == 1
    assert table.about["rows"] == 3


def test_a_row_without_a_name_is_left_out(tmp_path: Path) -> None:
    nameless = dict.fromkeys(
        ("kingdom", "phylum", "class", "order", "family", "genus", "species", "scientificName"), ""
    )
    table = build_table([gbif(tmp_path / "a.csv", {}, nameless)])
    assert table.about["left_out"] == {"without a name": 1}


@pytest.mark.parametrize(
    ("date", "month"),
    [
        ("2020-06-01", 6), ("2020-06", 6), ("2020-06-01T10:00:00Z", 6), ("2020", 0), ("", 0),
        ("2020-06-01/2020-06-30", 6), ("2020-06-01/2020-08-01", 0), ("2020-13-01", 0),
        ("2020-00-00", 0), ("first of June", 0),
    ],
)  # fmt: skip
def test_the_month_is_that_of_the_date_and_a_row_without_one_is_kept(
    tmp_path: Path, date: str, month: int
) -> None:
    table = build_table([gbif(tmp_path / "a.csv", {"month": "", "eventDate": date})])
    assert table.counts.column("month").to_pylist() == [month]
    assert table.about["without_month"] == (month == 0)


@pytest.mark.parametrize(
    ("change", "taxon"),
    [
        ({"species": ""}, "Turdus merula"),
        ({"species": "", "scientificName": "Turdus (Turdus) merula Linnaeus"}, "Turdus merula"),
        ({"species": "", "scientificName": "Turdus merula subsp. merula"}, "Turdus merula"),
        ({"species": "", "scientificName": "Turdus Linnaeus, 1758"}, "Turdus"),
        ({"species": "", "scientificName": "Turdus sp."}, "Turdus"),
        ({"species": "merula"}, "Turdus merula"),
        ({"species": "", "scientificName": "", "genus": ""}, "Turdidae"),
        ({"species": "", "scientificName": HYBRID}, HYBRID),
    ],
)  # fmt: skip
def test_names_lose_their_authors_and_the_narrowest_rank_is_taken(
    tmp_path: Path, change: dict[str, str], taxon: str
) -> None:
    table = build_table([gbif(tmp_path / "a.csv", change)])
    assert table.counts.column("taxon").to_pylist() == [taxon]


def test_quotes_in_a_download_of_gbif_are_letters(tmp_path: Path) -> None:
    header = GBIF + "\tlocality"
    path = gbif(tmp_path / "a.csv", {"locality": 'the "old'}, {"locality": 'mill"'}, header=header)
    assert build_table([path]).records == 2


def test_a_zip_of_gbif_is_read_without_unpacking(tmp_path: Path) -> None:
    inside = gbif(tmp_path / "0001234-260601.csv", {}, {})
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(inside, "deep/inside/0001234-260601.csv")
    table = build_table([tmp_path / "a.zip"])
    assert table.records == 2
    assert table.about["sources"] == ["a.zip"]


def test_a_darwin_core_archive_is_read_by_its_occurrences(tmp_path: Path) -> None:
    inside = gbif(tmp_path / "occurrence.txt", {}, {})
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(inside, "occurrence.txt")
        archive.writestr("verbatim.txt", "gbifID\n1\n")
        archive.writestr("other.txt", "gbifID\n1\n")
    assert build_table([tmp_path / "a.zip"]).records == 2


META = """<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">
  <extension rowType="http://rs.gbif.org/terms/1.0/Multimedia">
    <files><location>m.txt</location></files><coreid index="0"/></extension>
  <core rowType="http://rs.tdwg.org/dwc/terms/Occurrence"
      fieldsTerminatedBy=";" fieldsEnclosedBy="'">
    <files><location>first.txt</location><location>second.txt</location></files>
    <id index="0"/>
    <field index="2" term="http://rs.tdwg.org/dwc/terms/decimalLatitude"/>
    <field index="3" term="http://rs.tdwg.org/dwc/terms/decimalLongitude"/>
    <field index="1" term="http://rs.tdwg.org/dwc/terms/scientificName"/>
    <field default="FR" term="http://rs.tdwg.org/dwc/terms/countryCode"/>
  </core>
</archive>"""


@pytest.mark.parametrize("is_zipped", [True, False])
def test_a_darwin_core_archive_without_headers_is_read_by_its_meta_xml(
    tmp_path: Path, is_zipped: bool
) -> None:
    files = {
        "meta.xml": META, "m.txt": "1,a.jpg\n", "eml.xml": "<eml/>",
        "first.txt": "1;'Turdus merula; L.';48.8;2.3\n2;Pica pica;48.8;2.3\n",
        "second.txt": "3;Pica pica;48.8;2.3\n",
    }  # fmt: skip
    folder = tmp_path / "archive"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    if is_zipped:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name in files:
                archive.write(folder / name, name)
    table = build_table([tmp_path / "a.zip" if is_zipped else folder])
    assert rows_of(table) == [("Pica pica", "", 0, "FR", 2), ("Turdus merula", "", 0, "FR", 1)]


def test_an_archive_of_taxa_has_no_occurrences(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("meta.xml", META.replace("terms/Occurrence", "terms/Taxon"))
    with pytest.raises(UsageError, match="archive of taxon, without occurrences"):
        build_table([tmp_path / "a.zip"])


def test_a_file_that_lies_outside_of_its_archive_is_not_read(tmp_path: Path) -> None:
    gbif(tmp_path / "outside.txt", {})
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("meta.xml", META.replace("first.txt", "../outside.txt"))
    with pytest.raises(UsageError, match="outside of it"):
        build_table([tmp_path / "a.zip"])


def test_a_table_packed_by_gzip_is_read(tmp_path: Path) -> None:
    content = gbif(tmp_path / "a.csv", {}, {}).read_bytes()
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(content))
    assert build_table([tmp_path / "a.csv.gz"]).records == 2


def test_an_export_of_inaturalist_is_read_with_its_quotes_and_its_captive_animals(
    tmp_path: Path,
) -> None:
    path = tmp_path / "observations-1.csv"
    path.write_text(
        "id,observed_on,quality_grade,description,captive_cultivated,latitude,longitude,"
        "positional_accuracy,scientific_name,common_name,iconic_taxon_name\n"
        '1,2021-05-03,research,"seen, then\nlost",false,51.5,-0.1,12,Turdus merula,Blackbird,Aves\n'
        "2,2021-05-03,casual,in a zoo,true,51.5,-0.1,12,Struthio camelus,Ostrich,Aves\n"
        "3,2021-05-04,needs_id,,false,51.5,-0.1,,Turdus,True Thrushes,Aves\n"
    )
    table = build_table([path])
    assert rows_of(table) == [("Turdus", "", 5, "", 1), ("Turdus merula", "", 5, "", 1)]
    assert table.about["left_out"] == {"fossil or captive": 1}


def test_two_downloads_are_added(tmp_path: Path) -> None:
    paths = [gbif(tmp_path / "a.csv", {}), gbif(tmp_path / "b.csv", {}, {})]
    assert build_table(paths).counts.column("records").to_pylist() == [3]


def test_lines_of_another_length_are_counted_and_left_out(tmp_path: Path) -> None:
    path = gbif(tmp_path / "a.csv", {})
    path.write_text(path.read_text() + "2\tAnimalia\n")
    table = build_table([path])
    assert table.records == 1
    assert sum(table.about["left_out"].values()) == 1
    assert table.about["rows"] == 2


def test_blank_lines_for_as_long_as_a_part_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 2**12)
    path = gbif(tmp_path / "gbif.csv", {})
    path.write_text(path.read_text("utf-8") + "\n" * 2**14, "utf-8")
    assert build_table([path]).records == 1


def test_a_table_written_and_read_is_the_same(tmp_path: Path) -> None:
    table = build_table([gbif(tmp_path / "a.csv", {}, {"month": "7"}, {"decimalLatitude": "x"})])
    table.write(tmp_path / "a.prior")
    found = read_table(tmp_path / "a.prior")
    assert found.counts.equals(table.counts)
    assert found.about == {**table.about, "cell_rows": 720}
    assert open_occurrences(tmp_path / "a.prior").records == 2
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_a_table_is_a_parquet_file_that_others_can_read(tmp_path: Path) -> None:
    build_table([gbif(tmp_path / "a.csv", {})]).write(tmp_path / "a.prior")
    assert pq.read_table(tmp_path / "a.prior").column("taxon").to_pylist() == ["Turdus merula"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no header"),
        (b"a\tb\n1\t2\n", "no columns decimalLatitude"),
        (b"decimalLatitude\tdecimalLongitude\n1\t2\n", "no column species"),
        (b"species\tdecimalLatitude\tdecimalLongitude\n", "none of 0 rows"),
        (b"species\tdecimalLatitude\tdecimalLongitude\nPica pica\t91\t0\n", "1 not on the earth"),
        (b"species\tdecimalLatitude\tdecimalLongitude\nPica \xff\t1\t2\n", "cannot be read"),
        (b"x" * 2_000_000, "field larger than"),
        (b"PK\x03\x04 not a zip", "damaged or cut off"),
        (b"\x00" * 4096, "decimalLatitude"),
    ],
)
def test_what_is_no_table_is_refused_by_name_with_what_to_do(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        build_table([path])
    assert str(path) in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        build_table([tmp_path / "a.csv"])


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds 0 tables"):
        build_table([tmp_path])


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    inside = gbif(tmp_path / "occurrence.txt", *[{"gbifID": f"{n * n}"} for n in range(5000)])
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(inside, "occurrence.txt")
    content = bytearray(path.read_bytes())
    content[3000:3040] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(UsageError, match="Get the file again"):
        build_table([path])


@pytest.mark.parametrize("content", [b"", b"PAR1", b"taxon,records\n"])
def test_a_prior_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.prior").write_bytes(content)
    with pytest.raises(UsageError, match="Build it again"):
        read_table(tmp_path / "a.prior")


@pytest.mark.parametrize(
    ("column", "value"), [("cell", -1), ("cell", 10**8), ("month", 13), ("records", -5)]
)
def test_a_prior_file_with_impossible_numbers_is_refused(
    tmp_path: Path, column: str, value: int
) -> None:
    path = tmp_path / "a.prior"
    build_table([gbif(tmp_path / "a.csv", {})]).write(path)
    table = pq.read_table(path)
    place = table.schema.get_field_index(column)
    field = table.schema.field(column)
    bad = table.set_column(place, field, pa.array([value], field.type))
    pq.write_table(bad, path)
    with pytest.raises(UsageError, match="Build it again"):
        read_table(path)


def test_a_table_larger_than_its_parts_is_read_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    line = "\t".join(BLACKBIRD.get(name, "") for name in GBIF.split("\t")) + "\n"
    lines = 3 * BLOCK_BYTES // len(line)
    path.write_text(GBIF + "\n" + line * lines)
    told: list[int] = []
    table = build_table([path], told.append)
    assert table.counts.column("records").to_pylist() == [lines]
    assert len(told) >= 3
