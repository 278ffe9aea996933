"""The commands of docs/tutorial_species.md, in their order, on real photographs."""

from __future__ import annotations

import csv
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from fieldguide.cli import cli

pytestmark = pytest.mark.shared_data

PAGE = Path(__file__).parents[2] / "docs/tutorial_species.md"
FILES = Path(__file__).parent / "tutorial_files.py"
SMALLER = {"--projection-epochs 10": "--projection-epochs 2 --no-measure", "--max-loss 0.1 ": ""}
"""What makes the page's commands quick: few steps, no figures."""
SOME_FAILED = 3


def run(line: str) -> str:
    """Return what a command printed; it fails only where a name of the drawers is unknown."""
    for large, small in SMALLER.items():
        line = line.replace(large, small)
    program, *words = shlex.split(line, comments=True)
    assert program == "fieldguide"
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == (SOME_FAILED if "match" in words else 0), f"{line}\n{done.output}"
    return done.output


def rows_of(name: str) -> list[dict[str, str]]:
    with Path(name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def make_files(data: Path, folder: Path) -> None:
    """Make what the page says that its reader has."""
    spec = importlib.util.spec_from_file_location("tutorial_files", FILES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make_files(data, folder, crops=20)


def test_the_tutorial_of_species_runs_as_it_is_written(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_files(shared_data, tmp_path)
    monkeypatch.chdir(tmp_path)
    text = "".join(re.findall(r"^```bash\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S))
    said = {line: run(line) for line in text.splitlines()}

    sure = {Path(row["path"]).stem: row["label"] for row in rows_of("sure.csv")}
    assert (sure["elephants"], sure["zebras"]) == ("Elephantidae", "Equus")
    (evaluated,) = (out for line, out in said.items() if " evaluate " in line)
    assert "of 30 other pictures of none of these" in evaluated
    first = [row["label"] for row in rows_of("calibrated.csv") if row["path"].startswith("other")]
    assert first.count("none of these") > 50  # of 60, as the bound says that was fitted on half
    (placed,) = (out for line, out in said.items() if "--place" in line)
    assert "Loxodonta africana" in placed
    assert "1700 records within 100 km" in placed
    matched = rows_of("matched.csv")
    assert [row["name_match"] for row in matched] == ["exact", "none", "exact"]
    assert matched[1]["name_suggestions"].startswith("Panthera leo")
    animals = rows_of("animals.csv")
    assert [row["status"] for row in animals if "camp" in row["path"]] == ["empty"]
    assert len([row for row in animals if row["status"] == "ok"]) == 5
    assert "elephants" in Path("names.html").read_text("utf-8")
    assert Path("my_fish/card.md").is_file()
    assert {row["status"] for row in rows_of("fishes.csv")} == {"ok"}
