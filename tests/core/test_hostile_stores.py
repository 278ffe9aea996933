"""Stores that were damaged or made by a stranger; the options that concern hostile input."""

from __future__ import annotations

import json
import os
import random
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fieldguide.cli import main
from fieldguide.data.embedding_rows import read_embeddings
from fieldguide.errors import FieldguideError, StoreError
from fieldguide.guides import Guide, open_index
from fieldguide.retrieval.lance_index import ABOUT_FILE, open_lance_index
from fieldguide.retrieval.panics import engine, silent_panics
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    return Guide(model=str(write_tiny_checkpoint(tmp_path_factory.mktemp("m") / "tiny")))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


# -- embedding files


def test_no_flipped_bit_of_a_vector_goes_unnoticed(
    guide: Guide, photo: Path, tmp_path: Path
) -> None:
    guide.embed(photo, tmp_path / "v.parquet")
    content = (tmp_path / "v.parquet").read_bytes()
    vector = read_embeddings(tmp_path / "v.parquet").embeddings.vectors
    place = content.find(vector.astype("<f4").tobytes()[:16])
    positions = range(place, place + 16) if place > 0 else range(4, len(content) // 4)
    rng = random.Random(0)
    for position in rng.sample(list(positions), 12):
        changed = bytearray(content)
        changed[position] ^= 1 << rng.randrange(8)
        (tmp_path / "v.parquet").write_bytes(changed)
        try:
            found = read_embeddings(tmp_path / "v.parquet").embeddings.vectors
        except StoreError:
            continue
        np.testing.assert_array_equal(found, vector)


@pytest.mark.parametrize("column", ["id", "vector", "metadata"])
def test_a_missing_value_is_refused(guide: Guide, photo: Path, tmp_path: Path, column: str) -> None:
    path = tmp_path / "v.parquet"
    guide.embed(photo, path)
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0][column] = None
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    with pytest.raises(StoreError, match="Embed the images again"):
        read_embeddings(path)


def test_metadata_that_is_no_object_and_numbers_that_are_none_are_refused(
    guide: Guide, photo: Path, tmp_path: Path
) -> None:
    path = tmp_path / "v.parquet"
    guide.embed(photo, path)
    table = pq.read_table(path)
    for column, value in (("metadata", "[1]"), ("metadata", "{"),
                          ("vector", [float("nan")] * 32)):  # fmt: skip
        rows = table.to_pylist()
        rows[0][column] = value
        pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
        with pytest.raises(StoreError, match="Embed the images again"):
            read_embeddings(path)


# -- indexes


@pytest.mark.parametrize(
    "change",
    [{"domain": 5}, {"domain": "nope"}, {"options": {"bands": [1]}}, {"options": 3}, {"model": []},
     {"modality": "nope"}, {"space": None}, {"format": 99}],
    ids=json.dumps,
)  # fmt: skip
def test_an_index_that_says_nonsense_of_itself_is_refused(
    guide: Guide, photo: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    guide.index(photo, tmp_path / "i.fg")
    about = tmp_path / "i.fg" / ABOUT_FILE
    about.write_text(json.dumps({**json.loads(about.read_text()), **change}))
    with pytest.raises(FieldguideError):
        open_index(tmp_path / "i.fg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_in_an_index_is_not_waited_for(guide: Guide, photo: Path, tmp_path: Path) -> None:
    guide.index(photo, tmp_path / "i.fg")
    (newest, *_) = (tmp_path / "i.fg" / "items.lance" / "_versions").glob("*.manifest")
    newest.unlink()
    os.mkfifo(newest)
    with pytest.raises(StoreError, match="is no file"):
        open_lance_index(tmp_path / "i.fg")


class RustPanic(BaseException):
    """As the engine's: no Exception."""


def test_a_panic_of_the_engine_is_a_store_error_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def panic() -> None:
        os.write(2, b"thread 'main' panicked at lib.rs\n")
        raise RustPanic("rust future panicked")

    with pytest.raises(StoreError, match="rust future panicked"), engine(tmp_path), silent_panics():
        panic()
    assert capfd.readouterr().err == ""


def test_what_others_print_meanwhile_is_not_lost(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with engine(tmp_path), silent_panics():
        os.write(2, b"a warning\n")
    with pytest.raises(KeyboardInterrupt), engine(tmp_path), silent_panics():
        os.write(2, b"another\n")
        raise KeyboardInterrupt
    assert capfd.readouterr().err == "a warning\nanother\n"


# -- folders and options


def test_a_folder_that_is_named_like_a_picture_is_recorded(
    guide: Guide, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "m.csv").write_text("path\nfolder.png\na.png\n")
    folder, sound = guide.classify(tmp_path / "m.csv", ["cat", "dog"])
    assert (folder.status, sound.status) == ("skipped", "ok")
    assert not folder.reason.startswith("unexpected")


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], guide: Guide
) -> Callable[..., tuple[int, str]]:
    def run_command(*words: str | Path) -> tuple[int, str]:
        arguments = [*map(str, words), "--model", str(guide.planner.model)]
        monkeypatch.setattr(sys, "argv", ["fieldguide", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out + captured.err

    return run_command


@pytest.mark.parametrize("command", ["classify", "embed", "index", "evaluate"])
def test_root_lets_each_command_read_what_a_manifest_names_elsewhere(
    run: Any, photo: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "lists").mkdir()
    manifest = tmp_path / "lists" / "m.csv"
    manifest.write_text("path,label\n../a.png,cat\n../a.png,cat\n")
    options = {
        "classify": ["--label", "cat", "--label", "dog"],
        "evaluate": ["--label", "cat", "--label", "dog"],
        "embed": ["-o", tmp_path / "v.parquet"],
        "index": ["-o", tmp_path / "i.fg"],
    }[command]
    code, said = run(command, manifest, *options)
    assert code != 0
    assert f"--root {tmp_path}" in said
    assert run(command, manifest, *options, "--root", tmp_path / "no", "--root", tmp_path)[0] == 0
