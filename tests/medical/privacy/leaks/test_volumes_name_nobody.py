"""Volumes, radiographs and their headers: nothing that was planted comes out."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pydicom
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Trace

TWO = ("--label", "cyst", "--label", "stone")
SLICES = "slices.yaml"


def test_headers_of_nrrd_and_metaimage_name_nobody(
    trace: Trace, planted_headers: Path, planted_words: tuple[str, ...]
) -> None:
    trace.of("ct_volume", "classify", planted_headers, *TWO, "-o", "a.json", model=SLICES)
    trace.of("ct_volume", "index", planted_headers, "-o", "i.fg", model=SLICES)
    for ending in ("nhdr", "mhd"):
        good = planted_headers / f"Quuxley_good.{ending}"
        trace.of("ct_volume", "locate", good, "a cyst", "-o", f"{ending}.json", model=SLICES)
        trace.run("show", good, "--domain", "medical", "-o", f"{ending}.jpg", model=None)
        trace.run("show", planted_headers / f"Quuxley_kind.{ending}", "--domain", "medical",
                  model=None)  # fmt: skip
    assert trace.leaks(planted_words) == []
    assert trace.codes == [3, 3, 0, 0, 1, 0, 0, 1], trace.said


def warned(table: Path) -> list[str]:
    """Return the status of each row that tells of text in the pixels."""
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [row["status"] for row in rows if "text is burned into its pixels" in row["reason"]]


def test_a_ct_series_with_text_in_its_pixels_says_so_in_its_row(
    trace: Trace, planted_series: Path, planted_words: tuple[str, ...], tmp_path: Path
) -> None:
    study = tmp_path / "Quuxley"
    for name, stated in (("Zebedee_1", "YES"), ("Zebedee_2", "NO")):
        (study / name).mkdir(parents=True)
        for path in planted_series.iterdir():
            ds = pydicom.dcmread(path)
            ds.BurnedInAnnotation = stated
            ds.save_as(study / name / path.name)
    trace.of("ct_volume", "classify", study, *TWO, "-o", "a.csv", model=SLICES)
    assert trace.codes == [0], trace.said
    assert warned(trace.folder / "a.csv") == ["ok"]
    assert trace.leaks(planted_words) == []


def test_radiographs_name_nobody_and_text_in_pixels_is_told(
    trace: Trace, planted_radiographs: Path, planted_words: tuple[str, ...]
) -> None:
    trace.of("radiograph", "classify", planted_radiographs, *TWO, "-o", "a.json")
    trace.of("radiograph", "classify", planted_radiographs, *TWO, "-o", "a.html")
    trace.of("radiograph", "embed", planted_radiographs, "-o", "v.parquet")
    trace.of("radiograph", "index", planted_radiographs, "-o", "i.fg")
    trace.run("search", "i.fg", "a cyst", "-o", "hits.html", model=None)
    for number, path in enumerate(sorted(planted_radiographs.iterdir())):
        shown = ("--domain", "medical", "--modality", "radiograph", "-o", f"{number}.jpg")
        trace.run("show", path, *shown, model=None)
    assert trace.leaks(planted_words) == []
    trace.of("radiograph", "classify", planted_radiographs, *TWO, "-o", "a.csv")
    assert warned(trace.folder / "a.csv") == ["ok"]
    assert set(trace.codes[:5]) == {0, 3}, trace.said


def test_enhanced_ct_names_nobody(
    trace: Trace, planted_enhanced: Path, planted_words: tuple[str, ...]
) -> None:
    good, bare = planted_enhanced / "Quuxley_good.dcm", planted_enhanced / "Quuxley_bare.dcm"
    trace.of("ct_volume", "classify", good, *TWO, "-o", "a.json", model=SLICES)
    trace.of("ct_volume", "locate", good, "cyst", "-o", "f.nii.gz", model=SLICES)
    trace.run("show", good, "--domain", "medical", "-o", "s.jpg", model=None)
    trace.run("medical", "series", planted_enhanced, "-o", "s.csv", model=None)
    trace.of("ct_volume", "classify", bare, *TWO, "-o", "b.json", model=SLICES)
    trace.run("medical", "series", bare, model=None)
    trace.run("medical", "export", good, "-o", "given", model=None)
    assert trace.leaks(planted_words) == []
    assert trace.codes[:5] == [0, 0, 0, 0, 1], trace.said


def test_findings_of_volumes_name_nobody(
    trace: Trace, planted_findings: Path, planted_words: tuple[str, ...]
) -> None:
    classes = ("--classes", planted_findings / "set.yaml")
    manifest = planted_findings / "Quuxley.csv"
    trace.of("ct_volume", "evaluate", manifest, *classes, "--group-column", "patient", "-o",
             "e.json", "--write-calibration", "c.json", model=SLICES)  # fmt: skip
    for number, name in enumerate(("gone", "value", "none")):
        broken = planted_findings / f"Quuxley_{name}.csv"
        trace.of("ct_volume", "evaluate", broken, *classes, "-o", f"{number}.json", model=SLICES)
    trace.of("ct_volume", "evaluate", manifest, *classes, "--where", "patient == 'Zebedee'",
             model=SLICES)  # fmt: skip
    for calibration in ("c.json", manifest, planted_findings, planted_findings / "Quuxley_gone"):
        given = (*classes, "--calibration", calibration)
        trace.of("ct_volume", "classify", manifest, *given, "-o", "a.csv", model=SLICES)
        trace.of("ct_volume", "evaluate", manifest, *given, model=SLICES)
    assert trace.leaks(planted_words) == []
    assert trace.codes[:7] == [0, 3, 2, 2, 2, 0, 0], trace.said


@pytest.mark.parametrize("command", ["classify", "index", "locate", "show", "evaluate"])
def test_errors_about_volumes_name_nobody(
    trace: Trace, planted_series: Path, planted_words: tuple[str, ...], command: str
) -> None:
    study = planted_series.parent.parent
    for place in (study, planted_series / "Quuxley_gone.nii", study / "Quuxley*", study / "none"):
        words = {"classify": TWO, "index": ("-o", "i.fg"), "locate": ("cyst",)}.get(command, ())
        model = None if command == "show" else SLICES
        for option in ((), ("--series", "9"), ("--window", "wide")):
            trace.of("ct_volume", command, place, *words, *option, model=model)
    assert trace.leaks(planted_words) == []


def test_series_of_a_study_name_nobody(
    trace: Trace, planted_series: Path, planted_radiographs: Path,
    planted_words: tuple[str, ...],
) -> None:  # fmt: skip
    study = planted_series.parent.parent
    for words in (
        (study,), (study, "-o", "s.csv"), (planted_radiographs,), (study, "-o", study / "s.txt"),
        (planted_series / next(planted_series.iterdir()),), (study / "Quuxley_gone",),
        (planted_radiographs / "Quuxley_cut.dcm",), (study, study),
        (study, "-o", planted_radiographs / "Quuxley_cut.dcm" / "s.csv"),
    ):  # fmt: skip
        trace.run("medical", "series", *words, model=None)
    assert trace.leaks(planted_words) == []
    assert trace.codes[:3] == [0, 0, 0], trace.said
