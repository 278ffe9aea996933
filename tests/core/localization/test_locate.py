"""Text search in plain pictures, on a tiny open_clip checkpoint, against one window at a time."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide.localization.grid import make_grid
from fieldguide.localization.store import WindowStore
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.data.pipeline import Batch
    from fieldguide.guides import Guide

WINDOW_PX = 24


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def guide(tiny: Path) -> Guide:
    return fg.guide(model=str(tiny), device="cpu", batch_size=8)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(5).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def slow_scores(guide: Guide, picture: Path, text: str) -> np.ndarray:
    """Return the cosine of every window, each classified as a picture of its own."""
    pixels = np.asarray(Image.open(picture))
    prompts = [guide.encode_text(t.format(text)).vectors[0] for t in ("a photo of {}.", "{}")]
    wanted = np.mean(prompts, axis=0) / np.linalg.norm(np.mean(prompts, axis=0))
    cosines = []
    for window in make_grid(pixels.shape[:2], WINDOW_PX, 0.5):
        (row, column), (height, width) = window.start_px, window.size_px
        part = pixels[row : row + height, column : column + width]
        cosines.append(guide.encode_image(part).vectors[0] @ wanted)
    return np.array(cosines)


def test_scores_are_those_of_windows_embedded_one_by_one(
    guide: Guide, picture: Path, tmp_path: Path
) -> None:
    found = guide.locate(picture, "a red barn", windows=[WINDOW_PX], top=3, vectors=tmp_path)
    expected = slow_scores(guide, picture, "a red barn")
    assert np.allclose(found.sources[0].scores[0][:, 0], expected, atol=1e-5)
    best = make_grid((90, 70), WINDOW_PX, 0.5)[int(expected.argmax())]
    assert found[0].window == best
    assert found[0].score == pytest.approx(expected.max(), abs=1e-5)
    assert [row["rank"] for row in found.records()] == [1, 2, 3]


def test_an_interrupted_search_goes_on_and_ends_as_an_undisturbed_one(
    guide: Guide, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = guide.locate(picture, "x", windows=[WINDOW_PX], vectors=tmp_path / "a")
    add = WindowStore.add
    calls = itertools.count()

    def interrupted(store: WindowStore, batch: Batch) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        add(store, batch)

    monkeypatch.setattr(WindowStore, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        guide.locate(picture, "x", windows=[WINDOW_PX], vectors=tmp_path / "b")
    embedded: list[int] = []

    def counted(store: WindowStore, batch: Batch) -> None:
        embedded.append(len(batch.rows))
        add(store, batch)

    monkeypatch.setattr(WindowStore, "add", counted)
    resumed = guide.locate(picture, "x", windows=[WINDOW_PX], vectors=tmp_path / "b")
    assert sum(embedded) == len(make_grid((90, 70), WINDOW_PX, 0.5)) - 16  # two batches of 8
    assert resumed.records() == undisturbed.records()


def test_another_text_embeds_no_window_again(
    guide: Guide, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide.locate(picture, "x", windows=[WINDOW_PX], vectors=tmp_path)
    monkeypatch.setattr(WindowStore, "add", lambda *_: pytest.fail("a window was embedded"))
    assert len(guide.locate(picture, ["y", "z"], windows=[WINDOW_PX], vectors=tmp_path, top=2)) == 4


def test_a_changed_picture_is_embedded_again(guide: Guide, picture: Path, tmp_path: Path) -> None:
    before = guide.locate(picture, "x", windows=[WINDOW_PX], vectors=tmp_path)
    Image.new("RGB", (70, 90)).save(picture)
    after = guide.locate(picture, "x", windows=[WINDOW_PX], vectors=tmp_path)
    assert before.records() != after.records()


def test_windows_of_several_sizes_are_searched_together(
    guide: Guide, picture: Path, tmp_path: Path
) -> None:
    found = guide.locate(picture, "x", windows=[24, 48], top=50, vectors=tmp_path)
    assert {row["height_px"] for row in found.records()} == {24, 48}
    assert len(found.provenance["windows_px"]) == 2


def test_a_threshold_leaves_out_what_is_below(guide: Guide, picture: Path, tmp_path: Path) -> None:
    some = guide.locate(
        picture, "x", against=["y"], windows=[WINDOW_PX], threshold=0.5, top=99, vectors=tmp_path
    )
    assert all(row["score"] >= 0.5 for row in some.records())
    nothing = guide.locate(picture, "x", threshold=2, vectors=tmp_path).write(tmp_path / "no.csv")
    assert nothing.read_text("utf-8").startswith("query,rank,score,path,row_px,column_px,height_px")


def test_a_text_cannot_be_told_from_itself(guide: Guide, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="itself"):
        guide.locate(picture, "x", against=["x"], vectors=tmp_path)


def test_a_threshold_that_is_no_number_is_refused(
    guide: Guide, picture: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="not a number"):
        guide.locate(picture, "x", threshold=float("nan"), vectors=tmp_path)


def test_a_part_of_a_picture_is_not_cut_into_windows(
    guide: Guide, picture: Path, tmp_path: Path
) -> None:
    part = {"row_px": 0, "column_px": 0, "height_px": 40, "width_px": 40}
    rows = picture.parent / "rows.jsonl"
    rows.write_text(json.dumps({"path": picture.name} | part) + "\n")
    found = guide.locate(rows, "x", vectors=tmp_path)
    assert [status for _, status, _ in found.skipped] == ["skipped"]
    assert "Name the file itself" in found.skipped[0][2]
    index = guide.index(rows, tmp_path / "i", windows=[WINDOW_PX])
    assert index.report is not None
    assert "Name the file itself" in index.report.failed[0]["reason"]


def test_an_overlap_without_windows_is_refused(guide: Guide, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--window"):
        guide.index(picture, tmp_path / "i", overlap=0.2)


def test_windows_in_an_index_are_rows_that_a_search_finds(
    guide: Guide, picture: Path, tmp_path: Path
) -> None:
    index = guide.index(picture, tmp_path / "i", windows=[WINDOW_PX])
    assert len(index) == len(make_grid((90, 70), WINDOW_PX, 0.5))
    again = guide.index(picture, tmp_path / "i", windows=[WINDOW_PX])
    assert again.report is not None
    assert (again.report.added, again.report.kept) == (0, len(index))
    best = index.search("x", k=1)[0]
    part = Image.open(picture).crop(
        (
            best.metadata["column_px"],
            best.metadata["row_px"],
            best.metadata["column_px"] + best.metadata["width_px"],
            best.metadata["row_px"] + best.metadata["height_px"],
        )
    )
    cosine = (guide.encode_image(part).vectors @ guide.encode_text("x").vectors.T).item()
    assert best.similarity == pytest.approx(cosine, abs=1e-5)
    assert best.path == picture.as_posix()


def test_the_command_writes_a_table_and_says_what_it_searched(
    tiny: Path, picture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "found.json"
    result = CliRunner().invoke(
        cli,
        ["locate", str(picture), "a barn", "a tree", "--model", str(tiny), "--window", "24",
         "--top", "2", "--vectors", str(tmp_path / "v"), "-o", str(out)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = json.loads(out.read_text("utf-8"))
    assert [(row["query"], row["rank"]) for row in rows] == [
        ("a barn", 1), ("a barn", 2), ("a tree", 1), ("a tree", 2)
    ]  # fmt: skip
    assert "4 regions in 35 windows" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["nowhere.png", "x"], "no such file", 1),
        (["{picture}", " "], "Say in words", 2),
        (["{picture}", "x", "-o", "out.bmp"], "does not say a format for regions", 2),
        (["{picture}", "x", "--window", "3km"], "Name the window in pixels", 2),
    ],
)
def test_a_mistake_ends_in_one_line(
    tiny: Path, picture: Path, tmp_path: Path, arguments: list[str], said: str, code: int
) -> None:
    named = [text.replace("{picture}", str(picture)) for text in arguments]
    result = CliRunner().invoke(
        cli, ["locate", *named, "--model", str(tiny), "--vectors", str(tmp_path / "v")]
    )
    told = result.stderr + str(result.exception or "")
    assert said.lower() in told.lower()
    assert "Traceback" not in result.output


def test_one_window_over_the_whole_is_told_of(
    guide: Guide, picture: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = guide.locate(picture, "x", windows=[200], vectors=tmp_path)
    assert len(found) == 1
    assert "is one window of 90x70 px" in caplog.text
