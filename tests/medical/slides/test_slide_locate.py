"""Text search in slides by the command line: what is written, and what is refused."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.cli.screen import NONE_USABLE
from fieldguide.data.inputs import Item
from fieldguide.data.routing import fitting
from fieldguide.errors import UsageError
from fieldguide.localization.result import Region, Regions
from fieldguide.plugins import get_catalog
from fieldguide.samples import Window
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_medical.slides.qupath import write_qupath

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteSlide

Pixels = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def slide(tmp_path: Path, write_slide: WriteSlide, stained: tuple[Pixels, Pixels]) -> Path:
    return write_slide(tmp_path / "case.tif", stained[0], packing="jpeg")


@pytest.fixture
def run(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command in the folder of the slide."""
    monkeypatch.chdir(tmp_path)

    def call(command: str, *arguments: str) -> Any:
        usual = ("--domain", "medical", "--modality", "slide", "--model", str(model))
        return CliRunner().invoke(cli, [command, *arguments, *usual, "--out-of-scope"])

    return call


def locate(run: Any, *arguments: str) -> Any:
    return run("locate", "case.tif", "tumour", "--device", "cpu", *arguments)


def test_regions_are_written_for_qupath_in_pixels_and_as_a_table_in_micrometres(
    slide: Path, run: Any
) -> None:
    done = locate(run, "--at-mpp", "2", "--top", "3", "-o", "found.geojson", "-o", "found.csv")
    assert done.exit_code == 0, done.output
    collection = json.loads((slide.parent / "found.geojson").read_text())
    with (slide.parent / "found.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    side = int(rows[0]["width_px"])
    assert side % 4 == 0  # 2 micrometres a pixel on a slide of 0.5
    for feature, row in zip(collection["features"], rows, strict=True):
        left, top = int(row["column_px"]), int(row["row_px"])
        ring = feature["geometry"]["coordinates"][0]
        assert ring[0] == ring[-1] == [left, top]
        assert ring[2] == [left + side, top + side]
        about = feature["properties"]
        assert about["objectType"] == "annotation"
        assert about["classification"]["name"] == "tumour"
        assert len(about["classification"]["color"]) == 3
        assert about["measurements"]["score"] == about["score"]
        assert float(row["x_um"]) == left * 0.5
        assert float(row["height_um"]) == side * 0.5
        assert float(row["tissue_fraction"]) >= 0.25


def test_windows_without_tissue_are_counted_and_not_found(slide: Path, run: Any) -> None:
    done = locate(run, "--window", "50", "--top", "500", "-o", "found.jsonl")
    assert done.exit_code == 0, done.output
    assert "without data" in done.stderr
    found = [json.loads(line) for line in (slide.parent / "found.jsonl").read_text().splitlines()]
    assert found
    assert all(row["tissue_fraction"] >= 0.25 for row in found)


def test_a_window_may_be_named_in_micrometres(slide: Path, run: Any) -> None:
    done = locate(run, "--window", "40um", "--top", "1", "-o", "found.jsonl")
    assert done.exit_code == 0, done.output
    row = json.loads((slide.parent / "found.jsonl").read_text())
    assert (row["width_px"], row["width_um"]) == (80, 40.0)


def test_the_overlay_shows_the_slide_below_the_heat_and_above_it_nothing_but_glass(
    slide: Path, run: Any
) -> None:
    done = locate(run, "--window", "60", "--top", "1", "-o", "found.png")
    assert done.exit_code == 0, done.output
    with Image.open(slide.parent / "found.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape[1] == 800
    margin = pixels.shape[0] - 600
    assert 0 < margin < 60
    glass = pixels[margin + 20 : margin + 60, 600:780]  # far from any tissue
    assert np.abs(glass - 244).max() < 25
    tissue = pixels[margin + 380 : margin + 420, 600:650]
    assert np.ptp(tissue.mean(axis=(0, 1))) > 10


def test_rows_that_were_found_can_be_labelled_and_tuned_on(slide: Path, run: Any) -> None:
    done = locate(run, "--window", "60", "--top", "12", "-o", "found.geojson")
    assert done.exit_code == 0, done.output
    path = slide.parent / "found.geojson"
    collection = json.loads(path.read_text())
    for place, feature in enumerate(collection["features"]):
        feature["properties"]["label"] = ("tumour", "stroma")[place % 2]
    path.write_text(json.dumps(collection))
    done = run("evaluate", "found.geojson", "--label-column", "label", "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "12" in done.output


def test_an_index_of_windows_is_searched_and_its_matches_go_to_qupath(
    slide: Path, run: Any
) -> None:
    done = run("index", "case.tif", "--window", "usual", "--at-mpp", "2", "-o", "slides.fg",
               "--device", "cpu")  # fmt: skip
    assert done.exit_code == 0, done.output
    Image.fromarray(np.full((64, 64, 3), (200, 120, 160), np.uint8)).save("tile.png")
    for query in (["tumour", "-o", "hits.geojson"], ["--image", "tile.png", "-o", "hits.html"]):
        done = CliRunner().invoke(cli, ["search", "slides.fg", "-k", "4", *query])
        assert done.exit_code == 0, done.output
    features = json.loads((slide.parent / "hits.geojson").read_text())["features"]
    assert len(features) == 4
    ring = features[0]["geometry"]["coordinates"][0]
    about = features[0]["properties"]
    assert [about["column_px"], about["row_px"]] == ring[0]
    assert about["x_um"] == about["column_px"] * 0.5
    assert "data:image/jpeg;base64" in (slide.parent / "hits.html").read_text()


def test_a_window_and_a_scale_say_the_same_thing_twice(slide: Path, run: Any) -> None:
    done = locate(run, "--window", "100", "--at-magnification", "20")
    assert isinstance(done.exception, UsageError)
    assert "both say how large a window is" in str(done.exception)


def test_a_scale_without_microns_per_pixel_is_refused_with_the_line_to_type(
    tmp_path: Path, write_slide: WriteSlide, stained: tuple[Pixels, Pixels], run: Any
) -> None:
    write_slide(tmp_path / "case.tif", stained[0], mpp=None)
    done = locate(run, "--at-magnification", "20")
    assert done.exit_code == NONE_USABLE
    assert "--mpp 0.5" in done.stderr
    assert not list(tmp_path.glob("*.windows"))
    done = locate(run, "--at-magnification", "5", "--mpp", "0.5", "--top", "1", "-o", "f.jsonl")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "f.jsonl").read_text())["x_um"] >= 0


@pytest.mark.shared_data
def test_a_broken_slide_is_recorded_and_the_others_are_searched(
    shared_data: Path, slide: Path, run: Any
) -> None:
    (slide.parent / "broken.svs").write_bytes((shared_data / "medical/wsi/broken.svs").read_bytes())
    done = run("locate", ".", "tumour", "--window", "100", "--device", "cpu", "-o", "found.csv")
    assert done.exit_code == 3, done.output
    assert "broken.svs" not in done.stderr  # names of medical files may name people
    assert "no slide that OpenSlide knows, or its beginning is damaged" in done.stderr
    assert "1 sources" in done.stderr
    made = json.loads((slide.parent / "found.csv.provenance.json").read_text())
    assert [row[1] for row in made["skipped"]] == ["skipped"]


def test_a_pyramid_is_a_slide_and_a_plain_tiff_is_a_tile(
    tmp_path: Path, write_slide: WriteSlide, waves: Pixels
) -> None:
    tifffile.imwrite(tmp_path / "tile.tif", waves[:256, :256], photometric="rgb")
    tifffile.imwrite(tmp_path / "tiled.tif", waves, photometric="rgb", tile=(64, 64))
    (tmp_path / "broken.tif").write_bytes(b"II*\0nothing")
    paths = [
        write_slide(tmp_path / "a.tif", waves), write_slide(tmp_path / "b.ome.tif", waves),
        tmp_path / "c.svs", tmp_path / "tile.tif", tmp_path / "tiled.tif", tmp_path / "broken.tif",
        tmp_path / "gone.tif", tmp_path / "tile.png",
    ]  # fmt: skip
    catalog = get_catalog()
    domain = catalog.domains["medical"]
    found = [
        [modality.name for modality in fitting(Item(path.name, path.name, path), domain, catalog)]
        for path in paths
    ]
    assert found == [["slide"]] * 3 + [["histology_tile"]] * 5


def test_a_search_by_text_alone_needs_no_modality_where_one_model_serves_all() -> None:
    modality, record = fg.guide("medical", device="cpu").planner.text_model()
    assert (modality.name, record.name) == ("histology_tile", "embedded_lung_histology")


def test_qupath_gets_one_slide_at_a_time(tmp_path: Path) -> None:
    rows = [Region("x", 1, 0.5, path, Window((0, 0), (9, 9))) for path in ("a.svs", "b.svs")]
    with pytest.raises(UsageError, match="one slide, and these are of 2"):
        write_qupath(Regions(rows, {}), tmp_path / "found.geojson")
