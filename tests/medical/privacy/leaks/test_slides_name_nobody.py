"""Slides and large pictures by windows: nothing that was planted comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Trace

TWO = ("--label", "tumour", "--label", "stroma")
WINDOW = ("--window", "100")


def test_slides_name_nobody(
    trace: Trace, planted_slides: Path, planted_words: tuple[str, ...]
) -> None:
    stain = ("--stain", "macenko", "--stain-target", planted_slides / "Quuxley_plain.tif")
    trace.of(
        "slide", "classify", planted_slides, *TWO, *WINDOW, "-o", "a.json", "--report", "r.csv"
    )
    trace.of("slide", "classify", planted_slides, *TWO, *WINDOW, *stain, "--vectors", "stained",
             "-o", "a.html", "--report", "r.parquet")  # fmt: skip
    trace.of("slide", "index", planted_slides, *WINDOW, "-o", "i.fg")
    trace.run("search", "i.fg", "glands", "-o", "hits.json", model=None)
    for number, query in enumerate(("Quuxley_plain.tif", "Quuxley_gone.png", "Quuxley_cut.svs")):
        trace.run("search", "i.fg", "--image", planted_slides / query, "-o", f"{number}.csv",
                  model=None)  # fmt: skip
    outputs = [w for e in ("geojson", "png", "csv", "parquet", "json") for w in ("-o", f"f.{e}")]
    trace.of("slide", "locate", planted_slides / "Quuxley^Zebedee.svs", "gland", *WINDOW, *outputs)
    trace.of("slide", "locate", planted_slides, "gland", *WINDOW, "-o", "all.csv")
    for path in sorted(planted_slides.iterdir()):
        trace.run("show", path, "--domain", "medical", "--modality", "slide", model=None)
    assert trace.leaks(planted_words) == []
    assert trace.codes[:4] == [3, 3, 3, 0], trace.said
    assert trace.codes[7:9] == [0, 3], trace.said


def test_errors_about_slides_name_nobody(
    trace: Trace, planted_slides: Path, planted_words: tuple[str, ...]
) -> None:
    good, gone = planted_slides / "Quuxley^Zebedee.svs", planted_slides / "Quuxley_gone.svs"
    calls: list[tuple[object, ...]] = [
        ("classify", gone, *TWO),
        ("classify", planted_slides / "*Quuxley.ndpi", *TWO),
        ("classify", good, *TWO, "--window", "Quuxley"),
        ("classify", good, *TWO, *WINDOW, "--report", planted_slides / "r.txt"),
        ("classify", good, *TWO, *WINDOW, "--vectors", good),
        ("classify", good, *TWO, *WINDOW, "--report", good / "r.csv"),
        ("classify", good, "--labels", gone),
        ("classify", good, "--labels", good),
        ("classify", good, "--classes", gone),
        ("classify", good, "--classes", good),
        ("classify", good, *TWO, "--stain", "macenko", "--stain-target", gone),
        ("classify", good, *TWO, "--stain", "macenko", "--stain-target", planted_slides),
        ("classify", good, *TWO, "--stain", good),
        ("classify", good, *TWO, "--mpp", good),
        ("classify", good, *TWO, "--root", gone, "--adapter", gone),
        ("classify", good, *TWO, "--adapter", good),
        ("locate", good, "a", "-o", planted_slides / "r.txt"),
        ("locate", planted_slides / "Quuxley_cut.svs", "a", "-o", "f.png"),
        ("locate", gone, "a"),
        ("index", good, "-o", good),
        ("index", planted_slides / "Quuxley_text.svs", *WINDOW, "-o", "x.fg"),
        ("embed", good, "-o", good / "v.parquet"),
        ("embed", good, "-o", planted_slides / "v.txt"),
        ("evaluate", good),
    ]
    for call in calls:
        trace.of("slide", *call)  # type: ignore[arg-type]  # the first is the command's name
    trace.of("slide", "classify", good, *TWO, "--model", good, model=None)
    trace.of("slide", "classify", good, *TWO, "--model", gone, model=None)
    assert trace.leaks(planted_words) == []
    assert 0 not in trace.codes, trace.said


def test_large_pictures_by_windows_name_nobody(
    trace: Trace, planted_tiles: Path, planted_words: tuple[str, ...]
) -> None:
    cut = ("--window", "48", "--vectors", "kept", "--report", "r.json")
    trace.tiles("classify", planted_tiles / "Quuxley.csv", planted_tiles, *TWO, *cut, "-o", "a.csv")
    trace.tiles("classify", planted_tiles, *TWO, *cut, "-o", "b.csv")
    trace.tiles("locate", planted_tiles, "glands", "--window", "48", "--vectors", "kept",
                "-o", "f.csv")  # fmt: skip
    assert trace.leaks(planted_words) == []
    assert set(trace.codes) == {3}, trace.said
