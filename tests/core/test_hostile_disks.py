"""Disks that are full or read-only, folders that may not be entered, links that lead nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from fieldguide.cli import main
from fieldguide.data import store_job
from fieldguide.data.embedding_file import EmbeddingFile
from fieldguide.data.embedding_rows import read_embeddings
from fieldguide.data.inputs import find_items
from fieldguide.errors import StoreError
from fieldguide.guides import Guide
from fieldguide.retrieval.lance_index import open_lance_index
from fieldguide.specs import LoaderSpec
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = LoaderSpec(name="image", summary="pictures", target="a:b", suffixes=(".jpg", ".png"))
LABELS = ("--label", "cat", "--label", "dog")
OUTPUTS = {
    **{suffix: ("classify", "{photos}", *LABELS, "-o", f"{{out}}/out.{suffix}")
       for suffix in ("csv", "json", "jsonl", "parquet", "html")},
    "embed": ("embed", "{photos}", "-o", "{out}/v.parquet"),
    "index": ("index", "{photos}", "-o", "{out}/i.fg"),
    "evaluate": ("evaluate", "{photos}/rows.csv", "-o", "{out}/report.html"),
    "show": ("show", "{photos}/0.png", "-o", "{out}/preview.jpg"),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    lines = [f"{number}.png,{'cat' if number % 2 else 'dog'}" for number in range(6)]
    (folder / "rows.csv").write_text("\n".join(["path,label", *lines]))
    return folder


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path
) -> Callable[..., tuple[int, str]]:
    """Run one command in this process; return its exit code and what it said on stderr."""

    def run_command(*words: str | Path) -> tuple[int, str]:
        arguments = [*map(str, words), "--model", str(model), "--quiet"]
        monkeypatch.setattr(sys, "argv", ["fieldguide", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0), capsys.readouterr().err

    return run_command


def words_of(name: str, photos: Path, out: Path) -> list[str]:
    return [word.format(photos=photos, out=out) for word in OUTPUTS[name]]


def fill_up(disk: Path) -> Path:
    """Leave not one byte on a disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            return ballast


# -- every output


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_full_disk_ends_a_command_with_one_line_and_the_same_command_goes_on(
    run: Any, photos: Path, tiny_disk: Path, name: str
) -> None:
    ballast = fill_up(tiny_disk)
    before = sorted(tiny_disk.iterdir())
    code, said = run(*words_of(name, photos, tiny_disk))
    assert code == 1
    (line,) = said.splitlines()
    assert line.startswith("Error: ")
    assert "No space left on device" in line
    assert "Make room and run the same command again, or choose another --output." in line
    assert str(tiny_disk) in line
    left = [path for path in sorted(tiny_disk.iterdir()) if path not in before]
    assert {path.name for path in left} <= {"v.parquet.parts", "i.fg"}
    ballast.unlink()
    assert run(*words_of(name, photos, tiny_disk)) == (0, "")


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_read_only_folder_ends_a_command_with_one_line(
    run: Any, photos: Path, read_only_folder: Path, name: str
) -> None:
    code, said = run(*words_of(name, photos, read_only_folder))
    assert code == 1
    (line,) = said.splitlines()
    assert line.startswith("Error: ")
    assert str(read_only_folder) in line
    assert line.endswith("Choose another --output.")


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_is_a_folder_or_below_a_file_is_one_line(
    run: Any, photos: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    words = words_of(name, photos, tmp_path / "file")
    code, said = run(*words)
    assert (code, len(said.splitlines())) == (1, 1)
    target = Path(words[-1].replace("/file/", "/folder/"))
    (target / "inside").mkdir(parents=True)
    code, said = run(*words[:-1], target)
    assert (code, len(said.splitlines())) == (1, 1)


@pytest.mark.parametrize("store", ["embed", "index"])
def test_a_disk_that_fills_up_keeps_what_was_committed_and_the_same_command_ends_the_job(
    run: Any, photos: Path, tiny_disk: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_job, "ROWS_PER_COMMIT", 1)
    words = [*words_of(store, photos, tiny_disk), "--batch-size", "1"]
    commits = 0

    def filling(add: Any) -> Any:
        def wrapped(*arguments: Any) -> None:
            nonlocal commits
            if commits == 3:
                fill_up(tiny_disk)
            add(*arguments)
            commits += 1

        return wrapped

    from fieldguide.retrieval.lance_index import LanceIndex

    owner: Any = EmbeddingFile if store == "embed" else LanceIndex
    with monkeypatch.context() as patch:
        patch.setattr(owner, "add", filling(owner.add))
        code, said = run(*words)
    assert code == 1
    (line,) = said.splitlines()
    assert "No space left on device" in line
    (tiny_disk / "ballast").unlink()
    monkeypatch.setattr(owner, "add", counting(owner.add, added := []))
    assert run(*words) == (0, "")
    assert sum(added) == 3  # the other three were kept
    output = Path(words_of(store, photos, tiny_disk)[-1])
    ids = (
        read_embeddings(output).ids if store == "embed" else list(open_lance_index(output).known())
    )
    assert sorted(Path(name).name for name in ids) == [f"{n}.png" for n in range(6)]


def counting(add: Any, added: list[int]) -> Any:
    def wrapped(self: Any, rows: Any, *arguments: Any) -> None:
        added.append(len(rows))
        add(self, rows, *arguments)

    return wrapped


def test_an_index_in_the_current_folder_has_its_record_in_the_parent(
    run: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "i.fg").mkdir()
    monkeypatch.chdir(tmp_path / "i.fg")
    assert run("index", photos, "-o", ".") == (0, "")
    assert json.loads((tmp_path / "i.fg.provenance.json").read_text())["added"] == 6


# -- links that wait in the output


def test_an_output_that_is_a_link_is_replaced_and_not_followed(
    run: Any, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "precious").write_text("precious")
    for name in ("out.csv", "out.csv.provenance.json", f".out.csv.tmp-{os.getpid()}"):
        (tmp_path / name).symlink_to(tmp_path / "precious")
    assert run("classify", photos, *LABELS, "-o", tmp_path / "out.csv") == (0, "")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "out.csv").read_text().startswith("path,rank")


