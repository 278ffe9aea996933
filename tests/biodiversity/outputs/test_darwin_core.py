"""``.dwc.csv`` and ``.dwca.zip``: predictions as occurrences in the terms of Darwin Core."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from fieldguide.results import Guess, Prediction, Predictions
from fieldguide.taxonomy.taxon import Taxon
from fieldguide_biodiversity.checklists.meta_xml import read_descriptor
from fieldguide_biodiversity.outputs.darwin_core import write_archive, write_occurrence_csv
from fieldguide_biodiversity.outputs.occurrences import TERMS, occurrences_of
from fieldguide_biodiversity.outputs.where_when import event_date, location
from fieldguide_biodiversity.priors.files import read_batches

if TYPE_CHECKING:
    from pathlib import Path

MERULA = (
    ("kingdom", "Animalia"), ("phylum", "Chordata"), ("class", "Aves"), ("order", "Passeriformes"),
    ("family", "Turdidae"), ("genus", "Turdus"), ("species", "Turdus merula"),
)  # fmt: skip
MADE = {
    "made_at": "2026-11-28T20:00:00+00:00",
    "model": {"name": "bioclip_2"},
    "packages": {"fieldguide": "0.1.0"},
}
LONDON = {"decimalLatitude": 51.5, "decimalLongitude": -0.1, "eventDate": "2026-05-17"}


def guess(lineage: Any = MERULA, probability: float = 0.9, **more: Any) -> Guess:
    rank, name = lineage[-1]
    return Guess(name, probability, taxon=Taxon(name, rank, lineage, "blackbird", "X1"), **more)


def prediction(path: str = "a.jpg", *guesses: Guess, **metadata: Any) -> Prediction:
    return Prediction(path, guesses or (guess(),), "ok", metadata=metadata)


def row_of(*args: Any, **metadata: Any) -> dict[str, Any]:
    (row,) = occurrences_of(Predictions([prediction(*args, **metadata)], MADE)).rows
    return row


def test_an_occurrence_says_what_where_when_and_that_a_machine_said_it() -> None:
    row = row_of(**LONDON, coordinateUncertaintyInMeters=25)
    assert row.pop("occurrenceID").startswith("fieldguide:")
    assert row == {
        "basisOfRecord": "MachineObservation",
        "occurrenceStatus": "present",
        "scientificName": "Turdus merula",
        "taxonRank": "species",
        "taxonID": "X1",
        "higherClassification": "Animalia | Chordata | Aves | Passeriformes | Turdidae | Turdus",
        **dict(MERULA[:-1]),
        "specificEpithet": "merula",
        "vernacularName": "blackbird",
        "decimalLatitude": 51.5,
        "decimalLongitude": -0.1,
        "geodeticDatum": "WGS84",
        "coordinateUncertaintyInMeters": 25,
        "eventDate": "2026-05-17",
        "associatedMedia": "a.jpg",
        "identifiedBy": "bioclip_2 (fieldguide 0.1.0)",
        "dateIdentified": "2026-11-28T20:00:00+00:00",
        "identificationVerificationStatus": "unverified",
        "identificationRemarks": "probability 0.900",
    }


def test_a_wide_answer_has_no_epithet() -> None:
    row = row_of("a.jpg", guess(MERULA[:5]))
    assert (row["scientificName"], row["taxonRank"]) == ("Turdidae", "family")
    assert not {"genus", "specificEpithet", "infraspecificEpithet"} & set(row)


def test_a_subspecies_has_both_epithets() -> None:
    row = row_of("a.jpg", guess((*MERULA, ("subspecies", "Turdus merula mauritanicus"))))
    assert (row["specificEpithet"], row["infraspecificEpithet"]) == ("merula", "mauritanicus")


def test_remarks_have_the_prior_the_reason_and_what_came_next() -> None:
    best = guess(probability=0.8, without_prior=0.5, why="stopped at species")
    row = row_of("a.jpg", best, guess(MERULA[:6], 0.2))
    assert row["identificationRemarks"] == (
        "probability 0.800; 0.500 without the prior of place and season; stopped at species; "
        "next: Turdus 0.200"
    )


def test_ids_are_the_same_in_every_run_and_differ_by_file_and_box() -> None:
    box = {"row_px": 1, "column_px": 2, "height_px": 3, "width_px": 4}
    rows = [
        prediction("a.jpg"), prediction("b.jpg"), prediction("a.jpg", **box),
        prediction("a.jpg", **box | {"row_px": 9}),
    ]  # fmt: skip
    first, second = (
        [row["occurrenceID"] for row in occurrences_of(Predictions(rows, MADE)).rows] for _ in "ab"
    )
    assert first == second
    assert len(set(first)) == 4


def test_a_manifests_own_id_is_kept_also_for_its_crops() -> None:
    box = {"row_px": 1, "column_px": 2, "height_px": 3, "width_px": 4}
    assert row_of(occurrenceID="urn:x:7")["occurrenceID"] == "urn:x:7"
    assert row_of(occurrenceID="urn:x:7", **box)["occurrenceID"] == "urn:x:7#1,2,3,4"


def test_the_same_file_twice_has_two_ids() -> None:
    found = occurrences_of(Predictions([prediction(), prediction()], MADE))
    assert len({row["occurrenceID"] for row in found.rows}) == 2


def test_only_a_detectors_box_is_one_individual() -> None:
    assert "individualCount" not in row_of()
    assert row_of(box_index=0, box_label="animal")["individualCount"] == 1


def test_what_names_no_taxon_is_no_occurrence_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        prediction("a", Guess("none of these", None), guess()),
        prediction("b", Guess("bin 1", 0.5)),
        Prediction("c", (), "skipped", "it is no image"),
        Prediction("d", (), "refused", "no"),
        prediction("e"),
    ]
    counts = write_occurrence_csv(Predictions(rows, MADE), tmp_path / "a.dwc.csv")
    assert counts == {
        "occurrences": 1,
        "no_occurrences": Counter(
            {"none of these": 1, "not a taxon": 1, "skipped": 1, "refused": 1}
        ),
    }
    assert "4 rows are no occurrences" in caplog.text


@pytest.mark.parametrize(
    ("metadata", "latitude"),
    [
        ({"latitude_deg": 10.0, "longitude_deg": 20.0}, 10.0),  # EXIF
        ({"latitude_deg": 10.0, "longitude_deg": 20.0, "lat": 1, "lon": 2}, 1),  # manifest
        ({"decimalLatitude": 0.0, "decimalLongitude": 0.0}, None),
        ({"decimalLatitude": float("nan"), "decimalLongitude": 2.0}, None),
        ({"decimalLatitude": 91.0, "decimalLongitude": 2.0}, None),
        ({"decimalLatitude": 9.0}, None),
    ],
)
def test_places_are_those_of_the_picture_or_none(
    metadata: dict[str, Any], latitude: float | None
) -> None:
    assert location(metadata).get("decimalLatitude") == latitude


def test_another_datum_and_an_unusable_uncertainty_are_not_made_up() -> None:
    place = {"decimalLatitude": 1.0, "decimalLongitude": 2.0, "geodeticDatum": "NAD27"}
    found = location(place | {"coordinateUncertaintyInMeters": float("nan")})
    assert found["geodeticDatum"] == "NAD27"
    assert "coordinateUncertaintyInMeters" not in found


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2026-05-17T10:20:30+02:00", "2026-05-17T10:20:30+02:00"),
        ("2026:05:17 10:20:30", "2026-05-17T10:20:30"),
        ("2026-02-30", ""),
        ("yesterday", ""),
        ("2026-05-17T99", ""),
    ],
)
def test_dates_are_iso_8601_or_left_out(written: str, iso: str) -> None:
    assert event_date({"captured_at": written}) == iso


def described(archive: zipfile.ZipFile) -> list[tuple[str, dict[int, str], list[list[str]]]]:
    """Read an archive as the Darwin Core text guide says, by the indices of meta.xml."""
    space = "{http://rs.tdwg.org/dwc/text/}"
    found = []
    for table in ET.fromstring(archive.read("meta.xml")):
        name = table.findtext(f"{space}files/{space}location") or ""
        terms = {int(f.get("index", "")): f.get("term", "") for f in table.iter(f"{space}field")}
        assert table.get("fieldsTerminatedBy") == "\\t"
        lines = archive.read(name).decode().split("\n")[1:-1]
        found.append((name, terms, [line.split("\t") for line in lines]))
    return found


def test_meta_xml_says_which_column_is_which_term(tmp_path: Path) -> None:
    hostile = "tab\tand\nline\x0bup.jpg"
    rows = [prediction(hostile, **LONDON), prediction("b<&>.png")]
    write_archive(Predictions(rows, MADE), tmp_path / "a.dwca.zip")
    with zipfile.ZipFile(tmp_path / "a.dwca.zip") as archive:
        occurrences, media = described(archive)
        eml = ET.fromstring(archive.read("eml.xml"))
    assert "bioclip_2" in (eml.findtext("dataset/title") or "")
    place = {term.rpartition("/")[2]: index for index, term in occurrences[1].items()}
    assert list(place) == list(TERMS)
    first, second = occurrences[2]
    assert {len(first), len(second)} == {len(TERMS)}
    assert first[place["associatedMedia"]] == "tab and line up.jpg"
    assert (first[place["decimalLatitude"]], second[place["decimalLatitude"]]) == ("51.5", "")
    assert [line[0] for line in media[2]] == [first[0], second[0]]
    assert media[2][1][1:5] == ["StillImage", "image/png", "b<&>.png", "b<&>.png"]


def test_the_projects_own_reader_of_archives_finds_both_tables(tmp_path: Path) -> None:
    write_archive(Predictions([prediction()], MADE), tmp_path / "a.dwca.zip")
    with zipfile.ZipFile(tmp_path / "a.dwca.zip") as archive:
        found = read_descriptor(archive.read("meta.xml"))
    assert (found.core.row_type, found.core.files) == ("occurrence", ("occurrence.txt",))
    assert [(t.row_type, t.id_place) for t in found.extensions] == [("multimedia", 0)]


@pytest.mark.parametrize("name", ["a.dwca.zip", "a.dwc.csv"])
def test_what_is_written_is_read_back_as_a_table_of_occurrences(tmp_path: Path, name: str) -> None:
    write = write_archive if name.endswith("zip") else write_occurrence_csv
    rows = [prediction(f"{n}.jpg", **LONDON | {"decimalLatitude": n / 8}) for n in range(1, 4)]
    write(Predictions(rows, MADE), tmp_path / name)
    dropped: Counter[str] = Counter()
    (batch,) = read_batches(tmp_path / name, dropped)
    assert not dropped
    assert batch["scientific_name"].to_pylist() == ["Turdus merula"] * 3
    assert batch["latitude"].to_pylist() == ["0.125", "0.25", "0.375"]
    assert batch["date"].to_pylist() == ["2026-05-17"] * 3


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_archive(Predictions([prediction()], MADE), tmp_path / f"{name}.dwca.zip")
    assert (tmp_path / "a.dwca.zip").read_bytes() == (tmp_path / "b.dwca.zip").read_bytes()


def test_ten_thousand_rows_are_written_with_distinct_ids(tmp_path: Path) -> None:
    rows = [prediction(f"=cmd|{n}.jpg", **LONDON) for n in range(10_000)]
    write_occurrence_csv(Predictions(rows, MADE), tmp_path / "a.dwc.csv")
    with (tmp_path / "a.dwc.csv").open(newline="") as stream:
        found = list(csv.DictReader(stream))
    assert len({row["occurrenceID"] for row in found}) == 10_000
    assert found[-1]["associatedMedia"] == "=cmd|9999.jpg"
