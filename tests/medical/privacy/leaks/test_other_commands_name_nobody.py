"""Pairs, texts, reports, benchmarks, adapters: nothing that was planted comes out."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Trace


@pytest.fixture(scope="module")
def planted_reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables of reports that name someone beside and within the text."""
    folder = tmp_path_factory.mktemp("reports") / "Quuxley Zebedee"
    folder.mkdir()
    (folder / "Quuxley.csv").write_text(
        "report,Quuxley,patient\n"
        "Quuxley Zebedee has no pleural effusion.,x,MRN7719923\n"
        ",x,Quuxley\n"
        "Large nodule since 1957-04-13 in Quuxley.,x,MRN7719923\n"
    )
    rows = [{"report": "Pleural effusion of Quuxley.", "patient": "Quuxley"}]
    (folder / "Quuxley.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "Quuxley_bad.jsonl").write_text('{"report": "Quuxley"\nQuuxley')
    (folder / "Quuxley_bad.parquet").write_bytes(b"Quuxley" * 9)
    (folder / "Quuxley.yaml").write_text("Quuxley: [Zebedee\n")
    (folder / "Quuxley_rules.yaml").write_text("name: Quuxley\nfindings: Zebedee\n")
    return folder


def test_reports_name_nobody(
    trace: Trace, planted_reports: Path, planted_words: tuple[str, ...]
) -> None:
    table = planted_reports / "Quuxley.csv"
    for name in ("f.csv", "f.json", "f.parquet", "f.jsonl"):
        trace.run("medical", "findings", table, "-o", name, "--explain", f"e_{name}", model=None)
    trace.run("medical", "findings", planted_reports / "Quuxley.jsonl", model=None)
    for words in (
        ("Quuxley.csv", "--text-column", "none"), ("Quuxley.csv", "--id-column", "none"),
        ("Quuxley_bad.jsonl",), ("Quuxley_bad.parquet",), ("Quuxley_gone.csv",), ("",),
        ("Quuxley.csv", "--set", planted_reports / "Quuxley.yaml"),
        ("Quuxley.csv", "--set", planted_reports / "Quuxley_rules.yaml"),
        ("Quuxley.csv", "--set", planted_reports / "Quuxley_gone.yaml"),
        ("Quuxley.csv", "-o", planted_reports / "r.txt"),
        ("Quuxley.csv", "-o", planted_reports / "Quuxley.csv" / "f.csv"),
        ("Quuxley.csv", "Quuxley.csv"),
    ):  # fmt: skip
        trace.run("medical", "findings", planted_reports / words[0], *words[1:], model=None)
    assert trace.leaks(planted_words) == []
    assert trace.codes[:5] == [3, 3, 3, 3, 0], trace.said
    assert 0 not in trace.codes[5:]


WORDS = "version: '1'\nkeywords: [glands]\ninside: [stained tissue]\noutside: [a car]\n"


def test_pairs_name_nobody(
    trace: Trace, planted_tiles: Path, planted_words: tuple[str, ...]
) -> None:
    manifest, broken = planted_tiles / "Quuxley.csv", planted_tiles / "Quuxley_broken.csv"
    words = planted_tiles / "Quuxley.yaml"
    words.write_text(WORDS)
    texts = ("--caption-column", "findings", "--words", words)
    trace.tiles("pairs", "filter", manifest, *texts, "-o", "k.jsonl", "--report", "w.csv")
    trace.tiles("pairs", "filter", broken, "--caption-column", "label", "--words", words,
                "-o", "b.jsonl", "--report", "b.json")  # fmt: skip
    trace.tiles("pairs", "filter", manifest, *texts, "-o", "k.jsonl", "--words", broken)
    words.unlink()
    trace.tiles("pairs", "filter", planted_tiles / "gone.csv", *texts, "-o", "k.jsonl")
    trace.tiles("pairs", "filter", manifest, *texts, "-o", planted_tiles / "r.txt")
    assert trace.leaks(planted_words) == []
    assert trace.codes[0] == 0, trace.said
    assert 0 not in trace.codes[2:]


def test_pairs_of_a_tar_name_nobody_once_their_domain_is_known(
    trace: Trace, planted_tiles: Path, planted_words: tuple[str, ...], tmp_path: Path
) -> None:
    picture = next(planted_tiles.glob("*_2.jpg")).read_bytes()
    about = json.dumps({"caption": "many glands", "patient": "Quuxley"}).encode()
    tar = tmp_path / "Quuxley.tar"
    with tarfile.open(tar, "w") as file:
        for name, content in (("Zebedee.jpg", picture), ("Zebedee.json", about)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    (tmp_path / "words.yaml").write_text(WORDS)
    trace.run("pairs", "unpack", tar, "-o", tmp_path / "unpacked", model=None)
    trace.tiles("pairs", "filter", tmp_path / "unpacked/pairs.jsonl", "-o", "k.jsonl",
                "--report", "w.csv", "--words", tmp_path / "words.yaml")  # fmt: skip
    assert trace.leaks(planted_words) == []
    assert trace.codes == [0, 0], trace.said


def test_regions_name_nobody(
    trace: Trace, planted_tiles: Path, planted_words: tuple[str, ...]
) -> None:
    names = [path.name for path in sorted(planted_tiles.glob("*_[1-3].*"))]
    rows = [f"{name},MRN7719923{n},{n % 2},Many glands of cells." for n, name in enumerate(names)]
    regions = planted_tiles / "Quuxley_regions.csv"
    regions.write_text("\n".join(["path,study,glands,captions", *rows, "gone.png,Quuxley,1,a", ""]))
    asked = ("--attribute-column", "glands", "--group-column", "study")
    trace.tiles("pairs", "regions", regions, *asked, "-o", "r.jsonl")
    trace.tiles("pairs", "regions", regions, "--attribute-column", "none", "-o", "r.jsonl")
    trace.tiles("pairs", "regions", planted_tiles / "gone.csv", *asked, "-o", "r.jsonl")
    trace.tiles("pairs", "regions", regions, *asked, "--classes", regions, "-o", "r.jsonl")
    regions.unlink()
    assert trace.leaks(planted_words) == []
    assert trace.codes[0] == 3, trace.said


def test_unpaired_texts_name_nobody(
    trace: Trace, planted_tiles: Path, planted_reports: Path, planted_words: tuple[str, ...]
) -> None:
    names = [path.name for path in sorted(planted_tiles.glob("*_[1-3].*"))]
    pictures, texts = planted_reports / "Quuxley_seen.csv", planted_reports / "Quuxley_told.csv"
    pictures.write_text(
        "path,patient,glands\n"
        + "".join(
            f"{planted_tiles / name},Quuxley{n},{n % 2 * 2 - 1}\n" for n, name in enumerate(names)
        )
    )
    texts.write_text(
        "captions,patient,glands\n"
        + "".join(f"Quuxley has {n} glands.,MRN7719923,{n % 2 * 2 - 1}\n" for n in range(6))
    )
    asked = ("--attribute-column", "glands", "--loss", "medclip", "--projection-epochs", "1",
             "--method", "projector", "--group-column", "patient", "--root", planted_tiles,
             "--no-measure")  # fmt: skip
    trace.tiles("tune", pictures, "--texts", texts, *asked, "-o", "first")
    trace.tiles("tune", pictures, "--texts", planted_reports / "Quuxley_gone.csv", *asked,
                "-o", "second")  # fmt: skip
    trace.tiles("tune", pictures, "--texts", planted_tiles / "Quuxley_broken.csv", *asked,
                "-o", "third")  # fmt: skip
    trace.tiles("tune", pictures, "--texts", planted_tiles, *asked, "-o", "fourth")
    trace.run("doctor", "--offline", "--adapter", "first", "-o", "d.json", model=None)
    assert trace.leaks(planted_words) == []
    assert trace.codes[:1] == [0], trace.said
