"""MegaDetector's batch results: what is an input, what is recorded, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

import fieldguide as fg
from fieldguide.captions.find_records import search_for
from fieldguide.cli import cli
from fieldguide.errors import LoadError
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_biodiversity.megadetector import is_megadetector, read_megadetector

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.guides import Guide

CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
DEER = {"category": "1", "conf": 0.926, "bbox": [0.1, 0.2, 0.3, 0.25]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def guide(model: str) -> Guide:
    return fg.guide("biodiversity", modality="organism_photo", model=model, device="cpu")


def photo(place: Path, size: tuple[int, int] = (100, 80), orientation: int = 1) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", size, "green").save(place, exif=exif)
    return place


def results(folder: Path, *images: Any, **changes: Any) -> Path:
    """Write a file as run_detector_batch does; see https://lila.science/megadetector-output-format."""
    content = {
        "info": {"format_version": "1.4", "detector": "md_v5a.0.0.pt",
                 "detector_metadata": {"typical_detection_threshold": 0.2}},
        "detection_categories": CATEGORIES,
        "images": list(images),
    }  # fmt: skip
    path = folder / "md.json"
    path.write_text(json.dumps(content | changes))
    return path


def test_shares_of_the_upright_image_become_pixels(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", (100, 80))
    (image,) = read_megadetector(results(tmp_path, {"file": "a.jpg", "detections": [DEER]})).images
    # columns 0.1 * 100 to 0.4 * 100, rows 0.2 * 80 to 0.45 * 80
    assert [(b.label, b.pixels, b.confidence) for b in image.boxes] == [
        ("animal", (10, 16, 39, 35), 0.926)
    ]


def test_a_photograph_that_was_held_upright_has_its_upright_size(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", (100, 80), orientation=6)
    (image,) = read_megadetector(results(tmp_path, {"file": "a.jpg", "detections": [DEER]})).images
    assert (image.width_px, image.height_px) == (80, 100)
    assert image.boxes[0].pixels == (8, 20, 31, 44)


def test_animals_are_cut_and_people_are_no_species(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path / "photos/a.jpg")
    photo(tmp_path / "photos/b.jpg")
    person = {"category": "2", "conf": 0.8, "bbox": [0.5, 0.1, 0.2, 0.7]}
    weak = {"category": "1", "conf": 0.19, "bbox": [0.5, 0.1, 0.2, 0.7]}
    boxes = results(tmp_path, {"file": "a.jpg", "detections": [DEER, person, weak]},
                    {"file": "b.jpg", "detections": [person]})  # fmt: skip
    found = guide.classify(fg.crops(boxes, tmp_path / "photos"), ["deer", "boar"])
    assert [(row.status, row.metadata.get("box_label")) for row in found] == [
        ("ok", "animal"), ("empty", None)
    ]  # fmt: skip
    assert found[1].reason == "no 'animal' above 0.2, but 1 x person"


def test_people_are_cut_when_they_are_asked_for(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    person = {"category": "2", "conf": 0.8, "bbox": [0.5, 0.1, 0.2, 0.7]}
    boxes = results(tmp_path, {"file": "a.jpg", "detections": [DEER, person]})
    found = guide.find(fg.crops(boxes, labels=["animal", "person"]))
    assert [item.metadata["box_label"] for item in found] == ["animal", "person"]


def test_a_detector_of_its_own_categories_has_all_boxes_cut(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    boxes = results(tmp_path, {"file": "a.jpg", "detections": [DEER]},
                    detection_categories={"1": "fish"})  # fmt: skip
    assert [i.metadata["box_label"] for i in guide.find(fg.crops(boxes))] == ["fish"]


def test_an_image_of_which_nothing_was_found_is_empty(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    boxes = results(tmp_path, {"file": "a.jpg", "detections": [], "failure": None})
    (row,) = guide.classify(fg.crops(boxes), ["deer", "boar"])
    assert (row.status, row.reason, row.guesses) == ("empty", "no detection above 0.2", ())


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"detections": None, "failure": "Failure image access"}, "failed on it: Failure image"),
        ({"failure": "x" * 5000}, "failed on it: x"),
        ({"detections": None}, "no list of detections"),
        ({"frame_rate": 20, "frames_processed": [0], "detections": [DEER]}, "it is a video"),
    ],
)
def test_what_the_detector_could_not_do_is_a_recorded_row(
    guide: Guide, tmp_path: Path, entry: dict[str, Any], reason: str
) -> None:
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "b.jpg")
    boxes = results(tmp_path, {"file": "a.jpg"} | entry, {"file": "b.jpg", "detections": [DEER]})
    found = guide.classify(fg.crops(boxes), ["deer", "boar"])
    assert sorted(row.status for row in found) == ["ok", "skipped"]
    (failed,) = [row for row in found if row.status == "skipped"]
    assert failed.path == (tmp_path / "a.jpg").as_posix()
    assert reason in failed.reason
    assert len(failed.reason) < 400


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bbox": [0.1, 0.2, 0, 0.25]}, "has no size"),
        ({"bbox": [0.1, 0.2, -0.1, 0.25]}, "has no size"),
        ({"bbox": [float("nan"), 0.2, 0.3, 0.25]}, "no number"),
        ({"bbox": [float("inf"), 0.2, 0.3, 0.25]}, "no number"),
        ({"bbox": [10, 16, 30, 20]}, "not in shares"),
        ({"bbox": [1.5, 0.2, 0.3, 0.25]}, "lies outside"),
        ({"bbox": [0.1, 0.2, 0.3]}, "no 4 numbers"),
        ({"bbox": "0.1"}, "no 4 numbers"),
        ({"bbox": ["a", 0, 1, 1]}, "no number"),
        ({"conf": None}, "no number"),
        ({"conf": 1.5}, "not 0 to 1"),
        ({"conf": float("nan")}, "no number"),
    ],
)
def test_a_box_that_cannot_be_is_a_fault_and_the_others_go_on(
    guide: Guide, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    photo(tmp_path / "a.jpg")
    boxes = results(tmp_path, {"file": "a.jpg", "detections": [DEER | change, DEER]})
    found = guide.classify(fg.crops(boxes), ["deer", "boar"])
    assert [row.status for row in found] == ["ok", "skipped"]
    assert reason in found[1].reason


def test_a_fault_of_a_box_that_would_not_count_is_not_told(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    nothing = {"category": "1", "conf": 0.01, "bbox": [0.1, 0.2, 0, 0]}
    boxes = results(tmp_path, {"file": "a.jpg", "detections": [nothing, DEER]})
    assert [row.status for row in guide.classify(fg.crops(boxes), ["a", "b"])] == ["ok"]


def test_a_box_a_little_past_the_border_is_cut_at_it(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", (100, 80))
    over = DEER | {"bbox": [0.8, -0.01, 0.2001, 0.5]}
    (image,) = read_megadetector(results(tmp_path, {"file": "a.jpg", "detections": [over]})).images
    assert image.boxes[0].pixels == (80, 0, 99, 39)


def test_a_category_without_a_name_is_no_detection(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    boxes = results(tmp_path, {"file": "a.jpg", "detections": [DEER | {"category": "7"}]})
    assert [row.status for row in guide.classify(fg.crops(boxes), ["a", "b"])] == ["empty"]


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "b/../../a.jpg", "C:\\a.jpg", "", 7])
def test_a_name_that_leads_out_of_the_folder_of_images_is_refused(
    tmp_path: Path, name: object
) -> None:
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "photos/b.jpg")
    found = read_megadetector(
        results(tmp_path, {"file": name, "detections": [DEER]},
                {"file": "b.jpg", "detections": [DEER]}), images=tmp_path / "photos",
    )  # fmt: skip
    assert [image.path for image in found.images] == [(tmp_path / "photos/b.jpg").as_posix()]
    assert len(found.skipped) == 1


def test_absolute_names_inside_the_folder_and_backslashes_are_read(tmp_path: Path) -> None:
    inside = photo(tmp_path / "deep/a.jpg")
    photo(tmp_path / "deep/b.jpg")
    found = read_megadetector(
        results(tmp_path, {"file": inside.absolute().as_posix(), "detections": []},
                {"file": "deep\\b.jpg", "detections": []})
    )  # fmt: skip
    assert [image.path for image in found.images] == [
        (tmp_path / "deep/a.jpg").as_posix(), (tmp_path / "deep/b.jpg").as_posix()
    ]  # fmt: skip


def test_an_image_that_is_listed_twice_is_told_of(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    entry = {"file": "a.jpg", "detections": [DEER]}
    (row,) = guide.classify(fg.crops(results(tmp_path, entry, entry)), ["a", "b"])
    assert row.status == "skipped"
    assert "2 entries" in row.reason


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "[" * 200_000, '{"images": {}}', '{"images": [], "detection_categories": []}',
     '{"images": []}', '{"images": [1e999999], "annotations": []}'],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "md.json").write_text(content)
    with pytest.raises(LoadError, match=r"MegaDetector|not JSON"):
        read_megadetector(tmp_path / "md.json")


