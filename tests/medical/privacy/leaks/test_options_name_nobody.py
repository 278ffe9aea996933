"""Files that options name, in a folder of their own: not in records, errors and logs."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

import fieldguide as fg
from fieldguide.errors import FieldguideError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Trace


@pytest.fixture
def pictures(planted_tiles: Path, tmp_path: Path) -> Path:
    """A folder that names nobody, with two tiles."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (1, 2):
        found = next(planted_tiles.glob(f"*_{number}.*"))
        shutil.copy(found, folder / f"{number}{found.suffix}")
    return folder


@pytest.fixture
def theirs(tmp_path: Path, planted_tiles: Path) -> Path:
    """A folder named after a patient, with files for options."""
    folder = tmp_path / "Quuxley Zebedee"
    folder.mkdir()
    (folder / "labels.txt").write_text("lung\ncolon\n")
    (folder / "bad.txt").write_bytes(b"\xff\xfe")
    (folder / "classes.yaml").write_text(
        "name: own\nversion: '1'\nsource: here\nlicence: Apache-2.0\ntemplates: ['{}']\n"
        "classes:\n  - {label: lung, names: [lung]}\n  - {label: colon, names: [colon]}\n"
    )
    shutil.copy(next(planted_tiles.glob("*_1.*")), folder / "target.png")
    return folder


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--labels", "labels.txt"), ("--classes", "classes.yaml"), ("--root", ""),
        ("--vectors", "vectors"), ("--report", "r.json"), ("--stain-target", "target.png"),
        ("--output", "a.csv"),
    ],
)  # fmt: skip
def test_records_do_not_name_the_folder_of_an_option(
    trace: Trace, pictures: Path, theirs: Path, planted_words: tuple[str, ...], option: str,
    name: str,
) -> None:  # fmt: skip
    labels = () if option in ("--labels", "--classes") else ("--label", "a", "--label", "b")
    others = {"--vectors": ("--window", "48"), "--report": ("--window", "48"),
              "--stain-target": ("--stain", "reinhard")}.get(option, ())  # fmt: skip
    output = () if option == "--output" else ("-o", "a.csv")
    trace.tiles("classify", pictures, *labels, *others, option, theirs / name, *output)
    trace.said = [line for line in trace.said if "written to" not in line]
    if option == "--output":
        for path in theirs.glob("a.*"):
            shutil.copy(path, trace.folder)
    assert trace.codes == [0]
    assert trace.leaks(planted_words) == []
    record = json.loads((trace.folder / "a.csv.provenance.json").read_text())
    assert option in record["command"] or "-o" in record["command"]


@pytest.mark.parametrize("name", ["gone.txt", "bad.txt", "", "labels.txt/x.txt"])
@pytest.mark.parametrize(
    "option", ["--labels", "--classes", "--vectors", "--calibration", "--adapter", "--model",
               "--stain-target"],
)  # fmt: skip
def test_errors_do_not_name_the_file_of_an_option(
    trace: Trace, pictures: Path, theirs: Path, planted_words: tuple[str, ...], option: str,
    name: str,
) -> None:  # fmt: skip
    labels = ("--label", "a", "--label", "b", "--window", "48", "--stain", "reinhard")
    model = None if option == "--model" else "tiny"
    trace.of("histology_tile", "classify", pictures, *labels, option, theirs / name, model=model)
    trace.run("classify", pictures, "--domain=medical", *labels, f"{option}={theirs / name}",
              model=model)  # fmt: skip
    assert trace.leaks(planted_words) == []


@pytest.mark.parametrize("name", ["gone.csv", "bad.txt", "", "labels.txt/x.csv"])
@pytest.mark.parametrize("option", ["--general", "--replay", "--texts", "--sister"])
def test_errors_of_a_training_do_not_name_its_manifests(
    trace: Trace, planted_tiles: Path, theirs: Path, planted_words: tuple[str, ...], option: str,
    name: str,
) -> None:  # fmt: skip
    place = f"general={theirs / name}" if option == "--sister" else theirs / name
    trace.tiles("tune", planted_tiles, option, place, "-o", "adapter", "--dry-run")
    assert trace.leaks(planted_words) == []


@pytest.mark.parametrize("name", ["gone.csv", "bad.txt", "labels.txt/x.csv"])
@pytest.mark.parametrize("option", ["--classes-file", "--images", "--root"])
def test_errors_of_captions_do_not_name_the_files_of_options(
    trace: Trace, planted_tiles: Path, theirs: Path, planted_words: tuple[str, ...], option: str,
    name: str,
) -> None:  # fmt: skip
    table = planted_tiles / "Quuxley.csv"
    trace.run("captions", table, "--converter", "report_sentences", option, theirs / name,
              model=None)  # fmt: skip
    assert trace.leaks(planted_words) == []


def test_errors_about_outputs_do_not_name_their_folder(
    trace: Trace, pictures: Path, theirs: Path, planted_tiles: Path, planted_words: tuple[str, ...]
) -> None:
    table, two = planted_tiles / "Quuxley.csv", ("--label", "a", "--label", "b")
    for output in (theirs / "bad.txt", theirs / "labels.txt/x.csv", theirs / "labels.txt/x.fg"):
        trace.run("captions", table, "--converter", "report_sentences", "-o", output, model=None)
        trace.tiles("classify", pictures, *two, "-o", output)
        trace.tiles("index", pictures, f"--output={output}")
        trace.tiles("embed", pictures, "-o", output)
        trace.tiles("locate", pictures, "a", "-o", output)
        trace.tiles("evaluate", table, "-o", output)
        trace.run("medical", "findings", table, "-o", output, model=None)
        trace.run("medical", "export", table, "-o", output, model=None)
        trace.run("medical", "series", pictures, "-o", output, model=None)
    assert 0 not in trace.codes
    assert trace.leaks(planted_words) == []


@pytest.mark.parametrize("keyword", ["calibration", "classes"])
def test_errors_in_python_do_not_name_the_files_of_keywords(
    pictures: Path, theirs: Path, tiny_models: Path, planted_words: tuple[str, ...], keyword: str
) -> None:
    guide = fg.guide("medical", modality="histology_tile", model=str(tiny_models / "tiny"))
    named = {"classes": str(theirs / "classes.yaml"), keyword: str(theirs / "gone.yaml")}
    with pytest.raises(FieldguideError, match="item-") as raised:
        guide.classify(pictures, **named)
    assert not [word for word in planted_words if word in str(raised.value)]
