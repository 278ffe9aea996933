"""Captions from boxes: what they may say, checked by reading them back."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldguide.captions.absent_caption import absent_caption
from fieldguide.captions.box_caption import box_caption
from fieldguide.captions.caption_templates import box_templates
from fieldguide.captions.nouns import noun_of, nouns_of, words_of
from fieldguide.captions.read_back import CaptionReader
from fieldguide.errors import ContractError, UsageError

SIDE = 100
LABELS = (
    *("airplane", "ship", "storage_tank", "ground_track_field", "harbor", "person", "bus"),
    *("aircraft", "RBC", "Platelets", "water", "baseballfield", "Expressway-Service-area"),
)


def box(label: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    """Return a box of 2 x 2 px around a place."""
    edges = {"x_min": x - 1, "x_max": x + 1, "y_min": y - 1, "y_max": y + 1}
    return {"label": label, **edges, **more}


def row(
    *boxes: dict[str, Any], labels: tuple[str, ...] = (), path: str = "a.jpg"
) -> dict[str, Any]:
    return {"path": path, "width": SIDE, "height": SIDE, "boxes": list(boxes), "labels": labels}


def is_central(place: dict[str, Any]) -> bool:
    """Return whether the middle of a box lies in the middle half, worked out on its own."""
    x, y = (place["x_min"] + place["x_max"]) / 2, (place["y_min"] + place["y_max"]) / 2
    return 25 <= x <= 75 and 25 <= y <= 75


def truth(boxes: list[dict[str, Any]]) -> dict[str, int | str]:
    counts = Counter(each["label"] for each in boxes)
    crowds = {each["label"] for each in boxes if each.get("crowd")}
    return {k: "many" if n > 10 or k in crowds else n for k, n in counts.items()}


@st.composite
def boxes(draw: st.DrawFn) -> list[dict[str, Any]]:
    kinds = draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=4, unique=True))
    found = []
    for label in kinds:
        count, seed = draw(st.integers(1, 14)), draw(st.integers(0, 999))
        chance = random.Random(seed)
        found += [box(label, chance.uniform(1, 99), chance.uniform(1, 99)) for _ in range(count)]
    return found


@settings(max_examples=150, deadline=None)
@given(boxes(), st.integers(0, 10_000), st.integers(1, 9))
def test_captions_read_back_to_what_the_boxes_say(
    found: list[dict[str, Any]], seed: int, per_image: int
) -> None:
    reader = CaptionReader(LABELS)
    counts = {
        "image": truth(found),
        "center": truth([each for each in found if is_central(each)]),
        "outside": truth([each for each in found if not is_central(each)]),
    }
    captions = box_caption(row(*found), seed=seed, per_image=per_image)
    assert len(captions) == per_image
    for caption in captions:
        said = reader.read(caption)
        assert said.counts
        assert said.absent is None
        assert said.counts.items() <= counts[said.where].items()


@settings(max_examples=100, deadline=None)
@given(boxes(), st.integers(0, 10_000))
def test_what_is_called_absent_has_no_box_and_was_looked_for(
    found: list[dict[str, Any]], seed: int
) -> None:
    reader = CaptionReader(LABELS)
    for caption in absent_caption(row(*found, labels=LABELS), seed=seed, per_image=4):
        said = reader.read(caption)
        assert said.absent in LABELS
        assert said.absent not in {each["label"] for each in found}
        assert said.counts.items() <= truth(found).items()


def test_three_cars_and_twelve_ships_are_never_twelve_ships() -> None:
    found = [box("car", 10, 5 * i + 5) for i in range(3)]
    found += [box("ship", 50, 5 * i + 5) for i in range(12)]
    texts = {text for seed in range(60) for text in box_caption(row(*found), seed=seed)}
    everything = " ".join(texts)
    assert "12" not in everything and "twelve" not in everything
    assert any("3 cars" in text for text in texts) and any("three cars" in text for text in texts)
    assert any("many ships" in text for text in texts)
    assert any("a lot of ships" in text for text in texts)


@pytest.mark.parametrize(("count", "said"), [(10, 10), (11, "many")])
def test_ten_is_named_and_eleven_is_many(count: int, said: int | str) -> None:
    found = [box("ship", 5 * i + 5, 5) for i in range(count)]
    reader = CaptionReader(["ship"])
    assert {reader.read(c).counts["ship"] for c in box_caption(row(*found))} == {said}


def test_a_crowd_is_many_however_many_boxes_it_has() -> None:
    texts = box_caption(row(box("person", 50, 50, crowd=1)))
    assert {CaptionReader(["person"]).read(text).counts["person"] for text in texts} == {"many"}


def test_five_captions_two_by_place_and_three_by_number() -> None:
    captions = box_caption(row(box("ship", 50, 50), box("car", 5, 5)))
    reader = CaptionReader(["ship", "car"])
    said = [reader.read(caption) for caption in captions]
    assert [each.where for each in said] == ["center", "outside", "image", "image", "image"]
    assert (said[0].counts, said[1].counts) == ({"ship": 1}, {"car": 1})
    assert len({caption.template for caption in captions}) == 5


def test_where_nothing_is_in_the_centre_both_captions_by_place_speak_of_the_border() -> None:
    captions = box_caption(row(box("ship", 5, 5)))
    reader = CaptionReader(["ship"])
    assert [reader.read(c).where for c in captions[:2]] == ["outside", "outside"]
    assert captions[0] != captions[1]


def test_the_same_seed_and_image_give_the_same_captions_and_others_differ() -> None:
    found = row(*[box(label, 9 * i + 5, 50) for i, label in enumerate(LABELS[:9])])
    assert box_caption(found, seed=3) == box_caption(dict(reversed(found.items())), seed=3)
    assert box_caption(found, seed=3) != box_caption(found, seed=4)
    assert box_caption(found | {"path": "b.jpg"}, seed=3) != box_caption(found, seed=3)
    moved = found | {"path": "other/folder/a.jpg"}
    assert box_caption(moved, seed=3) == box_caption(found, seed=3)


def test_an_image_without_objects_has_no_caption_but_may_lack_a_class() -> None:
    assert box_caption(row(labels=("ship",))) == ()
    (caption,) = absent_caption(row(labels=("ship",)))
    assert CaptionReader(["ship"]).read(caption).absent == "ship"


def test_nothing_is_called_absent_that_nobody_looked_for() -> None:
    with pytest.raises(ContractError, match="which classes were looked for"):
        absent_caption(row(box("ship", 50, 50)))
    assert absent_caption(row(box("ship", 50, 50), labels=("ship",))) == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"boxes": None}, "no list of 'boxes'"),
        ({"boxes": "ship"}, "no list of 'boxes'"),
        ({"boxes": [3]}, "a box has no label"),
        ({"boxes": [box("ship", 500, 50)]}, "outside the image"),
        ({"boxes": [box("ship", float("nan"), 50)]}, "no number"),
        ({"width": "wide"}, "width is 'wide'"),
        ({"width": 0}, "has the size 0"),
        ({"labels": "ship"}, "'labels' are no list"),
        ({"boxes": [box("ship", 9, 9), box("Ship", 9, 9)]}, "are both 'ship'"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_reason(
    change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ContractError, match=reason):
        box_caption(row(box("ship", 50, 50)) | change)


@pytest.mark.parametrize(
    "text",
    [
        *("", "Two ships.", "There are 12 ships in the image.", "There is two ship in the image."),
        *("There are no planes in the image.", "An image of two ships and."),
    ],
)
def test_a_text_that_is_none_of_ours_is_not_read(text: str) -> None:
    with pytest.raises(UsageError):
        CaptionReader(["ship"]).read(text)


@pytest.mark.parametrize(
    ("label", "one", "many"),
    [
        ("ship", "ship", "ships"),
        ("ground_track_field", "ground track field", "ground track fields"),
        ("storage-tank", "storage tank", "storage tanks"),
        ("StorageTank", "storage tank", "storage tanks"),
        ("storage_tanks", "storage tank", "storage tanks"),
        ("bridge", "bridge", "bridges"),
        ("bench", "bench", "benches"),
        ("bus", "bus", "buses"),
        ("truss", "truss", "trusses"),
        ("gas station", "gas station", "gas stations"),
        ("lens", "lens", "lenses"),
        ("box", "box", "boxes"),
        ("city", "city", "cities"),
        ("boundaries", "boundary", "boundaries"),
        ("quay", "quay", "quays"),
        ("chimney", "chimney", "chimneys"),
        ("cactus", "cactus", "cactuses"),
        ("person", "person", "people"),
        ("people", "person", "people"),
        ("child", "child", "children"),
        ("fisherman", "fisherman", "fishermen"),
        ("women", "woman", "women"),
        ("knife", "knife", "knives"),
        ("leaves", "leaf", "leaves"),
        ("ox", "ox", "oxen"),
        ("aircraft", "aircraft", "aircraft"),
        ("sheep", "sheep", "sheep"),
        ("RBC", "RBC", "RBCs"),
        ("Platelets", "platelet", "platelets"),
        ("Expressway-Service-area", "expressway service area", "expressway service areas"),
        ("areas", "area", "areas"),
        ("ferries", "ferry", "ferries"),
        ("vehicles", "vehicle", "vehicles"),
        ("houses", "house", "houses"),
        ("taxi", "taxi", "taxis"),
        ("water", "area of water", "areas of water"),
        ("low_vegetation", "area of low vegetation", "areas of low vegetation"),
    ],
)
def test_singular_and_plural_of_classes(label: str, one: str, many: str) -> None:
    noun = noun_of(label)
    assert (noun.singular, noun.plural) == (one, many)
    assert noun.counted(1) == one
    assert noun.counted(2) == noun.counted("many") == many


def test_a_plural_of_the_user_wins() -> None:
    assert noun_of("bucentaur", "bucentauri").plural == "bucentauri"


def test_classes_that_read_alike_cannot_be_told_apart() -> None:
    with pytest.raises(ContractError, match="'ships' and 'ship' are both"):
        nouns_of(["ships", "ship"])


def test_a_class_without_a_letter_has_no_name() -> None:
    with pytest.raises(ContractError, match="has no name"):
        noun_of("__")
    assert words_of("_ship-A_") == "ship a"


def test_templates_say_their_source_and_licence() -> None:
    templates = box_templates()
    assert "2306.11029" in templates.source
    assert templates.licence == "Apache-2.0"
    assert templates.many_above == 10
