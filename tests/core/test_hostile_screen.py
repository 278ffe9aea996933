"""What strangers put into names and metadata: on the terminal, in pages and in tables."""

from __future__ import annotations

import csv
import html.parser
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fieldguide.cli import cli, main, screen
from fieldguide.guides import Guide
from fieldguide.plugins import build_catalog
from fieldguide.results import Guess, Match, Matches, Prediction, Predictions
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.writers import write_result
from fieldguide.writers.provenance import make_provenance

if TYPE_CHECKING:
    from collections.abc import Callable

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x1b[31m"
TURNED = "\u202egpj.exe"
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run one command in this process; return its exit code and all it printed."""

    def run_command(*words: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["fieldguide", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out + captured.err

    return run_command


@pytest.fixture
def hostile_names(tmp_path: Path) -> Path:
    """Photographs, one broken, whose names would command a terminal."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in (f"{ESCAPE}a.png", f"{TURNED}.png", "two\nlines.png", "caf\udce9.png", "=1+1.png"):
        Image.new("RGB", (40, 40)).save(folder / name)
    (folder / f"{ESCAPE}broken.png").write_bytes(b"no image")
    return folder


@given(st.text(st.characters(), max_size=30))
def test_what_is_shown_never_commands_a_terminal(text: str) -> None:
    shown = screen.clean(text)
    assert not COMMANDS.search(shown)
    shown.encode("utf-8")


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=30))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert screen.clean(text) == text


def test_tables_and_failures_show_hostile_names_spelled_out(
    run: Any, hostile_names: Path, model: str, tmp_path: Path
) -> None:
    labels = ("--label", "cat", "--label", "dog", "--model", model)
    for output in ((), ("-o", tmp_path / "out.csv")):
        code, shown = run("classify", hostile_names, *labels, *output)
        assert code == 3
        assert not COMMANDS.search(shown)
        assert "\\x1b]0;owned" in shown
    assert "two lines.png" in run("classify", hostile_names, *labels)[1]


def test_every_command_shows_hostile_names_spelled_out(
    run: Any, hostile_names: Path, model: str, tmp_path: Path
) -> None:
    bad = hostile_names / f"{ESCAPE}broken.png"
    for words in (
        ("embed", hostile_names, "-o", tmp_path / "v.parquet", "--model", model),
        ("index", hostile_names, "-o", tmp_path / "i.fg", "--model", model),
        ("search", tmp_path / "i.fg", "a cat"),
        ("search", tmp_path / "i.fg", "--image", bad),
        ("show", hostile_names / f"{ESCAPE}a.png"),
        ("show", bad),
        ("show", bad, f"{ESCAPE}b.png"),
        ("show", f"{ESCAPE}.csv"),
        ("evaluate", f"{ESCAPE}.csv"),
        ("classify", hostile_names, "--labels", f"{ESCAPE}.txt"),
        (f"{ESCAPE}classify",),
    ):
        _, shown = run(*words)
        assert shown
        assert not COMMANDS.search(shown), words


def test_a_logged_file_name_is_spelled_out(
    run: Any, hostile_names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: seen.append(record.getMessage()))
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    run("show", hostile_names / f"{TURNED}.png")
    logging.getLogger("fieldguide.anything").warning("read %s", f"{ESCAPE}a.png")
    assert seen == ["read \\x1b]0;owned\\x07\\x1b[2J\\x1b[31ma.png"]