@pytest.mark.parametrize("entry", [None, 3, "a.jpg", [], {}, {"file": None}])
def test_an_entry_that_is_none_is_recorded(tmp_path: Path, entry: object) -> None:
    found = read_megadetector(results(tmp_path, entry))
    assert found.images == []
    assert found.skipped == [
        (f"{tmp_path.as_posix()}/md.json#0", "the entry names no file. Run the detector again.")
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner,
                                                                max_size=3),
    max_leaves=8,
)  # fmt: skip
DETECTIONS = st.fixed_dictionaries(
    {}, optional={"category": JSON | st.just("1"), "conf": JSON | st.floats(0, 1),
                  "bbox": JSON | st.lists(st.floats() | st.floats(0, 1), min_size=4, max_size=4)},
)  # fmt: skip
ENTRIES = st.fixed_dictionaries(
    {}, optional={"file": JSON | st.just("a.jpg"), "detections": JSON | st.lists(DETECTIONS | JSON),
                  "failure": JSON},
)  # fmt: skip


@given(st.lists(ENTRIES | JSON, max_size=4), st.just(CATEGORIES) | JSON)
def test_whatever_a_file_holds_boxes_are_inside_or_the_reason_is_told(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Any], categories: object
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    if not (folder / "a.jpg").exists():
        photo(folder / "a.jpg", (100, 80))
    path = results(folder, *entries, detection_categories=categories)
    try:
        found = read_megadetector(path)
    except LoadError:
        return
    assert len(found.images) + len(found.skipped) == len(entries)
    for image in found.images:
        for left, top, right, bottom in (box.pixels for box in image.boxes):
            assert 0 <= left <= right < 100
            assert 0 <= top <= bottom < 80


