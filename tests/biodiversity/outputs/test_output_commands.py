"""The outputs of real photographs, named by the model that installs with pip."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import fieldguide as fg
from fieldguide.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

pytestmark = pytest.mark.shared_data
PHOTOS = ("000000022192.jpg", "000000022892.jpg")
ENDINGS = ("csv", "bioclip.csv", "dwc.csv", "dwca.zip", "html")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)))


@pytest.fixture
def photos(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in PHOTOS:
        shutil.copy(shared_data / "generic/coco_mini/images" / name, tmp_path / "photos")
    (tmp_path / "photos/bad.jpg").write_text("no picture")
    lines = [f"photos/{name},51.{n},-0.1,2026-05-0{n}" for n, name in enumerate(PHOTOS, start=1)]
    text = "image,latitude,longitude,eventDate\n" + "\n".join([*lines, "photos/bad.jpg,,,"])
    (tmp_path / "list.csv").write_text(text)
    return tmp_path


def test_one_job_has_the_same_names_in_every_output_and_in_folders(photos: Path) -> None:
    animals = fg.taxa("biodiversity", "Animalia", top=1)
    found = fg.guide("biodiversity").classify("list.csv", taxa=animals, thumbnails=True)
    for ending in ENDINGS:
        found.write(f"out.{ending}")
    tables = {
        ending: list(csv.DictReader((photos / f"out.{ending}").read_text().splitlines()))
        for ending in ENDINGS[:3]
    }
    named = [row["label"] for row in tables["csv"] if row["label"]]
    assert len(named) == len(PHOTOS)
    assert [row["species"] for row in tables["bioclip.csv"]] == named
    assert [row["scientificName"] for row in tables["dwc.csv"]] == named
    assert [row["decimalLatitude"] for row in tables["dwc.csv"]] == ["51.1", "51.2"]
    with zipfile.ZipFile(photos / "out.dwca.zip") as archive:
        lines = archive.read("occurrence.txt").decode().splitlines()
    assert [line.split("\t")[4] for line in lines[1:]] == named
    page = (photos / "out.html").read_text()
    assert page.count("data:image/jpeg") == len(PHOTOS)
    assert "<svg" in page
    assert all(name in page for name in named)

    assert (
        run("biodiversity", "sort", "out.csv", "-o", "sorted", "--rank", "species").exit_code == 0
    )
    placed = {path.parent.name for path in (photos / "sorted").rglob("*.jpg")}
    assert placed == set(named)


def test_the_record_says_when_what_by_what_and_how_many(photos: Path) -> None:
    """All that ``bioclip predict --log`` records, and what became of each kind of row."""
    run("classify", "list.csv", "--domain", "biodiversity", "--clade", "Aves", "--rank", "family",
        "--top", "2", "-o", "out.dwc.csv", "--quiet")  # fmt: skip
    record = json.loads((photos / "out.dwc.csv.provenance.json").read_text())
    assert record["started_at"] <= record["made_at"]
    assert record["packages"]["fieldguide"]
    assert record["command"]
    assert record["model"]["name"]
    assert record["device"]
    assert (record["clades"], record["rank"], record["top"]) == (["Aves"], "family", 2)
    assert record["labels"] > 1
    assert record["counts"] == {"inputs": 3, "ok": 2, "skipped": 1}
    assert record["written"] == {"occurrences": 2, "no_occurrences": {"skipped": 1}}