def test_a_store_whose_inside_is_a_link_is_refused(
    run: Any, photos: Path, model: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "v.parquet.parts").symlink_to(elsewhere)
    assert run("embed", photos, "-o", tmp_path / "v.parquet")[0] == 1
    Guide(model=str(model)).index(photos / "0.png", tmp_path / "i.fg")
    data = tmp_path / "i.fg" / "items.lance" / "data"
    data.rename(elsewhere / "data")
    data.symlink_to(elsewhere / "data")
    before = sorted((elsewhere / "data").iterdir())
    code, said = run("index", photos, "-o", tmp_path / "i.fg")
    assert code == 1
    assert "is a link" in said
    assert sorted((elsewhere / "data").iterdir()) == before
    (tmp_path / "j.fg").mkdir()
    (tmp_path / "j.fg" / ".lock").symlink_to(elsewhere / "locked")
    with pytest.raises(StoreError):
        Guide(model=str(model)).index(photos / "0.png", tmp_path / "j.fg")
    assert not (elsewhere / "locked").exists()


# -- folders that cannot be read


def test_loops_of_links_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "a" / "a.png")
    (tmp_path / "a" / "up").symlink_to("..", target_is_directory=True)
    (tmp_path / "a" / "self").symlink_to("self", target_is_directory=True)
    (tmp_path / "loop.png").symlink_to("pool.png")
    (tmp_path / "pool.png").symlink_to("loop.png")
    for named in (".", "**/*.png", "a/**/*.png", "*/**/*.png"):
        items = find_items(named, [IMAGE])
        assert [item.name for item in items if item.name.endswith("a/a.png")] == ["a/a.png"]
    found = find_items("*/*/*/*/*.png", [IMAGE])  # as deep as it was written, and no deeper
    assert {item.name for item in found} == {"a/up/a/up/loop.png", "a/up/a/up/pool.png"}


AS_NOBODY = """
import json, os, sys
from fieldguide.errors import FieldguideError, InputError
from fieldguide.guides import Guide
top = sys.argv[1]
guide = Guide()
guide.show(top + "/open/a.png")
os.setgroups([]); os.setgid(65534); os.setuid(65534)
os.chdir("/")

def read(item):
    try:
        guide.planner.reader_of(item).load(item)
        return ["ok", ""]
    except InputError as error:
        return ["skipped", str(error)]

answers = {}
for named in ("open", "open/closed", "open/closed/a.png", "open/closed/m.csv", "open/secret.png",
              "open/closed/*.png", "open/**/*.png", "open/m.csv", "open/secret.csv"):
    try:
        answers[named] = [read(item) for item in guide.find(f"{top}/{named}")]
    except FieldguideError as error:
        answers[named] = str(error)
print(json.dumps(answers))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0,
                    reason="only root can become somebody who may not read")  # fmt: skip
def test_what_may_not_be_read_is_recorded_with_the_reason(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    top = tmp_path_factory.mktemp("unreadable")
    closed = top / "open" / "closed"
    closed.mkdir(parents=True)
    for path in (top / "open" / "a.png", top / "open" / "secret.png", closed / "a.png"):
        Image.new("RGB", (40, 40)).save(path)
    for path in (closed / "m.csv", top / "open" / "secret.csv"):
        path.write_text("path\na.png\n")
    (top / "open" / "m.csv").write_text("path\na.png\nclosed/a.png\nsecret.png\n")
    for path in (closed, top / "open" / "secret.png", top / "open" / "secret.csv"):
        path.chmod(0)
    for folder in (top, *top.parents):
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(top)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    closed.chmod(0o700)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    reasons = {name: sorted(map(tuple, rows)) for name, rows in found.items()
               if isinstance(rows, list)}  # fmt: skip
    unreadable = "not readable by you. Run: chmod"
    assert [status for status, _ in reasons["open"]] == ["ok", "skipped", "skipped"]
    assert [status for status, _ in reasons["open/m.csv"]] == ["ok", "skipped", "skipped"]
    for name in ("open/secret.png", "open/closed/a.png"):
        ((status, reason),) = reasons[name]
        assert status == "skipped"
        assert unreadable in reason
    assert "cannot be listed" in reasons["open/closed"][0][1]
    for name in ("open/closed/m.csv", "open/secret.csv"):
        assert unreadable in found[name]
    assert "No file fits" in found["open/closed/*.png"]
    assert "Errno" not in done.stdout
    assert "unexpected" not in done.stdout
