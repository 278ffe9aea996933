"""``fieldguide pairs``: unpack and filter, as a user types them."""

from __future__ import annotations

import csv
import io
import json
import sys
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fieldguide.cli import main
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

TEXTS = ("an aerial view", "an aerial view, again", "a cat", "aerial, but broken")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fieldguide", "pairs", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run_command


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    path = tmp_path / "web-0000.tar"
    with tarfile.open(path, "w") as target:
        for number, text in enumerate(TEXTS):
            small = np.random.default_rng(number // 2).integers(0, 256, (5, 5, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(small).resize((90, 90)).save(buffer, "PNG")
            image = b"broken" if "broken" in text else buffer.getvalue()
            for ending, content in (("jpg", image), ("txt", text.encode())):
                info = tarfile.TarInfo(f"{number:03}.{ending}")
                info.size = len(content)
                target.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.yaml"
    path.write_text("{version: '1', keywords: [aerial], inside: [land], outside: [a cat]}")
    return path


def test_pairs_are_unpacked_filtered_and_counted(
    run: Run, tar: Path, words: Path, model: str, tmp_path: Path
) -> None:
    code, _, err = run("unpack", tar, "-o", tmp_path / "web")
    assert (code, err.split()[0]) == (0, "4")
    kept, why = tmp_path / "kept.jsonl", tmp_path / "why.csv"
    code, out, err = run("filter", tmp_path / "web" / "pairs.jsonl", "-o", kept, "--report", why,
                         "--words", words, "--threshold", "0", "--model", model)  # fmt: skip
    assert code == 0, err
    assert [line.split() for line in out.splitlines()] == [
        ["stage", "before", "removed", "left"],
        ["keywords", "4", "1", "3"],
        ["invalid", "3", "1", "2"],
        ["duplicates", "2", "1", "1"],
        ["outliers", "1", "0", "1"],
    ]
    (row,) = (json.loads(line) for line in kept.read_text().splitlines())
    assert (row["id"], row["caption"]) == ("web-0000/000", TEXTS[0])
    assert (kept.parent / row["image"]).is_file()
    assert 0 <= row["domain_score"] <= 1
    rows = list(csv.DictReader(why.open(encoding="utf-8")))
    assert [row["stage"] for row in rows] == ["", "duplicates", "keywords", "invalid"]
    facts = json.loads((tmp_path / "why.csv.provenance.json").read_text())
    assert facts["stages"]["keywords"] == {"before": 4, "removed": 1}
    assert facts["words"]["keywords"] == ["aerial"]
    assert facts["space_digest"]
    assert facts["threshold"] == 0


def test_what_is_kept_can_be_filtered_again(
    run: Run, tar: Path, words: Path, model: str, tmp_path: Path
) -> None:
    assert run("unpack", tar, "-o", tmp_path / "web")[0] == 0
    common = ("--words", words, "--threshold", "0", "--model", model)
    first, second = tmp_path / "first.jsonl", tmp_path / "sub" / "second.jsonl"
    assert run("filter", tmp_path / "web" / "pairs.jsonl", "-o", first, *common)[0] == 0
    assert run("filter", first, "-o", second, *common)[0] == 0
    assert json.loads(second.read_text())["image"].startswith("../web/images/")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("-o", "kept.csv"), 2, "must end in .jsonl"),
        (("-o", "k.jsonl", "--report", "why.docx"), 2, "docx"),
        (("-o", "k.jsonl", "--words", "none.yaml"), 2, "cannot be read"),
        (("-o", "k.jsonl"), 2, "brings no words of its own"),
        (("-o", "k.jsonl", "--words", "WORDS", "--caption-column", "alt"), 2, "--caption-column"),
    ],
)
def test_wrong_usage_says_what_to_type(
    run: Run, tar: Path, words: Path, model: str, tmp_path: Path,
    options: tuple[str, ...], code: int, message: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert run("unpack", tar, "-o", tmp_path / "web")[0] == 0
    monkeypatch.chdir(tmp_path)
    given = [str(words) if option == "WORDS" else option for option in options]
    found, _, err = run("filter", "web/pairs.jsonl", "--model", model, *given)
    assert found == code
    assert message in err


def test_when_nothing_is_kept_the_exit_code_is_1(
    run: Run, tar: Path, words: Path, model: str, tmp_path: Path
) -> None:
    assert run("unpack", tar, "-o", tmp_path / "web")[0] == 0
    words.write_text("{version: '1', keywords: [zebra], inside: [land], outside: [a cat]}")
    kept = tmp_path / "kept.jsonl"
    code, _, _ = run("filter", tmp_path / "web" / "pairs.jsonl", "-o", kept, "--words", words,
                     "--model", model)  # fmt: skip
    assert code == 1
    assert kept.read_text() == ""


def test_samples_that_are_left_out_are_named_with_exit_code_3(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as target:
        for name in ("0.jpg", "1.txt"):
            info = tarfile.TarInfo(name)
            info.size = 1
            target.addfile(info, io.BytesIO(b"x"))
    code, _, err = run("unpack", path, "-o", tmp_path / "out")
    assert code == 3
    assert "a.tar: 1: it has no picture" in err


def test_what_is_no_tar_is_an_error_without_a_traceback(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"x" * 2000)
    code, _, err = run("unpack", tmp_path / "a.tar", "-o", tmp_path / "out")
    assert code == 1
    assert "not a tar without compression" in err
    assert "Traceback" not in err
