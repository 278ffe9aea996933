"""``.bioclip.csv``: what reads the tables of pybioclip reads these."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.plugins import get_catalog
from fieldguide.results import Guess, Prediction, Predictions
from fieldguide.taxonomy.taxon import Taxon
from fieldguide.writers import write_result, writer_for
from fieldguide_biodiversity.outputs.bioclip_table import write_bioclip_table

if TYPE_CHECKING:
    from pathlib import Path

BEARS = (
    ("kingdom", "Animalia"), ("phylum", "Chordata"), ("class", "Mammalia"), ("order", "Carnivora"),
    ("family", "Ursidae"), ("genus", "Ursus"),
)  # fmt: skip
BROWN = (*BEARS, ("species", "Ursus arctos"))
SYRIAN = (*BROWN, ("subspecies", "Ursus arctos syriacus"))

DOCUMENTED = """\
file_name,kingdom,phylum,class,order,family,genus,species_epithet,species,common_name,score
Ursus-arctos.jpeg,Animalia,Chordata,Mammalia,Carnivora,Ursidae,Ursus,arctos,Ursus arctos,Kodiak bear,0.9356034994125366
Ursus-arctos.jpeg,Animalia,Chordata,Mammalia,Carnivora,Ursidae,Ursus,arctos syriacus,Ursus arctos syriacus,syrian brown bear,0.05616999790072441
"""  # noqa: E501 - as the authors print it
"""The first lines of pybioclip's tutorial for the command line, "Predict species for an image"."""


def guess(lineage: tuple[tuple[str, str], ...], score: float, common: str = "") -> Guess:
    rank, name = lineage[-1]
    return Guess(name, score, taxon=Taxon(name, rank, lineage, common))


def written(path: Path, *rows: Prediction, **provenance: Any) -> str:
    write_bioclip_table(Predictions(rows, provenance), path)
    return path.read_bytes().decode()


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines(keepends=True)))


def test_the_table_is_that_of_the_authors_tutorial(tmp_path: Path) -> None:
    bears = (
        guess(BROWN, 0.9356034994125366, "Kodiak bear"),
        guess(SYRIAN, 0.05616999790072441, "syrian brown bear"),
    )
    assert written(tmp_path / "a.csv", Prediction("Ursus-arctos.jpeg", bears, "ok")) == DOCUMENTED


def test_at_a_higher_rank_the_columns_end_there(tmp_path: Path) -> None:
    row = Prediction("a.jpg", (guess(BEARS[:5], 0.5, "bears"),), "ok")
    found = written(tmp_path / "a.csv", row, rank="family")
    assert found.splitlines() == [
        "file_name,kingdom,phylum,class,order,family,score",
        "a.jpg,Animalia,Chordata,Mammalia,Carnivora,Ursidae,0.5",
    ]


def test_a_species_that_stands_for_a_missing_family_keeps_its_name(tmp_path: Path) -> None:
    gap = (("kingdom", "Animalia"), ("species", "Ursus arctos"))
    rows = Prediction("a.jpg", (guess(BEARS[:5], 0.5), guess(gap, 0.25)), "ok")
    found = table(written(tmp_path / "a.csv", rows, rank="family"))
    assert [row["species"] for row in found] == ["", "Ursus arctos"]
    assert found[1]["species_epithet"] == "arctos"


def test_where_answers_stop_at_any_rank_all_columns_are_there(tmp_path: Path) -> None:
    (row,) = table(written(tmp_path / "a.csv", Prediction("a", (guess(BEARS[:4], 0.9),), "ok")))
    assert (row["order"], row["family"], row["species"], row["score"]) == (
        "Carnivora", "", "", "0.9",
    )  # fmt: skip


def test_labels_and_bins_of_ones_own_have_one_column(tmp_path: Path) -> None:
    row = Prediction("a.jpg", (Guess("dog, big", 0.75), Guess("cat", 0.25)), "ok")
    assert written(tmp_path / "a.csv", row).splitlines() == [
        "file_name,classification,score",
        'a.jpg,"dog, big",0.75',
        "a.jpg,cat,0.25",
    ]


def test_what_pybioclip_has_no_word_for_has_no_row_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        Prediction("none.jpg", (Guess("none of these", None), guess(BROWN, 0.1)), "ok"),
        Prediction("bad.jpg", (), "refused", "it is no image"),
        Prediction("good.jpg", (guess(BROWN, 0.9),), "ok"),
    ]
    counted = write_bioclip_table(Predictions(rows, {}), tmp_path / "a.csv")
    assert [row["file_name"] for row in table((tmp_path / "a.csv").read_text())] == ["good.jpg"]
    assert counted == {"inputs": 1, "without_a_row": {"none of these": 1, "refused": 1}}
    assert "no row for 2 inputs" in caplog.text


def test_crops_of_one_file_are_told_apart(tmp_path: Path) -> None:
    places = ({"row_px": row, "column_px": 0, "height_px": 8, "width_px": 9} for row in (1, 2))
    rows = [Prediction("a.jpg", (guess(BROWN, 0.9),), "ok", metadata=place) for place in places]
    found = table(written(tmp_path / "a.csv", *rows))
    assert [row["file_name"] for row in found] == ["a.jpg#1,0,8,9", "a.jpg#2,0,8,9"]


def test_odd_names_read_back_as_they_are_and_formulas_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = ["=1+1.jpg", 'a "b", c.jpg', "tab\tand\nline.jpg", "d\udce9.jpg"]
    rows = [Prediction(name, (guess(BROWN, 0.9),), "ok") for name in odd]
    write_bioclip_table(Predictions(rows, {}), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as stream:
        found = [row["file_name"] for row in csv.DictReader(stream)]
    assert found == [*odd[:3], "d\\udce9.jpg"]
    assert "formulas" in caplog.text


@pytest.mark.parametrize("domain", ["biodiversity", "general"])
def test_the_ending_decides_in_every_domain(domain: str) -> None:
    from pathlib import Path

    catalog = get_catalog()
    names = {
        ending: writer_for(Path(f"a{ending}"), "predictions", catalog, domain).name
        for ending in (".bioclip.csv", ".csv", ".dwc.csv", ".dwca.zip")
    }
    assert names == {
        ".bioclip.csv": "bioclip_csv", ".csv": "csv", ".dwc.csv": "darwin_core_csv",
        ".dwca.zip": "darwin_core_archive",
    }  # fmt: skip


def test_the_record_beside_counts_rows_by_status_and_what_was_left_out(tmp_path: Path) -> None:
    rows = [
        Prediction("a.jpg", (guess(BROWN, 0.9),), "ok"),
        Prediction("n.jpg", (Guess("none of these", None),), "ok"),
        Prediction("b.jpg", (), "refused", "it is no image"),
    ]
    path = tmp_path / "a.bioclip.csv"
    write_result(Predictions(rows, {"domain": "biodiversity"}), path, get_catalog())
    record = json.loads((tmp_path / "a.bioclip.csv.provenance.json").read_text())
    assert record["counts"] == {"inputs": 3, "ok": 2, "refused": 1, "none of these": 1}
    assert record["written"]["without_a_row"] == {"none of these": 1, "refused": 1}
