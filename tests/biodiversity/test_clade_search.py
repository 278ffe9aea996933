"""``fieldguide search --clade`` by the tree that comes with the domain."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.cli import main
from fieldguide.taxonomy.tree_file import write_tree
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.zeroshot.choose_taxa import tree_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

NAMES = ("Apis mellifera", "honey bee", "Turdus merula", "Pieris rapae", "a stone", "")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of photos with names, on both sides of the Channel."""
    folder = tmp_path_factory.mktemp("made")
    with (folder / "photos.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "scientificName", "decimalLatitude", "decimalLongitude"])
        for number, name in enumerate(NAMES * 2):
            pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:02d}.png")
            place = (51.5, -0.1) if number < len(NAMES) else (48.8, 2.3)
            writer.writerow([f"{number:02d}.png", name, *place])
    model = write_tiny_checkpoint(folder / "tiny")
    guide = fg.guide("biodiversity", model=str(model), modality="organism_photo")
    guide.index(folder / "photos.csv", folder / "photos.fg")
    return folder / "photos.fg"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fieldguide", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run_command


def test_insects_only_in_one_command(run: Run, made: Path, tmp_path: Path) -> None:
    output = tmp_path / "hits.csv"
    code, _, err = run(
        "search", made, "pollen", "-k", "50", "--clade", "Insecta", "--where",
        'scientificName != "Pieris rapae"', "--near", "51.5,-0.1", "--within-km", "100",
        "-o", output,
    )  # fmt: skip
    assert code == 0, err
    rows = list(csv.DictReader(output.open(encoding="utf-8")))
    assert sorted(row["path"][-6:] for row in rows) == ["00.png", "01.png"]
    assert "2 rows have no scientificName and cannot be found" in err
    assert "'a stone'" in err


def test_a_typo_in_a_clade_names_what_is_near(run: Run, made: Path) -> None:
    code, out, err = run("search", made, "pollen", "--clade", "Insekta")
    assert (code, out) == (2, "")
    assert "Insecta" in err
    assert "Traceback" not in err


def test_regions_are_no_clades_of_a_search(run: Run, made: Path) -> None:
    code, out, err = run("search", made, "pollen", "--clade", "region:GB")
    assert (code, out) == (2, "")
    assert "--near LAT,LON --within-km KM" in err


CHECKLIST = "kingdom,family,species\nBees,Apidae,Apis mellifera\nOthers,Pieridae,Pieris rapae\n"


@pytest.mark.parametrize("name", ["own.csv", "own.tree"])
def test_a_clade_of_a_tree_that_the_user_names(
    name: str, run: Run, made: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.csv").write_text(CHECKLIST)
    if name == "own.tree":
        tree = tree_of(fg.get_catalog().domains["biodiversity"], tmp_path / "own.csv")
        write_tree(tree, tmp_path / name)
    output = tmp_path / "hits.csv"
    code, _, err = run("search", made, "pollen", "-k", "50", "--clade", "Bees",
                       "--taxonomy", tmp_path / name, "-o", output)  # fmt: skip
    assert code == 0, err
    rows = list(csv.DictReader(output.open(encoding="utf-8")))
    assert sorted(row["path"][-6:] for row in rows) == ["00.png", "06.png"]


def test_a_file_that_is_no_tree_is_refused(run: Run, made: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("a,b\n1,2\n")
    code, out, err = run(
        "search", made, "pollen", "--clade", "Bees", "--taxonomy", tmp_path / "own.csv"
    )
    assert (code, out) == (2, "")
    assert "own.csv" in err
    assert "Traceback" not in err
