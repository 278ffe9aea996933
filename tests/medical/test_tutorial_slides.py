"""The commands of docs/tutorial_slides.md, in their order, on real slides."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from PIL import Image

from fieldguide.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.shared_data

PAGE = Path(__file__).parents[2] / "docs/tutorial_slides.md"
SMALLER = {
    "--at-magnification 20": "--at-magnification 8",
    "tissue_fraction > 0.8": "tissue_fraction > 0.3",
    "--method projector": "--method projector --projection-epochs 3 --no-measure",
}
"""What makes the page's commands quick: a sixth of the windows, few steps, no figures."""
SOME_FILES_FAILED = 3


def blocks() -> Iterator[tuple[str, str]]:
    """Yield language and text of the page's blocks."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)


def run(line: str) -> str:
    """Return what a command printed; it fails only for the file of ``slides/`` that is broken."""
    for large, small in SMALLER.items():
        line = line.replace(large, small)
    program, *words = shlex.split(line)
    assert program == "fieldguide"
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == (SOME_FILES_FAILED if "slides/" in words else 0), (
        f"{line}\n{result.output}\n{result.exception}"
    )
    return result.output


def rows_of(name: str) -> list[dict[str, str]]:
    with Path(name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_tutorial_of_slides_runs_as_it_is_written(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source, folder = shared_data / "medical/wsi", tmp_path / "slides"
    folder.mkdir()
    shutil.copyfile(source / "cmu_small_region.svs", tmp_path / "slide.svs")
    shutil.copyfile(source / "tcga-cr-7395-01a-01-ts1.svs", folder / "training.svs")
    shutil.copyfile(source / "broken.svs", folder / "broken.svs")
    tiles = shared_data / "medical/lc25000_lung"
    shutil.copyfile(
        tiles / "images/benign_lung_tissue/lungn12.jpeg", tmp_path / "tile.jpeg"
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    said, session = {}, dict[str, Any]()
    for language, text in blocks():
        if language == "bash":
            said |= {line: run(line) for line in text.splitlines()}
        elif language == "python":
            exec(compile(text, str(PAGE), "exec"), session)

    shown = [text for line, text in said.items() if line.startswith("fieldguide show")]
    assert "microns_per_pixel 0.499" in shown[0]
    assert "--mpp 0.5" in shown[1]
    assert "microns_per_pixel 0.5" in shown[2]
    assert {row["status"] for row in rows_of("run.csv")} == {"ok", "skipped"}
    assert all(row["path"].startswith("item-") for row in rows_of("slides.csv"))
    for name in ("found.geojson", "like_tile.geojson", "before.geojson", "after.geojson"):
        features = json.loads(Path(name).read_text())["features"]
        assert {one["properties"]["objectType"] for one in features} == {"annotation"}
    for name in ("overlay.png", "before.png", "after.png"):
        with Image.open(name) as picture:
            assert max(picture.size) <= 4096
    assert {row["label"] for row in rows_of("labelled.csv")} == {"many nuclei", "few nuclei"}
    assert Path("my_adapter/card.md").is_file()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "before.csv", "after.csv"
    ]  # fmt: skip
