"""Captions of camera traps: what is said, what is left out, what is refused, and read back."""

from __future__ import annotations

import doctest
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fieldguide as fg
from fieldguide.errors import ContractError, LoadError, UsageError
from fieldguide_biodiversity import camera_trap_caption as making
from fieldguide_biodiversity import camera_trap_record
from fieldguide_biodiversity.camera_trap_caption import camera_trap_caption
from fieldguide_biodiversity.camera_trap_json import read_camera_traps
from fieldguide_biodiversity.camera_trap_read_back import CameraTrapReader, Said
from fieldguide_biodiversity.camera_trap_record import SIGHTINGS, Sighting

if TYPE_CHECKING:
    from pathlib import Path

LONDON = {"latitude": 51.5, "longitude": -0.1}
NIGHT = "2026-01-05 23:30:00"


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(making).failed == 0
    assert doctest.testmod(camera_trap_record).failed == 0


@pytest.mark.parametrize(
    ("row", "caption"),
    [
        ({"species": "red_deer", "count": 2, "DateTime": NIGHT, **LONDON},
         "a camera-trap photo of two red deer at night in winter."),
        ({"Species": "Coyote", "Count": 1, "DateTime": "2026-07-01T12:00:00Z", **LONDON},
         "a camera-trap photo of one coyote by day in summer."),
        ({"species": "coyote", "count": 23}, "a camera-trap photo of 23 coyotes."),
        ({"species": "coyote"}, "a camera-trap photo of coyote."),
        ({"label": "wolf", "count": 3, "date": "2026-01-05", "time": "23:30:00"},
         "a camera-trap photo of three wolves at 23:30."),
        ({"label": "wolf", "date": "2026-01-05", "lat": -41.0},
         "a camera-trap photo of wolf in summer."),
        ({"scientific_name": "Cervus elaphus", "count": 2},
         "a camera-trap photo of two Cervus elaphus."),
        ({"species": "Empty", "DateTime": NIGHT, **LONDON},
         "a camera-trap photo with no animal at night in winter."),
        ({"species": "blank", "count": 0}, "a camera-trap photo with no animal."),
        ({"species": "unknown", "count": 4}, "a camera-trap photo of an unidentified animal."),
    ],
)  # fmt: skip
def test_a_row_says_what_it_knows_and_no_more(row: dict[str, Any], caption: str) -> None:
    assert camera_trap_caption(row)[0] == caption


def test_night_is_not_said_where_the_place_is_not_known() -> None:
    captions = camera_trap_caption({"species": "badger", "count": 1, "DateTime": NIGHT})
    assert captions == (
        "a camera-trap photo of one badger at 23:30.", "a camera-trap photo of one badger."
    )  # fmt: skip


def test_a_caption_knows_its_sentence() -> None:
    (caption,) = camera_trap_caption({"species": "empty"})
    assert caption.template == "camera_traps/1:empty"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"location": "A3"}, "names no animal"),
        ({"species": "wolf", "count": 0}, "0 of 'wolf'"),
        ({"species": "wolf", "count": -1}, "no number of animals"),
        ({"species": "wolf", "count": 1.5}, "no number of animals"),
        ({"species": "wolf", "count": "many"}, "no number of animals"),
        ({"species": "empty", "count": 2}, "is empty, and has a count"),
        ({"species": "wolf", "DateTime": "yesterday"}, "Write it as 2021-07-30 14:05:00"),
        ({"species": "wolf", "DateTime": "2026-13-05 23:30:00"}, "Correct it"),
        ({"species": "wolf", "latitude": 151.2}, "not a number from -90 to 90"),
        ({SIGHTINGS: (Sighting("wolf"), Sighting("empty"))}, "both empty and 'wolf'"),
        ({SIGHTINGS: ()}, "no annotation"),
    ],
)
def test_a_row_that_cannot_be_is_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        camera_trap_caption(row)


LABELS = ("red deer", "black and white colobus", "fox", "white-tailed deer", "wild_boar", "person")


@given(
    st.dictionaries(st.sampled_from(LABELS), st.none() | st.integers(1, 40), min_size=1),
    st.booleans(),
    st.sampled_from([None, "2026-01-05 23:30:00", "2026-07-01 12:00:00", "2026-04-01 06:00:00"]),
    st.sampled_from([{}, LONDON, {"latitude": -33.9, "longitude": 151.2}]),
)
def test_what_a_caption_says_is_read_back_from_it(
    counts: dict[str, int | None], sequence: bool, moment: str | None, place: dict[str, float]
) -> None:
    record = {SIGHTINGS: tuple(Sighting(name, n) for name, n in counts.items()),
              "sequence_level": sequence, "datetime": moment, **place}  # fmt: skip
    full, *rest = camera_trap_caption(record)
    reader = CameraTrapReader(LABELS)
    said = reader.read(full)
    assert said.counts == counts
    assert said.of_sequence is sequence
    assert bool(said.light or said.hour) == (moment is not None)
    assert bool(said.season) == (moment is not None and bool(place))
    if said.hour:
        assert moment is not None
        assert said.hour in moment
    for bare in rest:
        assert reader.read(bare) == Said(counts, of_sequence=sequence)


def test_an_empty_picture_and_an_unknown_animal_are_read_back() -> None:
    reader = CameraTrapReader(["fox"])
    assert reader.read("a camera-trap photo with no animal at night.") == Said({}, light="night")
    said = reader.read("a camera-trap photo of two foxes and an unidentified animal.")
    assert said == Said({"fox": 2}, unidentified=True)


