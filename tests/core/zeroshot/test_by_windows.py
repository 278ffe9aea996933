"""Classification by windows: against a slow loop, resumed, shared, and with sources that fail."""

from __future__ import annotations

import itertools
import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide.guides import Guide
from fieldguide.localization.grid import make_grid
from fieldguide.localization.store import WindowStore
from fieldguide.runtime import Runtime
from fieldguide.zeroshot.by_windows import WindowJob
from fieldguide.zeroshot.top_k_pooling import MeanOfAll, TopK

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.data.pipeline import Batch
    from fieldguide.plugins import Catalog

LABELS = ["a red barn", "a tree", "water"]
WINDOW_PX = 24
COUNT = 4 * 3  # of windows in a picture of 90 x 70 px, the last ones moved to its edge


def slow_probabilities(guide: Guide, picture: Path, k: int) -> dict[str, float]:
    """Return the answer of a loop over windows, each embedded as a picture of its own."""
    pixels = np.asarray(Image.open(picture))
    images = []
    for window in make_grid(pixels.shape[:2], WINDOW_PX, 0.0):
        (row, column), (height, width) = window.start_px, window.size_px
        part = np.ascontiguousarray(pixels[row : row + height, column : column + width])
        images.append(guide.encode_image(part).vectors[0])
    scale = guide.planner.encoder(guide.planner.text_model()[1]).logit_scale
    pooled = []
    for label in LABELS:
        texts = [guide.encode_text(t.format(label)).vectors[0] for t in ("a photo of {}.", "{}")]
        text = np.mean(texts, axis=0) / np.linalg.norm(np.mean(texts, axis=0))
        best = sorted((float(image @ text) for image in images), reverse=True)[:k]
        pooled.append(scale * sum(best) / len(best))
    shares = np.exp(np.array(pooled) - max(pooled))
    return dict(zip(LABELS, shares / shares.sum(), strict=True))


@pytest.mark.parametrize("k", [1, 4, 1000])
def test_the_answer_is_that_of_a_loop_over_windows(
    guide: Guide, picture: Path, tmp_path: Path, k: int
) -> None:
    (found,) = guide.classify(
        picture, LABELS, window=WINDOW_PX, pool=TopK(k), vectors=tmp_path, top=9
    )
    expected = slow_probabilities(guide, picture, k)
    assert {g.label: g.probability for g in found.guesses} == pytest.approx(expected, abs=1e-4)
    assert [g.label for g in found.guesses] == sorted(expected, key=lambda x: -expected[x])


def test_the_record_says_how_windows_were_cut_and_pooled(
    guide: Guide, picture: Path, tmp_path: Path
) -> None:
    found = guide.classify(
        picture, LABELS, window=WINDOW_PX, pool=MeanOfAll(), overlap=0.25, vectors=tmp_path
    )
    made = found.provenance
    assert made["pooling"] == {"method": "mean"}
    assert (made["window"], made["overlap"]) == (WINDOW_PX, 0.25)
    assert made["windows"] == len(make_grid((90, 70), WINDOW_PX, 0.25))


