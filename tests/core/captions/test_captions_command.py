"""`fieldguide captions` and make_captions: files in, a manifest with provenance out."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter, defaultdict
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

import fieldguide as fg
from fieldguide.captions.read_back import CaptionReader
from fieldguide.cli import cli
from fieldguide.data.inputs import read_manifest
from fieldguide.errors import UnknownNameError, UsageError
from fieldguide.plugins import build_catalog

if TYPE_CHECKING:
    from click.testing import Result

    from fieldguide.plugins import Catalog

COLUMNS = ["path", "caption", "template", "seed", "converter", "source"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["captions", *map(str, arguments)])


def coco(folder: Path, *, bad: bool = False) -> Path:
    """Write two images, one with a ship and a car, one with nothing or with a fault."""
    box = {"bbox": [0, 0, -4, 5], "image_id": 2, "category_id": 1}
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 40, "height": 30} for i in (1, 2)],
        "categories": [{"id": 1, "name": "ship"}, {"id": 2, "name": "car"}],
        "annotations": [
            {"bbox": [18, 12, 4, 5], "image_id": 1, "category_id": 1},
            {"bbox": [0, 0, 4, 5], "image_id": 1, "category_id": 2},
            *([box] if bad else []),
        ],
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_output_is_a_manifest_with_provenance(tmp_path: Path, suffix: str) -> None:
    output = tmp_path / "out" / f"captions{suffix}"
    done = run(coco(tmp_path), "--seed", 7, "-o", output)
    assert done.exit_code == 0, done.output
    assert "5 captions of 1 images" in done.output and "1 images without a caption" in done.output
    rows: list[dict[str, Any]]
    if suffix == ".csv":
        with output.open() as stream:
            rows = list(csv.DictReader(stream))
    elif suffix == ".jsonl":
        rows = [json.loads(line) for line in output.read_text().splitlines()]
    else:
        rows = pq.read_table(output).to_pylist()
    assert list(rows[0]) == COLUMNS
    assert {row["path"] for row in rows} == {"../1.jpg"}
    assert {(str(row["seed"]), row["converter"]) for row in rows} == {("7", "box_caption")}
    assert all(row["source"].endswith("instances.json#1") for row in rows)
    assert all(row["template"].startswith("boxes/1:") for row in rows)
    record = json.loads((output.parent / f"{output.name}.provenance.json").read_text())
    assert (record["seed"], record["converters"], record["captions"]) == (7, ["box_caption"], 5)


def test_a_manifest_of_captions_is_one_that_training_reads(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "1.jpg")
    assert run(coco(tmp_path), "-o", tmp_path / "c.csv").exit_code == 0
    items = list(read_manifest(tmp_path / "c.csv"))
    assert len(items) == 5
    assert {(item.path, item.fault) for item in items} == {(tmp_path / "1.jpg", None)}


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    path = coco(tmp_path)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(path, "--seed", seed, "-o", tmp_path / f"{name}.csv")
    first, second, third = (
        [row.caption for row in fg.make_captions(path, seed=seed)] for seed in (1, 1, 2)
    )
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert first == second != third


def test_a_bad_annotation_is_a_recorded_skip_and_ends_with_3(tmp_path: Path) -> None:
    path = coco(tmp_path, bad=True)
    done = run(path, "-o", tmp_path / "c.csv")
    assert done.exit_code == 3
    assert "instances.json#2: the box 'ship' [0, 0, -4, 5] has no size" in done.output
    assert run(path, "--strict", "-o", tmp_path / "c.csv").exit_code == 1
    assert fg.make_captions(path).skipped[0][0].endswith("#2")


def test_an_image_of_two_annotations_is_left_out_as_neither_has_all_its_objects(
    tmp_path: Path,
) -> None:
    first = coco(tmp_path)
    second = first.with_name("more.json")
    second.write_text(first.read_text())
    assert len(fg.make_captions([first, first])) == 5
    made = fg.make_captions([first, second])
    assert len(made) == 0
    assert [Path(name).name for name, _ in made.skipped] == ["1.jpg", "2.jpg"]
    assert "more.json#1" in made.skipped[0][1]


def test_two_converters_stand_side_by_side(tmp_path: Path) -> None:
    made = fg.make_captions(coco(tmp_path), ["box_caption", "absent_caption"])
    assert Counter(row.converter for row in made) == {"box_caption": 5, "absent_caption": 1}
    (absent,) = (row for row in made if row.converter == "absent_caption")
    assert absent.path.endswith("2.jpg")


def test_rows_of_a_manifest_need_a_converter_and_keep_their_labels(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,kind\na.jpg,storage_tank\nb.jpg,\n../../x.jpg,ship\n")
    with pytest.raises(UsageError, match="--converter NAME"):
        fg.make_captions(tmp_path / "m.csv")
    made = fg.make_captions(tmp_path / "m.csv", "label_caption", label_column="kind", per_image=1)
    assert [(Path(row.path).name, row.caption) for row in made] == [
        ("a.jpg", "a photo of storage tank.")
    ]
    assert [Path(name).name for name, _ in made.skipped] == ["x.jpg", "b.jpg"]
    assert "lies outside the manifest's folder" in made.skipped[0][1]


@pytest.mark.parametrize("option", ["--format", "--classes-file", "--images"])
def test_what_is_for_annotations_is_refused_for_a_manifest(tmp_path: Path, option: str) -> None:
    (tmp_path / "rows.csv").write_text("path,label\na.jpg,ship\n")
    (tmp_path / "classes.txt").write_text("ship\n")
    value = {"--format": "coco", "--classes-file": tmp_path / "classes.txt", "--images": tmp_path}
    arguments = [tmp_path / "rows.csv", "--converter", "label_caption", option, value[option]]
    result = CliRunner().invoke(cli, ["captions", *map(str, arguments)])
    assert result.exit_code != 0
    assert f"{option}: for annotation files" in result.stderr + str(result.exception)


def test_a_label_column_that_a_row_lacks_is_not_replaced_by_another(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("path,label,kind\na.jpg,7,ship\nb.jpg,8,\n")
    made = fg.make_captions(
        tmp_path / "rows.csv", "label_caption", label_column="kind", per_image=1
    )
    assert [row.caption for row in made] == ["a photo of ship."]
    assert len(made.skipped) == 1


def test_boxes_in_a_manifest_are_captions_as_well(tmp_path: Path) -> None:
    boxes = [{"label": "ship", "x_min": 1, "y_min": 1, "x_max": 3, "y_max": 3}]
    row = {"path": "a.jpg", "width": 9, "height": 9, "boxes": boxes}
    (tmp_path / "m.jsonl").write_text(json.dumps(row) + "\n")
    made = fg.make_captions(tmp_path / "m.jsonl", "box_caption")
    assert len(made) == 5


def test_folders_of_text_files_are_told_by_their_content(tmp_path: Path) -> None:
    for name in ("yolo", "dota", "images"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (100, 50)).save(tmp_path / "images" / f"{name}.png")
        (tmp_path / "dota" / f"{name}.txt").write_text("1 1 9 1 9 9 1 9 ship 0\n")
    (tmp_path / "yolo" / "a.txt").write_text("")  # nothing there, which is no other format
    (tmp_path / "yolo" / "b.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "yolo" / "classes.txt").write_text("ship\n")
    for folder, images in (("yolo", 1), ("dota", 2)):
        made = fg.make_captions(tmp_path / folder)
        assert made.skipped == ()
        assert made.provenance["images"] == images
        assert all("ship" in row.caption for row in made)


def test_a_format_that_is_named_is_taken_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    path = coco(tmp_path)
    done = run(path, "--format", "voc")
    assert done.exit_code == 1
    assert "not XML" in done.output
    with pytest.raises(UnknownNameError, match="coco"):
        fg.make_captions(path, format="cocoo")
    with pytest.raises(UsageError, match="no format"):
        fg.make_captions(path, format="infonce")


def test_a_label_raster_is_read_where_it_is_named(tmp_path: Path) -> None:
    for name in ("masks", "images"):
        (tmp_path / name).mkdir()
    mask = Image.new("L", (20, 20))
    mask.paste(1, (2, 2, 6, 6))
    mask.paste(1, (12, 12, 16, 16))
    mask.save(tmp_path / "masks" / "a.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "images" / "a.jpg")
    (tmp_path / "c.txt").write_text("background\nbuilding\n")
    made = fg.make_captions(
        tmp_path / "masks", format="label_raster", classes_file=tmp_path / "c.txt"
    )
    read = CaptionReader(["building"]).read
    assert {read(row.caption).counts["building"] for row in made if "image" in row.template} == {2}
    assert {Path(row.path).name for row in made} == {"a.jpg"}


def test_an_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run(tmp_path / "none.json")
    assert done.exit_code == 1
    assert "none.json" in done.output


def check_against_json(path: Path) -> Counter[str]:
    """Read every caption of a COCO file back and compare it with counts of the JSON itself."""
    content = json.loads(path.read_text())
    names = {each["id"]: each["name"] for each in content["categories"]}
    files = {each["id"]: each for each in content["images"]}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    central: dict[str, Counter[str]] = defaultdict(Counter)
    for each in content["annotations"]:
        image, (x, y, w, h) = files[each["image_id"]], each["bbox"]
        across, down = (x + w / 2) / image["width"], (y + h / 2) / image["height"]
        is_central = abs(across - 0.5) <= 0.25 and abs(down - 0.5) <= 0.25
        counts[image["file_name"]][names[each["category_id"]]] += 1
        central[image["file_name"]][names[each["category_id"]]] += is_central
    reader = CaptionReader(names.values())
    made = fg.make_captions(path, ["box_caption", "absent_caption"], seed=11)
    assert made.skipped == ()
    seen: Counter[str] = Counter()
    for row in made:
        said, file = reader.read(row.caption), Path(row.path).name
        own = {
            "image": counts[file],
            "center": central[file],
            "outside": counts[file] - central[file],
        }[said.where]
        for label, count in said.counts.items():
            assert own[label] > 10 if count == "many" else own[label] == count
        assert said.absent is None or counts[file][said.absent] == 0
        seen[row.converter] += 1
    assert {Path(row.path).name for row in made} == set(counts)
    return seen


@pytest.mark.shared_data
def test_captions_of_nwpu_vhr_10_agree_with_a_count_over_its_json(shared_data: Path) -> None:
    seen = check_against_json(shared_data / "remote_sensing/vhr10_boxes/annotations.json")
    assert seen == {"box_caption": 5 * 650, "absent_caption": 650}


@pytest.mark.shared_data
def test_captions_of_ssdd_agree_with_a_count_over_its_json(shared_data: Path) -> None:
    seen = check_against_json(shared_data / "remote_sensing/vhr10_boxes/SSDD.json")
    assert seen == {"box_caption": 5 * 1160}  # its one class is in every image


@pytest.mark.shared_data
def test_captions_of_blood_smears_agree_with_a_count_over_the_text_of_their_xml(
    shared_data: Path,
) -> None:
    folder = shared_data / "medical/bccd/annotations"
    counts = {
        path.stem: Counter(
            {n: path.read_text().count(f"<name>{n}</name>") for n in ("RBC", "WBC", "Platelets")}
        )
        for path in folder.glob("*.xml")
    }
    made = fg.make_captions(folder)
    assert [Path(name).stem for name, _ in made.skipped] == [
        "BloodImage_00338", "BloodImage_00343",
    ]  # fmt: skip  # each has a box whose corners are one point
    reader = CaptionReader(["RBC", "WBC", "Platelets"])
    assert {Path(row.path).stem for row in made} == counts.keys() - {
        "BloodImage_00338", "BloodImage_00343",
    }  # fmt: skip
    for row in made:
        assert Path(row.path).is_file()
        said = reader.read(row.caption)
        for label, count in said.counts.items():
            own = counts[Path(row.path).stem][label]
            if said.where == "image":
                assert own > 10 if count == "many" else own == count


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """A catalogue with a plugin that reads points and writes captions of its own."""
    (tmp_path / "stars_code.py").write_text(
        "from fieldguide.captions.boxes import Annotations, Box, annotated_image\n"
        "def read(path, *, classes=None, images=None):\n"
        "    boxes = [Box('star', i, 0, i + 1, 1) for i in range(len(path.read_text()))]\n"
        "    return Annotations([annotated_image('sky.png', (50, 50), boxes, str(path))])\n"
        "def caption(record, *, seed):\n"
        "    return f'{len(record[\"boxes\"])} stars by seed {seed}'\n"
        "def fault(record):\n"
        "    raise KeyError('x')\n"
    )
    (tmp_path / "stars.py").write_text(
        "from fieldguide.hookspecs import hookimpl\n"
        "from fieldguide.specs import AnnotationReaderSpec, CaptionConverterSpec\n"
        "api = 1\n"
        "@hookimpl\n"
        "def register_methods():\n"
        "    yield AnnotationReaderSpec(name='stars', summary='x', suffixes=('.stars',),\n"
        "                               target='stars_code:read')\n"
        "@hookimpl\n"
        "def register_caption_converters():\n"
        "    yield CaptionConverterSpec(name='star_caption', summary='x', options=('seed',),\n"
        "                               target='stars_code:caption')\n"
        "    yield CaptionConverterSpec(name='faulty', summary='x', target='stars_code:fault')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return build_catalog([EntryPoint("stars", "stars", "fieldguide")])


def test_a_plugin_adds_a_format_and_a_converter_by_records(
    catalog: Catalog, tmp_path: Path
) -> None:
    (tmp_path / "a.stars").write_text("***")
    made = fg.make_captions(tmp_path / "a.stars", "star_caption", seed=5, catalog=catalog)
    assert [(row.caption, row.template) for row in made] == [("3 stars by seed 5", "")]
    assert len(fg.make_captions(tmp_path / "a.stars", catalog=catalog)) == 5


def test_a_fault_of_a_plugins_converter_is_a_recorded_skip(
    catalog: Catalog, tmp_path: Path
) -> None:
    (tmp_path / "a.stars").write_text("***")
    made = fg.make_captions(tmp_path / "a.stars", ["faulty", "star_caption"], catalog=catalog)
    assert made.skipped == (("sky.png", "faulty: unexpected KeyError: 'x'"),)
    assert len(made) == 1
