"""``fieldguide search`` with an image and a text."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.cli import main
from fieldguide.errors import UsageError
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """An index of the photos."""
    folder = tmp_path_factory.mktemp("made")
    model = write_tiny_checkpoint(folder / "tiny")
    fg.guide("general", model=str(model)).index(photos, folder / "photos.fg")
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


def test_the_command_line_composes_image_and_text(
    run: Run, made: Path, photos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "hits.csv"
    query = ("search", made, "a barn", "--image", photos / "0.png")
    code, out, err = run(*query, "--text-weight", "0")
    assert code == 0, err
    columns = out.splitlines()[0].split()
    assert columns[:2] == ["rank", "similarity"]
    assert columns[2:6] == ["image_similarity", "text_similarity", "image_cdf", "text_cdf"]
    assert columns[6] == "path"
    assert "0.png" in out.splitlines()[1]
    code, _, err = run(*query, "--composer", "raw_average", "-o", output)
    assert code == 0, err
    rows = list(csv.DictReader(output.open(encoding="utf-8")))
    assert [float(row["similarity"]) for row in rows] == pytest.approx(
        [(float(row["image_similarity"]) + float(row["text_similarity"])) / 2 for row in rows]
    )
    facts = json.loads((tmp_path / "hits.csv.provenance.json").read_text())
    assert (facts["composer"], facts["text_weight"]) == ("raw_average", 0.5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "with both"),
        (("a barn", "--text-weight", "0.3"), "give both"),
        (("a barn", "--composer", "weicom"), "give both"),
        ((" ", "--image", "PHOTO"), "The query is empty"),
        (("a barn", "--image", "PHOTO", "--composer", "weiccom"), "Did you mean 'weicom'"),
        (("a barn", "--image", "PHOTO", "--composer", "lora"), "no composer"),
        (("a barn", "--image", "PHOTO", "--text-weight", "2"), "0<=x<=1"),
    ],
)
def test_a_query_that_makes_no_sense_exits_with_2(
    run: Run, made: Path, photos: Path, words: tuple[str, ...], message: str
) -> None:
    named = [str(photos / "0.png") if word == "PHOTO" else word for word in words]
    code, _, err = run("search", made, *named)
    assert code == 2
    assert message in err


def test_python_searches_with_both_and_one_query_suffices(made: Path, photos: Path) -> None:
    index = fg.open_index(made)
    found = index.search("a barn", image=photos / "1.png", weight=0.0)
    assert [match.rank for match in found] == [1, 2, 3]
    assert found[0].path.endswith("1.png")
    assert all(0 <= match.similarity <= 1 for match in found)
    with pytest.raises(UsageError, match=r"Give 0 .* to 1"):
        index.search("a barn", image=photos / "1.png", weight=float("nan"))