def test_other_labels_and_a_search_embed_no_window_again(
    guide: Guide, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide.classify(picture, LABELS, window=WINDOW_PX, overlap=0.5, vectors=tmp_path)
    monkeypatch.setattr(WindowStore, "add", lambda *_: pytest.fail("a window was embedded"))
    again = guide.classify(
        picture, ["x", "y"], window=WINDOW_PX, overlap=0.5, pool=TopK(1), vectors=tmp_path
    )
    assert again.report[0].embedded == 0
    assert len(guide.locate(picture, "x", windows=[WINDOW_PX], vectors=tmp_path, top=3)) == 3


def test_an_interrupted_job_goes_on_and_ends_as_an_undisturbed_one(
    guide: Guide, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"window": WINDOW_PX, "top": 3}
    undisturbed = guide.classify(picture, LABELS, vectors=tmp_path / "a", **asked)
    add, calls = WindowStore.add, itertools.count()

    def interrupted(store: WindowStore, batch: Batch) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt
        add(store, batch)

    with monkeypatch.context() as patch:
        patch.setattr(WindowStore, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            guide.classify(picture, LABELS, vectors=tmp_path / "b", **asked)
    resumed = guide.classify(picture, LABELS, vectors=tmp_path / "b", **asked)
    assert resumed.report[0].embedded == COUNT - 8  # one batch of 8 was kept
    assert resumed.records() == undisturbed.records()


def test_a_source_that_another_process_works_on_is_taken_up_when_it_is_done(
    guide: Guide, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (70, 90), (9, 99, 199)).save(other)
    asked: dict[str, Any] = {"window": WINDOW_PX, "vectors": tmp_path / "v"}
    alone = guide.classify([picture, other], LABELS, window=WINDOW_PX, vectors=tmp_path / "w")
    guide.classify(picture, LABELS, **asked)
    (lock,) = (tmp_path / "v" / "picture.png.windows").glob("*/.lock")
    order: list[str] = []
    pool, released = WindowJob._pool, threading.Event()

    def noted(job: WindowJob, item: Any, run: Any) -> Any:
        found = pool(job, item, run)
        order.append(item.path.name)
        released.set()
        return found

    monkeypatch.setattr(WindowJob, "_pool", noted)
    locked = threading.Event()

    def hold() -> None:
        import filelock

        with filelock.FileLock(lock):
            locked.set()
            released.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait(60)
    shared = guide.classify([picture, other], LABELS, **asked)
    thread.join()
    assert order == ["other.png", "picture.png"]
    assert shared.records() == alone.records()


def test_sources_that_cannot_be_used_are_recorded_and_the_rest_goes_on(
    guide: Guide, picture: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:2000])
    found = guide.classify(
        [broken, tmp_path / "gone.png", picture], LABELS, window=WINDOW_PX, vectors=tmp_path
    )
    assert [row.status for row in found] == ["skipped", "skipped", "ok"]
    assert [bool(row.guesses) for row in found] == [False, False, True]
    assert [run.windows for run in found.report] == [0, 0, COUNT]
    assert "no such file" in found.report[1].reason.lower()


def test_micrometres_of_a_source_without_a_scale_are_refused_for_that_source(
    guide: Guide, picture: Path, tmp_path: Path
) -> None:
    (row,) = guide.classify(picture, LABELS, window="112um", vectors=tmp_path)
    assert row.status == "refused"
    assert "size of a pixel" in row.reason


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"window": "much"}, "cannot be read"),
        ({"window": 24, "overlap": 0.99}, "not between"),
        ({"pool": TopK(3)}, "name their size"),
        ({"overlap": 0.5}, "name their size"),
    ],
)
def test_what_no_source_could_be_cut_into_is_a_mistake_of_the_call(
    guide: Guide, picture: Path, tmp_path: Path, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        guide.classify(picture, LABELS, **asked)


def test_vectors_that_were_stored_before_have_no_windows(
    guide: Guide, picture: Path, tmp_path: Path
) -> None:
    guide.embed(picture, tmp_path / "v.parquet")
    with pytest.raises(UsageError, match="not from vectors"):
        guide.classify(tmp_path / "v.parquet", LABELS, window=WINDOW_PX)


def glass(path: Path, *parts: int) -> Path:
    """Write a strip of squares of 32 px: 0 is glass, another number the seed of its noise."""
    squares = [
        np.random.default_rng(seed).integers(50, 200, (32, 32, 3), dtype=np.uint8)
        if seed
        else np.zeros((32, 32, 3), np.uint8)
        for seed in parts
    ]
    with path.open("wb") as stream:
        np.save(stream, np.concatenate(squares, axis=1))
    return path


def glass_guide(catalog: Catalog, tiny: Path, **options: Any) -> Guide:
    return Guide(
        "glass_domain", model=str(tiny), catalog=catalog, options=options,
        runtime=Runtime(device="cpu", batch_size=4),
    )  # fmt: skip


def test_a_modality_of_slides_is_classified_by_windows_and_glass_is_passed_over(
    windowed_plugin: Catalog, tiny: Path, tmp_path: Path
) -> None:
    guide = glass_guide(windowed_plugin, tiny)
    slide = glass(tmp_path / "a.glass", 0, 1, 0, 2, 0)
    tissue = glass(tmp_path / "b.glass", 1, 2)
    found = guide.classify([slide, tissue], LABELS, window=32, vectors=tmp_path, top=3)
    assert [(run.windows, run.empty, run.failed) for run in found.report] == [(5, 3, 0), (2, 0, 0)]
    assert [g.probability for g in found[0].guesses] == pytest.approx(
        [g.probability for g in found[1].guesses]
    )
    assert found[0].status == "ok"


def test_rows_that_mean_parts_of_a_slide_are_pictures_of_their_own(
    windowed_plugin: Catalog, tiny: Path, tmp_path: Path
) -> None:
    guide = glass_guide(windowed_plugin, tiny)
    glass(tmp_path / "a.glass", 1, 2)
    rows = [
        {"path": "a.glass", "row_px": 0, "column_px": at, "height_px": 32, "width_px": 32}
        for at in (0, 32)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = guide.classify(tmp_path / "rows.jsonl", LABELS)
    assert [row.status for row in found] == ["ok", "ok"]
    assert found[0].guesses != found[1].guesses


def test_a_slide_without_any_tissue_has_no_answer(
    windowed_plugin: Catalog, tiny: Path, tmp_path: Path
) -> None:
    guide = glass_guide(windowed_plugin, tiny)
    (row,) = guide.classify(glass(tmp_path / "a.glass", 0, 0), LABELS, vectors=tmp_path)
    assert (row.status, row.guesses) == ("skipped", ())
    assert "no data" in row.reason


def test_a_source_of_another_kind_is_refused_as_a_whole(
    windowed_plugin: Catalog, tiny: Path, tmp_path: Path
) -> None:
    wine = tmp_path / "wine.glass"
    with wine.open("wb") as stream:
        np.save(stream, np.full((64, 64, 3), 7, np.uint8))
    guide = glass_guide(windowed_plugin, tiny)
    (row,) = guide.classify(wine, LABELS, window=32, vectors=tmp_path)
    assert (row.status, row.reason) == ("refused", "it is red wine. Give a slide.")


def test_a_common_appearance_is_found_once_for_all_windows_and_recorded_after_a_resume(
    windowed_plugin: Catalog, tiny: Path, tmp_path: Path
) -> None:
    guide = glass_guide(windowed_plugin, tiny, brightness=100.0)
    dark_and_light = np.concatenate([np.full((32, 32, 3), v, np.uint8) for v in (60, 140)], axis=1)
    slide = tmp_path / "a.glass"
    with slide.open("wb") as stream:
        np.save(stream, dark_and_light)
    item = guide.find([slide])[0]
    reader = guide.planner.plan([item], thumbnails=False).reader.readers["glass_slide"]
    whole = reader.load(item)
    normalise = reader.for_windows(whole).normaliser
    assert normalise is not None
    assert int(normalise(whole)(whole).array[0, 0, 0]) == 60  # the whole's mean is 100 already
    for _ in range(2):
        (row,) = guide.classify(slide, LABELS, window=32, vectors=tmp_path)
        assert row.reason == "repaired: brightness"


def test_the_command_writes_answers_and_a_report(tiny: Path, picture: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:2000])
    out, report = tmp_path / "answers.json", tmp_path / "run.json"
    result = CliRunner().invoke(
        cli,
        ["classify", str(picture), str(broken), "--label", "a", "--label", "b", "--model",
         str(tiny), "--window", "24", "--pool-top", "3", "--vectors", str(tmp_path / "v"),
         "--report", str(report), "-o", str(out)],
    )  # fmt: skip
    assert result.exit_code == 3, result.output
    runs = json.loads(report.read_text("utf-8"))
    assert [(row["status"], row["windows"]) for row in runs] == [("ok", COUNT), ("skipped", 0)]
    assert set(json.loads(out.read_text("utf-8"))[0]) == {
        "path", "rank", "label", "probability", "status", "reason"
    }  # fmt: skip
    made = json.loads((tmp_path / "answers.json.provenance.json").read_text("utf-8"))
    assert made["pooling"] == {"method": "top_k", "k": 3}


def test_a_report_without_windows_is_a_mistake(tiny: Path, picture: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        cli,
        ["classify", str(picture), "--label", "a", "--label", "b", "--model", str(tiny),
         "--report", str(tmp_path / "run.csv")],
    )  # fmt: skip
    assert result.exit_code == 2
    assert "name a --window" in result.stderr
