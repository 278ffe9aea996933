"""The command line as a user types it: outputs, exit codes, and errors that help."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import numpy as np
import pytest
from PIL import Image

from fieldguide.cli import cli, main
from fieldguide.specs import CORE_OPTIONS, SEARCH_OPTIONS
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str) -> Run:
    """Run one command in this process; commands that take a model get the tiny one."""

    def run_command(*words: str | Path, tiny: bool = True) -> tuple[int, str, str]:
        arguments = [str(word) for word in words]
        if tiny:
            arguments += ["--model", model]
        monkeypatch.setattr(sys, "argv", ["fieldguide", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
            raise SystemExit(0)
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run_command


def test_classify_prints_a_table_and_exits_with_0(run: Run, photos: Path) -> None:
    code, out, err = run("classify", photos, "--label", "cat", "--label", "dog")
    assert code == 0
    assert out.splitlines()[0].split() == [
        "path", "rank", "label", "probability", "status", "reason",
    ]  # fmt: skip
    assert len(out.splitlines()) == 4
    assert "3 ok" in err


def test_one_bad_file_is_skipped_with_its_reason_and_exit_code_3(run: Run, photos: Path) -> None:
    (photos / "bad.png").write_bytes(b"")
    code, out, _ = run("classify", photos, "--label", "cat", "--label", "dog")
    assert code == 3
    assert "skipped" in out
    strict, _, _ = run("classify", photos, "--label", "a", "--label", "b", "--strict")
    assert strict == 1


def test_nothing_usable_exits_with_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"x")
    code, _, _ = run("classify", tmp_path / "bad.png", "--label", "cat", "--label", "dog")
    assert code == 1


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet", "html"])
def test_output_takes_its_format_from_the_ending_with_a_provenance_record(
    run: Run, photos: Path, tmp_path: Path, ending: str
) -> None:
    target = tmp_path / f"out.{ending}"
    code, out, _ = run("classify", photos, "--label", "cat", "--label", "dog", "-o", target)
    assert (code, out) == (0, "")
    assert target.stat().st_size > 0
    record = json.loads((tmp_path / f"out.{ending}.provenance.json").read_text())
    assert record["labels"] == ["cat", "dog"]
    assert record["space"]["dim"] == 32


def test_an_unknown_ending_fails_before_the_work_with_2(run: Run, photos: Path) -> None:
    code, _, err = run("classify", photos, "--label", "a", "--label", "b", "-o", "x.docx")
    assert code == 2
    assert ".csv" in err


def test_top_gives_more_labels_best_first(run: Run, photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    run("classify", photos, *("--label=a", "--label=b", "--label=c"), "--top", "3", "-o", target)
    with target.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 3
    probabilities = [float(row["probability"]) for row in rows[:3]]
    assert probabilities == sorted(probabilities, reverse=True)


def test_labels_come_from_a_file_too(run: Run, photos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("# comment\ncat\n\ndog\n", "utf-8")
    code, out, _ = run("classify", photos, "--labels", labels)
    assert code == 0
    assert {line.split()[2] for line in out.splitlines()[1:]} <= {"cat", "dog"}


def test_index_search_and_remove(run: Run, photos: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,cloud_cover\nphotos/0.png,5\nphotos/1.png,50\n", "utf-8")
    index = tmp_path / "i.fg"
    assert run("index", manifest, "-o", index)[0] == 0
    code, out, _ = run("search", index, "a barn", "--where", "cloud_cover < 10", tiny=False)
    assert code == 0
    assert "0.png" in out
    assert "1.png" not in out
    code, _, err = run("index", "-o", index, "--remove", "cloud_cover > 10")
    assert code == 0
    assert "1 removed; 1 in" in err


def test_embed_twice_keeps_what_is_there(run: Run, photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "v.parquet"
    assert "3 embedded, 0 kept" in run("embed", photos, "-o", target)[2]
    assert "0 embedded, 3 kept" in run("embed", photos, "-o", target)[2]
    code, out, _ = run("classify", target, "--label", "cat", "--label", "dog")
    assert code == 0
    assert len(out.splitlines()) == 4


def test_evaluate_prints_accuracy_with_an_interval(run: Run, photos: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    rows = [{"image": f"photos/{n}.png", "label": "cat" if n else "dog"} for n in range(3)]
    manifest.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    code, out, _ = run("evaluate", manifest)
    assert code == 0
    assert "accuracy" in out
    assert "[" in out


def test_show_says_how_a_file_is_read(run: Run, photos: Path, tmp_path: Path) -> None:
    code, out, _ = run("show", photos / "0.png", "-o", tmp_path / "preview.jpg")
    assert code == 0
    assert "40 x 50 px" in out
    assert Image.open(tmp_path / "preview.jpg").size == (50, 40)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["classify", "{photos}"], "--label"),
        (["classify", "{photos}", "--label", "a", "--label", "b", "--domain", "nope"], "nope"),
        (["classify", "{photos}", "--label", "a", "--label", "b", "--classes", "x"], "either"),
        (["classify", "{photos}", "--classes", "no_such_set"], "no_such_set"),
        (["classify", "none/*.png", "--label", "a", "--label", "b"], "No file fits"),
        (["classify", "{photos}", "--label", "a", "--label", "b", "--device", "quantum"], "cpu"),
        (["embed", "{photos}", "-o", "v.csv"], ".parquet"),
        (["index", "-o", "i.fg"], "Name images"),
        (["index", "{photos}", "-o", "i.fg", "--remove", "a == 1"], "one of them"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_to_type(
    run: Run, photos: Path, words: list[str], part: str
) -> None:
    code, _, err = run(*(word.format(photos=photos) for word in words))
    assert code == 2
    assert part in err
    assert "Traceback" not in err


def test_an_option_of_another_domain_is_wrong_usage(run: Run, photos: Path) -> None:
    code, _, err = run("classify", photos, "--label", "a", "--label", "b", "--assume-hu")
    assert code == 2
    assert "--domain" in err


def test_a_missing_index_says_how_to_make_one(run: Run, tmp_path: Path) -> None:
    code, _, err = run("search", tmp_path / "none.fg", "a barn", tiny=False)
    assert code == 1
    assert "fieldguide index" in err


def commands_of(group: click.Group) -> Iterator[click.Command]:
    """Yield all commands, those of groups of commands too."""
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from commands_of(command)


def test_every_command_has_help_with_a_summary() -> None:
    for command in commands_of(cli):
        assert command.get_short_help_str(200)
        options = [option for option in command.params if isinstance(option, click.Option)]
        assert all(option.help for option in options)


def test_no_domain_can_take_an_option_of_the_core() -> None:
    flags = {
        flag.lstrip("-").replace("-", "_")
        for command in commands_of(cli)
        for option in command.params
        if isinstance(option, click.Option) and not option.name.startswith("domain_option_")
        for flag in option.opts
    }
    assert flags - {"o"} <= CORE_OPTIONS | SEARCH_OPTIONS


def test_only_search_has_options_that_a_domain_may_take_too() -> None:
    takers = {
        name
        for name, command in cli.commands.items()
        for option in command.params
        if isinstance(option, click.Option) and not (option.name or "").startswith("domain_option_")
        if {flag.lstrip("-") for flag in option.opts} & SEARCH_OPTIONS
    }
    assert takers == {"search"}
    assert not any((option.name or "").startswith("domain_option_")
                   for option in cli.commands["search"].params)  # fmt: skip


@pytest.mark.slow
def test_an_interrupt_ends_with_130_and_no_traceback(
    photos: Path, tmp_path: Path, model: str
) -> None:
    driver = (
        "import os, signal, time, fieldguide.data.pipeline as p\n"
        "from fieldguide.cli import main\n"
        "real, calls = p.Reader.read, []\n"
        "def read(self, item):\n"
        "    calls.append(item)\n"
        "    if len(calls) == 2: os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(0.3)\n"
        "    return real(self, item)\n"
        "p.Reader.read = read\n"
        "main()\n"
    )
    words = [
        "embed",
        str(photos),
        "-o",
        str(tmp_path / "v.parquet"),
        "--model",
        model,
        "--workers",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-c", driver, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert "goes on where it stopped" in done.stderr
    assert "Traceback" not in done.stderr
