"""The commands of docs/tutorial_sentinel2.md, in their order, on real scenes."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import rasterio
from click.testing import CliRunner

from fieldguide.cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.shared_data

PAGE = Path(__file__).parents[2] / "docs/tutorial_sentinel2.md"
SMALLER = {
    "320m": "1120m",
    "--batch-size 32": "--batch-size 4",
    "--epochs 4": "--epochs 0.3 --projection-epochs 0 --rank 2 --no-measure",
}
"""What makes the page's commands quick: four windows a scene, one step, no figures."""
FIRST = "637U_59R_1_3"


def blocks(language: str) -> Iterator[str]:
    """Yield what stands in the page's blocks of a language."""
    yield from re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)


def commands() -> Iterator[list[str]]:
    """Yield the words of the page's commands, made smaller."""
    for block in blocks("bash"):
        for line in block.splitlines():
            for large, small in SMALLER.items():
                line = line.replace(large, small)
            program, *words = shlex.split(line)
            assert program == "fieldguide"
            yield words


def run(words: list[str]) -> str:
    """Return what a command printed that must succeed."""
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, f"{shlex.join(words)}\n{result.output}"
    return result.output


def test_the_tutorial_runs_as_it_is_written(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source = shared_data / "remote_sensing/sentinel2_l2a"
    shutil.copyfile(source / f"{FIRST}.tif", tmp_path / "scene.tif")
    (tmp_path / "scenes").mkdir()
    for path in source.glob("*.tif"):
        if path.stem != FIRST:
            shutil.copyfile(path, tmp_path / "scenes" / path.name)
    monkeypatch.chdir(tmp_path)
    printed = {}
    for words in commands():
        printed[words[0]] = run(words)

    assert "units     reflectance" in printed["show"]
    assert "16 images" in printed["captions"]  # four scenes of 2 x 2 windows
    assert (tmp_path / "my_adapter/card.md").is_file()
    for name in ("before.tif", "after.tif"):
        with rasterio.open(name) as heat:
            assert heat.descriptions == ("dense vegetation", "bare land")

    (measuring,) = blocks("python")
    exec(compile(measuring, str(PAGE), "exec"), {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "before.tif", "after.tif"
    ]  # fmt: skip


def test_a_product_as_it_is_delivered_needs_neither_sensor_nor_offset(
    make_safe: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_safe(tmp_path / "scenes")  # 120 x 120 px; red 0.3, near infrared 0.7: NDVI 0.4
    monkeypatch.chdir(tmp_path)
    cut, describe = [words for words in commands() if "windows.csv" in words]
    for option in ("--sensor", "--offset"):
        place = cut.index(option)
        del cut[place : place + 2]
    run(cut)
    run([word for word in describe if word != "--set" and "=" not in word])
    with (tmp_path / "captions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 1  # a second window of 112 px would share more than a fifth of it
    assert "sparse vegetation" in rows[0]["caption"].lower()
