"""Place and season as a user types them."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import ExifTags, Image

import fieldguide as fg
from fieldguide.cli import main
from fieldguide.errors import UsageError
from fieldguide.taxonomy.lineages import tree_from_lineages
from fieldguide.taxonomy.tree import TreeInfo
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_biodiversity.priors.source import OccurrenceSource, place_and_season

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

LABELS = ("--label", "Turdus merula", "--label", "Turdus migratorius")
BIODIVERSITY = ("--domain", "biodiversity", "--modality", "organism_photo", "--out-of-scope")
GBIF = "species\tdecimalLatitude\tdecimalLongitude\tmonth\tcountryCode\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fieldguide", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
            raise SystemExit(0)
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run_command


@pytest.fixture
def occurrences(tmp_path: Path) -> Path:
    """The blackbird around London, the robin around New York."""
    path = tmp_path / "gbif.csv"
    lines = ["Turdus merula\t51.5\t-0.1\t6\tGB"] * 90 + [
        "Turdus migratorius\t40.7\t-74\t6\tUS"
    ] * 90
    path.write_text(GBIF + "\n".join([*lines, "Pica pica\t0\t0\t6\tGB"]) + "\n")
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One photo that says where it was taken, in New York, and one that does not."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    exif = Image.Exif()
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place = ExifTags.GPS
    gps[place.GPSLatitudeRef], gps[place.GPSLatitude] = "N", (40, 42, 0)
    gps[place.GPSLongitudeRef], gps[place.GPSLongitude] = "W", (74, 0, 0)
    Image.fromarray(pixels).save(folder / "new_york.jpg", exif=exif, quality=95)
    Image.fromarray(pixels).save(folder / "somewhere.jpg", quality=95)
    return folder


def rows_of(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    with path.open(newline="") as stream:
        return {(row["path"][-7:], row["label"]): row for row in csv.DictReader(stream)}


def test_a_table_is_built_and_shown_with_what_was_left_out(
    run: Run, occurrences: Path, tmp_path: Path
) -> None:
    made = tmp_path / "a.prior"
    code, out, _ = run("biodiversity", "occurrences", "build", occurrences, "-o", made)
    assert code == 0
    assert "180 records of 2 taxa, from gbif.csv (181 rows)" in out
    assert "1 rows left out: at 0,0" in out
    code, out, _ = run("biodiversity", "occurrences", "show", made, "--place", "51.5,-0.1")
    assert code == 0
    assert "Turdus merula" in out
    assert "migratorius" not in out


def test_a_table_needs_the_ending_by_which_it_is_known(
    run: Run, occurrences: Path, tmp_path: Path
) -> None:
    code, _, err = run(
        "biodiversity", "occurrences", "build", occurrences, "-o", tmp_path / "a.csv"
    )
    assert code == 2
    assert "ends with .prior" in err


def test_answers_come_with_and_without_the_prior_and_a_photo_that_knows_its_place_wins(
    run: Run, occurrences: Path, photos: Path, tmp_path: Path, model: str
) -> None:
    target = tmp_path / "out.csv"
    code, _, err = run(
        "classify", photos, *BIODIVERSITY, *LABELS, "--top", "2", "--model", model, "-o", target,
        "--place", "51.5,-0.1", "--date", "2026-06-01", "--occurrences", occurrences,
    )  # fmt: skip
    assert code == 0, err
    rows = rows_of(target)
    robin = rows["ork.jpg", "Turdus migratorius"]
    blackbird = rows["ere.jpg", "Turdus merula"]
    for row in (robin, blackbird):
        assert float(row["probability"]) > float(row["probability_without_prior"])
    assert robin["why"] == (
        "prior: 40.7,-74 (its own place) in June, strength 1, 90 records within 100 km"
    )
    assert blackbird["why"] == "prior: 51.5,-0.1 in June, strength 1, 90 records within 100 km"
    made = json.loads((tmp_path / "out.csv.provenance.json").read_text())
    assert made["prior"]["strength"] == 1
    assert made["prior"]["occurrences"]["sources"] == ["gbif.csv"]
    assert "occurrences" not in made["options"]


def test_strength_zero_gives_the_probabilities_of_no_prior(
    run: Run, occurrences: Path, photos: Path, tmp_path: Path, model: str
) -> None:
    for name, options in (
        ("none.csv", ()),
        (
            "zero.csv",
            ("--occurrences", occurrences, "--prior-strength", "0", "--place", "51.5,0.1"),
        ),
    ):
        code, _, err = run("classify", photos, *BIODIVERSITY, *LABELS, "--model", model,
                           "--top", "2", "-o", tmp_path / name, *options)  # fmt: skip
        assert code == 0, err
    none, zero = rows_of(tmp_path / "none.csv"), rows_of(tmp_path / "zero.csv")
    assert {key: row["probability"] for key, row in none.items()} == {
        key: row["probability"] for key, row in zero.items()
    }


def test_place_and_date_without_a_table_still_classify_and_say_what_is_missing(
    run: Run, photos: Path, model: str
) -> None:
    code, out, _ = run("classify", photos, *BIODIVERSITY, *LABELS, "--model", model,
                       "--place", "51.5,-0.1", "--date", "2026-06-01")  # fmt: skip
    assert code == 0
    assert "no prior: no table of occurrences" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--place", "London"), "--place 51.5,-0.1"),
        (("--date", "June"), "--date 2026-06-01"),
        (("--occurrences", "missing.prior"), "missing.prior"),
        (("--prior-strength", "-1"), "strength"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(
    run: Run, photos: Path, model: str, options: tuple[str, ...], words: str
) -> None:
    code, _, err = run("classify", photos, *BIODIVERSITY, *LABELS, "--model", model, *options)
    assert code == 2
    assert words in err
    assert "Traceback" not in err


def test_commands_that_no_prior_can_change_do_not_offer_its_options(
    run: Run, photos: Path, tmp_path: Path, model: str
) -> None:
    code, _, err = run("embed", photos, *BIODIVERSITY, "--model", model,
                       "-o", tmp_path / "a.parquet", "--place", "51.5,-0.1")  # fmt: skip
    assert code == 2
    assert "--place" in err


def test_an_evaluation_of_labels_has_the_prior_and_one_of_taxa_refuses_it(
    run: Run, occurrences: Path, photos: Path, tmp_path: Path, model: str
) -> None:
    manifest = tmp_path / "photos.csv"
    manifest.write_text(
        "path,label\nphotos/new_york.jpg,Turdus migratorius\nphotos/somewhere.jpg,Turdus merula\n"
    )
    options = ("--model", model, "--occurrences", occurrences, "--place", "51.5,-0.1",
               "--prior-strength", "1000")  # fmt: skip
    code, out, err = run("evaluate", manifest, *BIODIVERSITY, *LABELS, *options)
    assert code == 0, err
    assert "accuracy" in out + err
    assert (
        "1.000" in out + err
    )  # so strong a prior decides alone, and both live where they were taken
    code, _, err = run("evaluate", manifest, *BIODIVERSITY, "--clade", "Turdidae", *options)
    assert code == 2
    assert "--occurrences and --place" in err or "--place and --occurrences" in err


RANKS = ("family", "genus", "species")
TREE = tree_from_lineages(
    [
        dict(zip(RANKS, ("Turdidae", "Turdus", name), strict=True))
        for name in ("Turdus merula", "Turdus migratorius")
    ],
    RANKS,
    TreeInfo("thrushes"),
)


def test_taxa_of_a_tree_are_boosted_too(occurrences: Path, photos: Path, model: str) -> None:
    guide = fg.guide("biodiversity", modality="organism_photo", model=model, date="2026-06-01",
                     place="51.5,-0.1", occurrences=str(occurrences))  # fmt: skip
    guide.planner.out_of_scope = True
    found = guide.classify(photos / "somewhere.jpg", taxa=fg.taxa("biodiversity", taxonomy=TREE))
    probability = {
        guess.label: (guess.probability, guess.without_prior) for guess in found[0].guesses
    }
    with_prior, without = probability["Turdus merula"]
    assert with_prior is not None
    assert without is not None
    assert with_prior > without
    assert found[0].guesses[0].why.endswith("90 records within 100 km")


def test_a_source_may_be_given_from_python(occurrences: Path, photos: Path, model: str) -> None:
    source = place_and_season(occurrences=occurrences, place="51.5,-0.1")
    assert isinstance(source, OccurrenceSource)
    guide = fg.guide("biodiversity", modality="organism_photo", model=model)
    guide.planner.out_of_scope = True
    found = guide.classify(photos, ["Turdus merula", "Turdus migratorius"], prior=source)
    assert all(guess.without_prior is not None for row in found for guess in row.guesses)


def test_a_region_narrows_the_choice_to_what_was_recorded_there(occurrences: Path) -> None:
    source = place_and_season(occurrences=occurrences)
    assert isinstance(source, OccurrenceSource)
    taxa = fg.taxa("biodiversity", "region:US", taxonomy=TREE, regions=source.taxa_in)
    assert [taxa.tree.name_of(node) for node in taxa.pruned.labels] == ["Turdus migratorius"]


def test_a_prior_of_windows_is_refused(occurrences: Path, photos: Path, model: str) -> None:
    guide = fg.guide("biodiversity", modality="organism_photo", model=model, place="51.5,-0.1",
                     occurrences=str(occurrences))  # fmt: skip
    guide.planner.out_of_scope = True
    with pytest.raises(UsageError, match="whole pictures"):
        guide.classify(photos, ["Turdus merula", "Turdus migratorius"], window=32)