def test_a_hundred_thousand_detections_are_read_and_the_sure_ones_cut(
    guide: Guide, tmp_path: Path
) -> None:
    photo(tmp_path / "a.jpg", (1000, 1000))
    many = [{"category": "1", "conf": n / 100_000, "bbox": [n % 900 / 1000, 0.1, 0.05, 0.05]}
            for n in range(100_000)]  # fmt: skip
    boxes = results(tmp_path, {"file": "a.jpg", "detections": many})
    found = guide.find(fg.crops(boxes, confidence=0.5))
    assert len(found) == 900  # boxes of 900 places; of the same ones the surest
    assert min(item.metadata["box_confidence"] for item in found) >= 0.99


def test_captions_count_what_the_detector_is_sure_of(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    weak = DEER | {"conf": 0.1}
    path = results(tmp_path, {"file": "a.jpg", "detections": [DEER, weak]})
    (row,) = search_for(get_catalog()).find([path]).rows
    assert [box.confidence for box in row["boxes"]] == [0.926]


def test_the_format_is_told_from_coco_by_the_file(tmp_path: Path) -> None:
    path = results(tmp_path)
    assert is_megadetector(path)
    path.write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    assert not is_megadetector(path)


def test_one_command_gives_a_row_an_animal(model: str, tmp_path: Path) -> None:
    photo(tmp_path / "photos/site_1/a.jpg")
    photo(tmp_path / "photos/site_2/b.jpg")
    boxes = results(
        tmp_path,
        {"file": "site_1/a.jpg", "detections": [DEER, DEER | {"bbox": [0.5, 0.5, 0.2, 0.2]}]},
        {"file": "site_2/b.jpg", "detections": []},
    )
    arguments = ["classify", tmp_path / "photos", "--boxes", boxes, "--box-confidence", 0.5,
                 "--box-margin", 0, "--domain", "biodiversity", "--modality", "organism_photo",
                 "--model", model, "--label", "deer", "--label", "boar",
                 "-o", tmp_path / "out.json"]  # fmt: skip
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    assert "2 ok, 1 empty" in done.output
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [(row["status"], row.get("box_column_px")) for row in rows] == [
        ("ok", 10), ("ok", 50), ("empty", None)
    ]  # fmt: skip