@pytest.mark.parametrize(
    "text", ["a camera-trap photo of one foxes.", "a photo of fox.", "a camera-trap photo of wolf."]
)
def test_a_caption_that_is_none_is_not_read(text: str) -> None:
    with pytest.raises(UsageError, match="no caption of a camera trap"):
        CameraTrapReader(["fox"]).read(text)


CATEGORIES = [{"id": 0, "name": "empty"}, {"id": 1, "name": "red deer"}, {"id": 2, "name": "fox"}]


def image(number: int, **more: Any) -> dict[str, Any]:
    """As LILA BC describes them."""
    return {
        "id": f"i{number}", "file_name": f"A3/{number}.jpg", "width": 1920, "height": 1080,
        "location": "A3", "seq_id": "s1", "seq_num_frames": 3, "frame_num": number,
        "datetime": NIGHT, **more,
    }  # fmt: skip


def write(folder: Path, images: list[Any], annotations: list[Any]) -> Path:
    path = folder / "traps.json"
    path.write_text(json.dumps({
        "info": {"version": "1.0"}, "images": images, "categories": CATEGORIES,
        "annotations": [{"id": str(n), **each} for n, each in enumerate(annotations)],
    }))  # fmt: skip
    return path


def test_a_file_of_coco_camera_traps_becomes_captions_with_provenance(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        [image(1), image(2), image(3), image(4, corrupt=True), image(5)],
        [
            {"image_id": "i1", "category_id": 1, "bbox": [10, 10, 50, 80]},
            {"image_id": "i1", "category_id": 1, "bbox": [300, 10, 50, 80]},
            {"image_id": "i2", "category_id": 0},
            {"image_id": "i3", "category_id": 2, "sequence_level_annotation": True, "count": 2},
            {"image_id": "i4", "category_id": 1},
        ],
    )
    made = fg.make_captions(
        path, ["camera_trap"], format="camera_traps", per_image=1, columns=LONDON
    )
    folder = tmp_path.as_posix()
    assert {row.path.removeprefix(folder): row.caption for row in made} == {
        "/A3/1.jpg": "a camera-trap photo of two red deer at night in winter.",
        "/A3/2.jpg": "a camera-trap photo with no animal at night in winter.",
        "/A3/3.jpg": "a camera-trap photo from a sequence with two foxes at night in winter.",
    }
    assert [reason.partition(".")[0] for _, reason in made.skipped] == [
        "the file says that the image is corrupt", "it has no annotation",
    ]  # fmt: skip


def test_an_annotation_without_box_or_count_gives_no_number_and_no_box(tmp_path: Path) -> None:
    path = write(tmp_path, [image(1)], [{"image_id": "i1", "category_id": 1}])
    (found,) = read_camera_traps(path).images
    assert found.facts[SIGHTINGS] == (Sighting("red deer"),)
    assert found.boxes == ()
    boxed = fg.make_captions(path, ["box_caption", "absent_caption"], format="camera_traps")
    assert not list(boxed)  # nothing is known to be absent


def test_boxes_of_a_camera_trap_serve_the_converters_of_boxes(tmp_path: Path) -> None:
    path = write(
        tmp_path, [image(1)], [{"image_id": "i1", "category_id": 2, "bbox": [0, 0, 90, 90]}]
    )
    made = fg.make_captions(path, ["box_caption"], format="camera_traps")
    assert any("one fox" in row.caption for row in made)


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"category_id": 7}, "category 7"),
        ({"category_id": 1, "bbox": [1, 2, 3]}, "3 numbers"),
        ({"category_id": 1, "bbox": [9000, 2, 3, 3]}, "outside the image"),
        ({"category_id": 1, "count": -2}, "no number of animals"),
        ({"category_id": 1, "count": float("inf")}, "no number of animals"),
        ({"category_id": 1, "count": 10**400}, "no number of animals"),
        ({"category_id": [1]}, "category None"),
        ({"category_id": 1, "bbox": "all"}, "no list of 4 numbers"),
        ({"category_id": 1, "bbox": [1, 2, float("nan"), 3]}, "no number"),
    ],
)
def test_a_bad_annotation_leaves_its_image_out_with_the_reason(
    tmp_path: Path, annotation: dict[str, Any], reason: str
) -> None:
    found = read_camera_traps(write(tmp_path, [image(1)], [{"image_id": "i1", **annotation}]))
    assert not found.images
    ((_, said),) = found.skipped
    assert reason in said


def test_an_image_outside_the_folder_is_refused(tmp_path: Path) -> None:
    record = image(1, file_name="../../secret.jpg")
    found = read_camera_traps(write(tmp_path, [record], [{"image_id": "i1", "category_id": 1}]))
    assert not found.images
    assert "no file in the folder" in found.skipped[0][1]


@pytest.mark.parametrize("content", ["[]", "{}", '{"images": 3}', "[" * 100_000])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "traps.json"
    path.write_text(content)
    with pytest.raises(LoadError):
        read_camera_traps(path)


def test_a_flat_table_of_a_camera_trap_needs_no_reader(tmp_path: Path) -> None:
    table = tmp_path / "timelapse.csv"
    table.write_text(
        "file,location,DateTime,Temperature,species,count\n"
        "a.jpg,A3,2026-01-05 23:30:00,-4,red deer,2\nb.jpg,A3,2026-01-05 23:31:00,-4,empty,\n"
    )
    made = fg.make_captions(table, ["camera_trap"], columns=LONDON, per_image=1)
    assert [row.caption for row in made] == [
        "a camera-trap photo of two red deer at night in winter.",
        "a camera-trap photo with no animal at night in winter.",
    ]
