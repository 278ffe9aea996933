"""Names are planted in every tag, file and folder, and looked for in all that comes out.

The real command line runs in this process, at the most talkative level of all logs, over good and
broken files; then every byte and value of every output, and all that was said, is searched. Only
``sources.parquet`` may hold what was planted.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Trace

LABELS = ("--label", "benign lung tissue", "--label", "lung adenocarcinoma",
          "--label", "lung squamous cell carcinoma")  # fmt: skip
SOURCES = "sources.parquet"


def private_lists(folder: Path) -> list[Path]:
    return list(folder.rglob(SOURCES))


def test_classify_of_pictures_names_nobody(
    trace: Trace, planted_tiles: Path, planted_words: tuple[str, ...]
) -> None:
    trace.tiles("classify", planted_tiles, *LABELS)
    manifest = planted_tiles / "Quuxley.csv"
    for name in ("a.csv", "a.json", "a.jsonl", "a.parquet", "a.html"):
        trace.tiles("classify", manifest, planted_tiles / "*_cut.png", *LABELS, "-o", name)
    assert set(trace.codes) == {3}
    assert trace.leaks(planted_words) == []
    (kept,) = private_lists(trace.folder)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "Quuxley" in repr(pq.read_table(kept).to_pylist())


def test_the_owner_can_look_an_id_up(trace: Trace, planted_tiles: Path) -> None:
    trace.tiles("classify", planted_tiles / "Quuxley.csv", *LABELS, "-o", "a.csv")
    identity = (trace.folder / "a.csv").read_text().splitlines()[1].partition(",")[0]
    assert "Quuxley" in trace.run("sources", identity, "--in", ".", model=None)
    shown = trace.tiles("classify", planted_tiles, *LABELS, "--show-paths")
    assert "Quuxley" in shown


def test_embed_index_and_search_name_nobody(
    trace: Trace, planted_tiles: Path, planted_words: tuple[str, ...]
) -> None:
    manifest = planted_tiles / "Quuxley.csv"
    picture = next(planted_tiles.glob("*_1.png"))
    trace.tiles("embed", manifest, "-o", "v.parquet")
    trace.tiles("embed", manifest, "-o", "v.parquet")
    trace.tiles("classify", "v.parquet", *LABELS, "-o", "of_vectors.csv")
    trace.tiles("index", planted_tiles, manifest, "-o", "i.fg")
    trace.run("search", "i.fg", "glands", "-o", "hits.html", model=None)
    trace.run("search", "i.fg", "--image", picture, "-o", "hits.csv", model=None)
    trace.run("search", "i.fg", "glands", "--image", picture, "-o", "both.json", model=None)
    trace.run("search", "i.fg", "glands", "--where", 'path like "%Quuxley%"', model=None)
    trace.tiles("index", planted_tiles, "-o", "w.fg", "--window", "48")
    assert set(trace.codes) == {0, 3}
    assert "0 embedded, 9 kept" in "".join(trace.said)
    assert trace.leaks(planted_words) == []
    hits = (trace.folder / "hits.csv").read_text().splitlines()
    assert "item-" in hits[1]


def test_evaluate_tune_and_captions_name_nobody(
    trace: Trace, planted_tiles: Path, planted_words: tuple[str, ...]
) -> None:
    manifest = planted_tiles / "Quuxley.csv"
    grouped = ("--group-column", "patient")
    trace.tiles("evaluate", manifest, "-o", "e.html", *grouped, "--where", "age like 'Z%'")
    trace.tiles("evaluate", manifest, "-o", "e.json", "--group-column", "path")
    trace.run("captions", manifest, "--converter", "report_sentences", "-o", "c.csv", model=None)
    trace.tiles("tune", manifest, "-o", "adapter", "--group-column", "path", "--method", "probe")
    trace.tiles("tune", "c.csv", "--caption-column", "caption", "-o", "third", "--dry-run")
    assert set(trace.codes) == {0}, trace.said  # ids in a manifest of ours mean their files
    trace.tiles("tune", planted_tiles, "-o", "other", *grouped, "--dry-run")
    assert trace.leaks(planted_words) == []


def test_volumes_name_nobody(
    trace: Trace, planted_series: Path, planted_nifti: Path, planted_words: tuple[str, ...]
) -> None:
    both = (planted_series, planted_nifti)
    ct = ("--domain", "medical", "--modality", "ct_volume")
    two = ("--label", "cyst", "--label", "stone")
    trace.run("classify", *both, *two, *ct, "-o", "refused.csv", model=None)
    trace.run("classify", *both, *two, *ct, "-o", "a.json", model="slices.yaml")
    trace.run("classify", planted_series.parent.parent, *two, *ct, model="slices.yaml")
    trace.run("embed", *both, *ct, "-o", "v.parquet", model="slices.yaml")
    trace.run("index", *both, *ct, "-o", "i.fg", model="slices.yaml")
    trace.run("search", "i.fg", "a cyst", "-o", "hits.html", model=None)
    for number, volume in enumerate(both):
        outputs = (word for e in ("csv", "nii.gz", "slices.csv", "json")
                   for word in ("-o", f"found{number}.{e}"))  # fmt: skip
        trace.run("locate", volume, "a cyst", *ct, *outputs, model="slices.yaml")
        trace.run("show", volume, "--domain", "medical", "-o", f"s{number}.jpg", model=None)
    assert trace.leaks(planted_words) == []
    assert trace.codes[1] == 0, trace.said


def test_errors_about_the_call_name_nobody(
    trace: Trace, planted_tiles: Path, planted_words: tuple[str, ...]
) -> None:
    manifest, broken = planted_tiles / "Quuxley.csv", planted_tiles / "Quuxley_broken.csv"
    empty = planted_tiles / "Zebedee Quuxley"
    empty.mkdir(exist_ok=True)
    trace.tiles("classify", broken, *LABELS)
    trace.tiles("classify", broken, *LABELS, "-o", "broken.csv")
    for missing in ("gone.png", "*.tif", "Zebedee Quuxley", "gone.csv", "[!]?.png"):
        trace.tiles("classify", planted_tiles / missing, *LABELS)
        trace.tiles("index", planted_tiles / missing, "-o", "i.fg")
        trace.tiles("locate", planted_tiles / missing, "glands")
        trace.tiles("evaluate", planted_tiles / missing)
        trace.tiles("tune", planted_tiles / missing, "-o", "adapter", "--dry-run")
    trace.run("classify", planted_tiles, *LABELS, "--domain", "medical")
    trace.tiles("evaluate", manifest, "--label-column", "nothing")
    trace.tiles("evaluate", manifest, "--group-column", "nothing")
    trace.tiles("evaluate", broken)
    trace.tiles("tune", broken, "-o", "adapter", "--dry-run", "--group-column", "patient")
    trace.tiles("tune", manifest, "-o", "adapter", "--dry-run", "--caption-column", "nothing")
    trace.tiles("embed", manifest, "-o", "v.txt")
    trace.run("show", planted_tiles / "Quuxley_cut.png", "--domain", "medical", model=None)
    trace.run("captions", broken, "--converter", "report_sentences", model=None)
    assert 0 not in trace.codes
    assert trace.leaks(planted_words) == []


def test_commands_of_the_domain_name_nobody(
    trace: Trace, planted_tiles: Path, planted_series: Path, planted_words: tuple[str, ...]
) -> None:
    # a table without patients' columns, in a folder named after one
    reports = planted_tiles / "Quuxley reports.csv"
    reports.write_text("report,name\nNo pleural effusion.,a\n")
    trace.run("medical", "findings", reports, "-o", "f.csv", model=None)
    trace.run("medical", "findings", reports, "--text-column", "none", model=None)
    trace.run("medical", "findings", planted_tiles / "Quuxley_cut.png", model=None)
    trace.run("medical", "export", planted_series, "-o", planted_series / "in", model=None)
    assert trace.codes[0] == 0
    assert 0 not in trace.codes[1:]
    assert trace.leaks(planted_words) == []


@pytest.mark.parametrize("seed", range(3))
def test_mutated_files_name_nobody(
    trace: Trace, planted_series: Path, planted_nifti: Path, planted_words: tuple[str, ...],
    tmp_path: Path, seed: int,
) -> None:  # fmt: skip
    chance = np.random.default_rng(seed)
    folder = tmp_path / "Quuxley"
    folder.mkdir()
    small = min(planted_series.iterdir(), key=lambda path: path.stat().st_size)
    plain = gzip.decompress(planted_nifti.read_bytes())
    for number in range(8):
        for name, content in (("dcm", small.read_bytes()), ("nii", plain)):
            data = bytearray(content)
            for place in chance.integers(0, len(data), 12):
                data[place] = chance.integers(256)
            cut = int(chance.integers(len(data) // 2, len(data) + 1))
            below = folder / f"Zebedee{number}" if name == "dcm" else folder
            below.mkdir(exist_ok=True)
            (below / f"Quuxley{number}.{name}").write_bytes(bytes(data[:cut]))
    ct = ("--domain", "medical", "--modality", "ct_volume")
    two = ("--label", "cyst", "--label", "stone")
    trace.run("classify", folder, *two, *ct, "-o", "a.csv", model="slices.yaml")
    trace.run("index", folder, *ct, "-o", "i.fg", model="slices.yaml")
    trace.run("medical", "export", folder, "-o", "given", model=None)
    assert trace.leaks(planted_words) == []


def test_a_process_of_its_own_names_nobody(
    trace: Trace, planted_tiles: Path, planted_words: tuple[str, ...]
) -> None:
    command = [
        *(sys.executable, "-m", "fieldguide", "classify", str(planted_tiles), *LABELS),
        *("--domain", "medical", "--modality", "histology_tile", "--out-of-scope"),
        *("--model", str(trace.models / "tiny"), "-o", "a.csv"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    trace.said += [done.stdout, done.stderr]
    assert done.returncode == 3, done.stderr
    assert trace.leaks(planted_words) == []
