"""What ``fieldguide show`` says of a slide, without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import fieldguide as fg
from fieldguide.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteSlide

Pixels = np.ndarray[Any, Any]


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli, ["show", *words, "--domain", "medical"])


def test_size_scale_and_share_of_tissue_of_a_slide_are_told(
    tmp_path: Path, write_slide: WriteSlide, stained: tuple[Pixels, Pixels], show: Any
) -> None:
    picture, truth = stained  # 600 x 800 px
    write_slide(tmp_path / "case.tif", picture, mpp=0.5)
    done = show("case.tif", "--modality", "slide", "-o", "small.jpg")
    assert done.exit_code == 0, done.output
    told = dict(line.split(maxsplit=1) for line in done.output.splitlines() if "  " in line)
    assert told["size"] == "600 x 800 px"
    facts = dict(line.split() for line in done.output.splitlines() if line.count(" ") == 1)
    assert float(facts["microns_per_pixel"]) == pytest.approx(0.5, abs=1e-3)
    assert float(facts["tissue_fraction"]) == pytest.approx(truth.mean(), abs=0.02)
    with Image.open(tmp_path / "small.jpg") as small:
        assert small.size == (192, 144)


def test_a_slide_without_a_scale_is_shown_with_the_line_to_type(
    tmp_path: Path, write_slide: WriteSlide, stained: tuple[Pixels, Pixels], show: Any
) -> None:
    write_slide(tmp_path / "case.tif", stained[0], mpp=None)
    done = show("case.tif", "--modality", "slide")
    assert done.exit_code == 0, done.output
    assert "microns_per_pixel" not in done.output
    assert "state it: --mpp 0.5" in done.output
    assert "note" not in show("case.tif", "--modality", "slide", "--mpp", "0.5").output


def test_a_damaged_slide_is_refused_with_the_reason(tmp_path: Path, show: Any) -> None:
    (tmp_path / "case.svs").write_bytes(b"II*\0" + bytes(200))
    done = show("case.svs")
    assert done.exit_code == 1
    assert "it is no slide that OpenSlide knows" in str(done.exception)


def test_a_tile_is_shown_as_it_is_also_where_slides_are_meant(tmp_path: Path) -> None:
    tile = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    Image.fromarray(tile).save(tmp_path / "tile.png")
    sample, _ = fg.guide("medical", modality="slide").show(tmp_path / "tile.png")
    np.testing.assert_array_equal(sample.array, tile)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["show", "case.svs"], "--domain medical"),
        (["locate", "case.svs", "tumour"], "--domain medical"),
        (["show", "case.svs", "--domain", "medical", "--modality", "histology_tile"],
         "--modality slide"),
    ],
)  # fmt: skip
def test_a_slide_that_is_not_read_so_is_answered_with_the_option_to_add(
    words: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "case.svs").write_bytes(b"II*\0" + bytes(200))
    done = CliRunner().invoke(cli, words)
    assert done.exit_code != 0
    assert f"Run the same with {line}" in f"{done.output} {done.exception}"