@pytest.mark.parametrize("suffix", ["html", "csv", "json", "jsonl", "parquet"])
def test_hostile_names_are_written_in_every_format(
    run: Any, hostile_names: Path, model: str, tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / f"out.{suffix}"
    labels = ("--label", "cat", "--label", "dog", "--model", model)
    code, _ = run("classify", hostile_names, *labels, "-o", target)
    assert code == 3
    assert target.stat().st_size > 0


# -- pages --------------------------------------------------------------------------------------

SCRIPT = "\"'></style><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}"


@pytest.mark.parametrize("kind", ["predictions", "matches"])
def test_a_page_shows_markup_in_names_labels_and_metadata_as_text(
    kind: str, tmp_path: Path
) -> None:
    facts = make_provenance(
        model={"name": SCRIPT}, space_digest=SCRIPT, device=SCRIPT, labels=[SCRIPT]
    )
    prediction = Prediction(
        SCRIPT, (Guess(SCRIPT, 0.5),), SCRIPT, SCRIPT, {SCRIPT: SCRIPT}, b"\xff\xd8"
    )
    result: Any = Predictions([prediction], facts)
    if kind == "matches":
        result = Matches(SCRIPT, [Match(1, SCRIPT, SCRIPT, 0.5, {SCRIPT: SCRIPT})], facts)
    write_result(result, tmp_path / "out.html", build_catalog(found=[]))
    page = (tmp_path / "out.html").read_text("utf-8")
    parser = Elements()
    parser.feed(page)
    assert {name for name, _ in parser.found}.isdisjoint({"script", "iframe", "object", "link"})
    assert [name for name, _ in parser.found].count("style") == 1
    attributes = {key for _, keys in parser.found for key in keys}
    assert not any(key.startswith("on") for key in attributes)
    assert SCRIPT in "".join(parser.texts)


class Elements(html.parser.HTMLParser):
    """All elements of a page with the names of their attributes, and its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [key for key, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


# -- formulas of spreadsheets -------------------------------------------------------------------

FORMULAS = ("=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1")


def formula_table(path: Path) -> Path:
    rows = [Prediction(text, (Guess("cat", 0.5),), "ok") for text in FORMULAS]
    return write_result(Predictions(rows, {}), path, build_catalog(found=[]))


def test_a_table_keeps_texts_that_a_spreadsheet_takes_for_formulas(tmp_path: Path) -> None:
    with formula_table(tmp_path / "out.csv").open(newline="", encoding="utf-8") as stream:
        assert [row["path"] for row in csv.DictReader(stream)] == list(FORMULAS)


def test_a_table_that_a_spreadsheet_would_run_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    formula_table(tmp_path / "out.csv")
    assert f"{len(FORMULAS)} cells of" in caplog.text
    assert "import the columns as text" in caplog.text


def test_numbers_and_ordinary_texts_are_no_formulas(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [Match(1, "a.jpg", "a", -0.5, {"depth_m": -3, "note": "a=b"})]
    write_result(Matches("q", rows, {}), tmp_path / "out.csv", build_catalog(found=[]))
    assert caplog.text == ""


# -- faults of ours -----------------------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours in the middle of a command."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError(f"by {ESCAPE}")

    monkeypatch.setattr(Guide, "show", fail)


@pytest.mark.usefixtures("broken")
def test_a_fault_of_ours_is_one_line_with_the_way_to_its_traceback(
    run: Any, hostile_names: Path
) -> None:
    code, shown = run("show", hostile_names / "=1+1.png")
    assert code == 1
    (line,) = shown.splitlines()
    assert line.startswith("Error: unexpected ZeroDivisionError: by \\x1b]0;owned")
    assert line.endswith("run it again with FIELDGUIDE_DEBUG=1.")


@pytest.mark.usefixtures("broken")
def test_a_developer_gets_the_traceback(
    hostile_names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDGUIDE_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["fieldguide", "show", str(hostile_names / "=1+1.png")])
    with pytest.raises(ZeroDivisionError):
        main()


def test_help_is_not_touched_by_the_guard() -> None:
    assert "Exit codes" in CliRunner().invoke(cli, ["--help"]).output


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_screen_that_is_a_full_disk_is_one_line_and_1(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fieldguide", "show", str(tmp_path / "a.png")],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            env={**os.environ, "FIELDGUIDE_DEBUG": ""},
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1
