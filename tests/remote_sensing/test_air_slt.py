"""AIR-SLT: its layout, and the benchmark with maps that are known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.errors import UsageError
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_remote_sensing.benchmarks import air_slt_files
from fieldguide_remote_sensing.benchmarks.air_slt import SemanticLocalization
from fieldguide_remote_sensing.benchmarks.air_slt_files import find_air_slt
from fieldguide_remote_sensing.benchmarks.window_maps import WindowMaps

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.guides import Guide

SIZE = (400, 500)
CORNERS = [[100.5, 100], [300, 100.2], [300, 300], [100, 300]]


def entry(name: str = "0.jpg", caption: str = "a pond.\n", **changes: Any) -> dict[str, Any]:
    return {"jpg_name": name, "caption": caption, "points": [CORNERS], **changes}


def write(root: Path, entries: Any, images: tuple[str, ...] = ("0.jpg", "1.jpg")) -> Path:
    (root / "annotations").mkdir(parents=True)
    (root / "imgs").mkdir()
    (root / "annotations" / "anno.json").write_text(json.dumps(entries))
    generator = np.random.default_rng(0)
    for name in images:
        pixels = generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "imgs" / name)
    return root


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    model = write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")
    return fg.guide("remote_sensing", modality="rgb_scene", model=str(model))


class KnownMaps:
    """Marks the inside of a square for one caption and nothing for others."""

    provenance: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def __init__(self, guide: Guide) -> None: ...

    def __call__(self, path: Path, text: str) -> NDArray[np.float64]:
        heat = np.zeros(SIZE)
        if text == "a pond.":
            heat[118:278, 118:278] = 1
        return heat


def test_the_report_has_the_means_of_all_captions(tmp_path: Path, guide: Guide) -> None:
    entries = [entry("1.jpg"), entry("0.jpg", "a road."), entry("1.jpg", "a road.")]
    report = SemanticLocalization(KnownMaps).on_subset(guide, write(tmp_path, entries))
    values = {figure.metric: figure.value for figure in report.figures}
    assert report.main.metric == "selo_rmi"
    assert values["selo_rsu"] == pytest.approx(1 / 3)
    assert values["selo_rda"] == pytest.approx(1 / 3)
    assert values["selo_ras"] == pytest.approx(2 / 3, abs=0.01)
    assert report.main.n == 3
    assert str(report.coverage) == "subset: 2 of 22"
    assert report.published == ()


def test_the_published_figures_stand_beside_the_whole_set_as_of_another_protocol(
    tmp_path: Path, guide: Guide
) -> None:
    entries = [entry(f"{n % 22}.jpg") for n in range(59)]
    root = write(tmp_path / "AIR-SLT", entries, tuple(f"{n}.jpg" for n in range(22)))
    report = SemanticLocalization(KnownMaps)(guide, root.parent)
    beside = {row.metric: row.value for row in report.published}
    assert beside["selo_rmi"] == 0.7494
    assert not any(row.same_protocol for row in report.published)  # other sizes, and JPEG passes


def test_maps_of_a_model_are_hot_where_its_windows_are_alike(tmp_path: Path, guide: Guide) -> None:
    root = write(tmp_path, [entry()])
    heat = WindowMaps(guide)(root / "imgs" / "0.jpg", "a pond.")
    assert heat.shape == SIZE
    assert heat.min() >= 0
    assert heat.max() <= 1


def test_the_benchmark_runs_by_name(tmp_path: Path, guide: Guide) -> None:
    root = write(tmp_path, [entry(), entry("1.jpg", "a road.")])
    report = guide.benchmark("air_slt_localization", root, subset=True)
    assert all(0 <= figure.value <= 1 for figure in report.figures)
    with pytest.raises(UsageError, match="2 of 22 images, 2 of 59 captions"):
        guide.benchmark("air_slt_localization", root)


def test_a_caption_loses_its_line_break_and_keeps_its_polygons(tmp_path: Path) -> None:
    (case,) = find_air_slt(write(tmp_path, [entry()]), subset=True)
    assert case.caption == "a pond."
    assert case.regions == (((100.5, 100), (300, 100.2), (300, 300), (100, 300)),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "no list"),
        ([], "no list"),
        ([3], "entry 0"),
        ([entry(points=3)], "entry 0"),
        ([entry(points=[])], "without three corners"),
        ([entry(points=[[[1, 2], [3, 4]]])], "without three corners"),
        ([entry(points=[[[1, 2], [3, float("nan")], [4, 5]]])], "without three corners"),
        ([entry(caption=" ")], "no caption"),
        ([entry(caption=None)], "entry 0"),
        ([entry("../../secret.jpg")], "no name of a file in imgs/"),
        ([entry("none.jpg")], "none.jpg not there"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_air_slt(write(tmp_path, content), subset=True)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json_is_refused(tmp_path: Path, content: bytes) -> None:
    root = write(tmp_path, [])
    (root / "annotations" / "anno.json").write_bytes(content)
    with pytest.raises(UsageError, match="is not JSON"):
        find_air_slt(root)


def test_a_folder_without_the_set_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fieldguide benchmark air_slt --how-to-get"):
        find_air_slt(tmp_path)


def test_too_large_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(air_slt_files, "MAX_JSON_BYTES", 10)
    with pytest.raises(UsageError, match="cannot be read: larger than"):
        find_air_slt(write(tmp_path, [entry()]))


def test_regions_outside_the_scene_are_named_with_the_caption(tmp_path: Path, guide: Guide) -> None:
    far = [[9000, 9000], [9100, 9000], [9100, 9100]]
    root = write(tmp_path, [entry(points=[far])])
    with pytest.raises(UsageError, match=r"'a pond\.'.*outside the heat map"):
        SemanticLocalization(KnownMaps).on_subset(guide, root)
