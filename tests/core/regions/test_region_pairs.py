"""From a manifest of regions and texts to a manifest of regions with the sentences about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide.guides import Guide
from fieldguide.pairs.region_pairs import RegionColumns, map_regions, sentences_about
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.examples import read_examples

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 50, 210)}
SIDE_PX = 32
IMAGES = 36


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny", architecture="vit")


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of two fields; each row a field, the text and the findings are of the picture."""
    folder = tmp_path_factory.mktemp("fields")
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for number in range(IMAGES):
        names = generator.permutation(list(COLOURS))[:2].tolist()
        noise = generator.integers(-25, 26, (SIDE_PX, 2 * SIDE_PX, 3))
        base = np.repeat([COLOURS[name] for name in names], SIDE_PX, axis=0)[None]
        Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8)).save(
            folder / f"{number}.png"
        )
        text = " ".join(f"There is a {name} field." for name in sorted(names))
        for place, _ in enumerate(names):
            rows.append({
                "image": f"{number}.png", "row_px": 0, "column_px": place * SIDE_PX,
                "height_px": SIDE_PX, "width_px": SIDE_PX,
                **{name: 1 if name in names else -1 for name in COLOURS},
                "captions": text if place == 0 else "", "truth": names[place],
            })  # fmt: skip
    path = folder / "windows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_sentences_go_to_the_windows_that_they_are_about_and_can_be_tuned_on(
    model: Path, windows: Path
) -> None:
    output = windows.parent / "pairs.jsonl"
    command = ["pairs", "regions", str(windows), "--model", str(model), "-o", str(output)]
    columns = [word for name in COLOURS for word in ("--attribute-column", name)]
    result = CliRunner().invoke(cli, [*command, *columns])
    assert result.exit_code == 0, result.output
    assert f"of {2 * IMAGES} regions of {IMAGES} images" in result.output

    rows = [json.loads(line) for line in output.read_text().splitlines()]
    right = sum(row["truth"] in row["attributes"] for row in rows)
    given = sum(len(row["attributes"]) for row in rows)
    assert right / given >= 0.9
    assert right / (2 * IMAGES) >= 0.9
    for row in rows:
        assert row["captions"] == [f"There is a {name} field." for name in row["attributes"]]
    examples = read_examples(Guide("general"), output)
    assert len(examples) == len(rows)  # windows of one picture stay rows of their own


def test_an_attribute_that_no_sentence_names_is_called_by_its_name() -> None:
    assert sentences_about(["All is well."], ["pleural effusion", "effusion"]) == (
        "pleural effusion",
    )


def test_sentences_are_found_by_whole_words_in_any_case() -> None:
    sentences = ["No nodularity.", "Nodules in both lungs.", "A NODULE on the left."]
    assert sentences_about(sentences, ["nodule"]) == tuple(sentences[1:])


def test_a_column_that_is_not_there_is_named(model: Path, windows: Path) -> None:
    guide = Guide("general", model=str(model))
    with pytest.raises(UsageError, match="No row has a column 'yellow'"):
        map_regions(guide, windows, RegionColumns(("yellow",)))
    with pytest.raises(UsageError, match="Correct --group-column"):
        map_regions(guide, windows, RegionColumns(("red",), group="study"))


def test_the_output_is_a_manifest(windows: Path) -> None:
    command = ["pairs", "regions", str(windows), "--attribute-column", "red", "-o", "out.csv"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2
    assert "must end in .jsonl" in result.output
