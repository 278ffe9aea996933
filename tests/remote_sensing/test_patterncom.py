"""PatternCom: its layout, its queries and answers, and figures worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fieldguide as fg
from fieldguide.errors import UsageError
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_remote_sensing.benchmarks import patterncom_files
from fieldguide_remote_sensing.benchmarks.patterncom import (
    COMPOSERS,
    Outcome,
    figures,
    measure,
    score,
)
from fieldguide_remote_sensing.benchmarks.patterncom_files import (
    ATTRIBUTES,
    Annotation,
    Query,
    find_patterncom,
    make_queries,
    read_attribute,
)

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.guides import Guide

SIX_ROWS = """airplane001.jpg,color,white
airplane002.jpg,color,blue
airplane003.jpg,color,blue
beach001.jpg,color,blue
airplane004.jpg,color,white
airplane005.jpg,color,red
"""
NAMES = [line.partition(",")[0] for line in SIX_ROWS.splitlines()]
PLACE = {name: row for row, name in enumerate(NAMES)}


def rows(text: str, tmp_path: Path) -> tuple[Annotation, ...]:
    (tmp_path / "color.csv").write_text(text)
    return read_attribute(tmp_path / "color.csv")


def by_name(found: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> dict[str, list[float]]:
    return dict(zip(COMPOSERS, found.tolist(), strict=True))


# ----------------------------------------------------------------------------- six rows by hand


def test_six_rows_give_the_figures_worked_out_by_hand(tmp_path: Path) -> None:
    queries = list(make_queries(rows(SIX_ROWS, tmp_path)))
    assert [(query.image, query.text) for query in queries] == [
        ("airplane001.jpg", "blue"), ("airplane001.jpg", "red"),
        ("airplane002.jpg", "white"), ("airplane002.jpg", "red"),
        ("airplane003.jpg", "white"), ("airplane003.jpg", "red"),
        ("airplane004.jpg", "blue"), ("airplane004.jpg", "red"),
        ("airplane005.jpg", "white"), ("airplane005.jpg", "blue"),
    ]  # fmt: skip
    query = queries[0]
    assert query.relevant == {"airplane002.jpg", "airplane003.jpg"}  # not the blue beach
    by_image = np.array([1.0, 0.9, 0.7, 0.8, 0.6, 0.5])  # itself, 002, beach, 003, 004, 005
    by_text = np.array([0.1, 0.2, 0.3, 0.4, 0.0, 0.05])  # beach, 003, 002, itself, 005, 004
    found = by_name(score(query, by_image, by_text, PLACE))
    assert found["image alone"][0] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found["text alone"][0] == pytest.approx((1 / 2 + 2 / 3) / 2)
    average = [0.55, 0.55, 0.5, 0.6, 0.3, 0.275]  # beach, itself = 002, 003: a tie is no success
    assert ((by_image + by_text) / 2).tolist() == pytest.approx(average)
    assert found["mean of image and text"][0] == pytest.approx((1 / 3 + 2 / 4) / 2)
    p_at_5, r_at_5 = found["image alone"][1], found["image alone"][5]
    assert (p_at_5, r_at_5) == (pytest.approx(2 / 5), 1)


def test_classes_that_differ_by_density_ask_for_each_others_values(tmp_path: Path) -> None:
    text = """denseresidential001.jpg,density,dense
sparseresidential001.jpg,density,sparse
parkinglot001.jpg,density,full
"""
    assert list(make_queries(rows(text, tmp_path))) == [
        Query("denseresidential001.jpg", "sparse", frozenset({"sparseresidential001.jpg"})),
        Query("sparseresidential001.jpg", "dense", frozenset({"denseresidential001.jpg"})),
    ]


def test_other_attributes_ask_within_a_class_and_take_answers_of_the_merged_one(
    tmp_path: Path,
) -> None:
    text = """parkinglot001.jpg,color,gray
parkinglot002.jpg,color,white
parkingspace001.jpg,color,white
parkingspace002.jpg,color,red
"""
    assert next(iter(make_queries(rows(text, tmp_path)))) == Query(
        "parkinglot001.jpg", "white", frozenset({"parkinglot002.jpg", "parkingspace001.jpg"})
    )
    asked = {query.text for query in make_queries(rows(text, tmp_path)) if "lot" in query.image}
    assert asked == {"gray", "white"}


CLASSES = ("bridge", "overpass", "harbor", "ferryterminal", "airplane", "parkinglot")


@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.integers(1, 4), st.sampled_from("abc")),
                min_size=1, max_size=25))  # fmt: skip
def test_queries_and_answers_are_those_of_the_authors_code(
    drawn: list[tuple[str, int, str]],
) -> None:
    """The rule written out from evaluate.py: prompts by category, the last row of a file name."""
    merged = {"bridge": "roadpass", "overpass": "roadpass", "harbor": "pier",
              "ferryterminal": "pier", "parkinglot": "parking"}  # fmt: skip
    annotations = [Annotation(f"{c}{n:03}.jpg", "context", v) for c, n, v in drawn]
    expected = []
    for own_class, number, value in drawn:
        category = "roadpass" if own_class in ("bridge", "overpass") else own_class
        others = {
            v for c, _, v in drawn
            if ("roadpass" if c in ("bridge", "overpass") else c) == category
        } - {value}  # fmt: skip
        for asked in others:
            answers = set()
            for c, n, _ in drawn:
                last = next(v for d, m, v in reversed(drawn) if (d, m) == (c, n))
                if last == asked and merged.get(c, c) == merged.get(own_class, own_class):
                    answers.add(f"{c}{n:03}.jpg")
            expected.append(Query(f"{own_class}{number:03}.jpg", asked, frozenset(answers)))
    found = list(make_queries(annotations))
    assert sorted(map(str_of, found)) == sorted(map(str_of, expected))


def str_of(query: Query) -> str:
    return f"{query.image} {query.text} {sorted(query.relevant)}"


def test_the_mean_is_over_attributes_and_not_over_queries() -> None:
    shape = (len(COMPOSERS), 9)
    given = ((0, "a1.jpg", 0.2), (0, "a2.jpg", 0.4), (3, "a3.jpg", 0.9))
    outcomes = [Outcome(number, image, np.full(shape, value)) for number, image, value in given]
    found = figures(outcomes)
    assert found[0].value == pytest.approx(100 * (0.3 + 0.9) / 2)
    by_part = {figure.part: figure.value for figure in found if figure.metric == "map"}
    assert by_part["WeiCom, lambda 0.5, color"] == pytest.approx(30)
    assert by_part["WeiCom, lambda 0.5, existence"] == pytest.approx(90)


# ----------------------------------------------------------------------------- the layout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "PatternCom").mkdir()
    for name in ATTRIBUTES:
        (tmp_path / "PatternCom" / f"{name}.csv").write_text(SIX_ROWS.replace("color", name))
    for number, name in enumerate([*NAMES, "river001.jpg"]):
        folder = tmp_path / "images" / name.partition("0")[0]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return tmp_path


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    model = write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")
    return fg.guide("remote_sensing", modality="rgb_scene", model=str(model))


def test_a_part_of_the_archive_is_measured_as_a_part(root: Path, guide: Guide) -> None:
    report = guide.benchmark("patterncom_composed", root, subset=True)
    assert str(report.coverage) == "subset: 7 of 30400"
    assert report.published == ()
    assert (report.main.metric, report.main.part) == ("map", "WeiCom, lambda 0.5")
    assert report.main.n == 60
    assert 0 < report.main.value < 100
    with pytest.raises(UsageError, match="7 of 30400 images"):
        guide.benchmark("patterncom_composed", root)


def test_the_published_figures_stand_beside_the_whole_archive(
    root: Path, guide: Guide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterncom_files, "IMAGES", 7)
    monkeypatch.setattr("fieldguide_remote_sensing.benchmarks.patterncom.IMAGES", 7)
    report = guide.benchmark("patterncom_composed", root)
    beside = {row.model: row.value for row in report.published if row.same_protocol}
    assert beside["CLIP ViT-L-14, WeiCom, lambda 0.5"] == 21.75
    assert beside["RemoteCLIP ViT-L-14, WeiCom, lambda 0.6"] == 30.13
    assert len(beside) == 10


def test_the_figures_of_the_benchmark_are_those_of_the_index(root: Path, guide: Guide) -> None:
    """One query through the benchmark's arrays ranks as a search of an index of the archive."""
    data = find_patterncom(root, subset=True)
    index = guide.index(root / "images", root / "archive.fg")
    image = next(item for item in data.items if item.name.endswith("airplane001.jpg"))
    found = index.search("blue", image=image.path, k=7, weight=0.3)
    ranks = [m.rank for m in found if m.path.endswith(("airplane002.jpg", "airplane003.jpg"))]
    expected = sum(n / rank for n, rank in enumerate(ranks, 1)) / 2
    only = {name: () for name in ATTRIBUTES} | {
        "color": tuple(r for r in data.annotations["color"] if r.value != "red")
    }
    kept = {n: tuple(r for r in own if r.image != "airplane004.jpg") for n, own in only.items()}
    measured = measure(guide, patterncom_files.PatternCom(data.items, kept, ()))
    queries = list(make_queries(kept["color"]))
    assert queries[0].relevant == {"airplane002.jpg", "airplane003.jpg"}
    assert len(queries) == 3
    values = {f.part: f.value for f in measured.figures if f.metric == "map"}
    others = [
        sum(1 / m.rank for m in index.search("white", image=item.path, k=7, weight=0.3)
            if m.path.endswith("airplane001.jpg"))
        for item in data.items if item.name.endswith(("airplane002.jpg", "airplane003.jpg"))
    ]  # fmt: skip
    assert values["WeiCom, lambda 0.3"] == pytest.approx(100 * (expected + sum(others)) / 3)


def test_annotated_images_that_are_missing_are_named(root: Path) -> None:
    (root / "images" / "airplane" / "airplane003.jpg").unlink()
    with pytest.raises(UsageError, match=r"airplane003\.jpg not there"):
        find_patterncom(root)
    found = find_patterncom(root, subset=True)
    assert found.missing == ("airplane003.jpg",)
    assert len(found.annotations["color"]) == 5


def test_a_folder_without_the_set_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fieldguide benchmark patterncom --how-to-get"):
        find_patterncom(tmp_path)


def test_a_missing_attribute_is_named(root: Path) -> None:
    (root / "PatternCom" / "shape.csv").unlink()
    with pytest.raises(UsageError, match=r"shape\.csv missing"):
        find_patterncom(root, subset=True)


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "image,attribute,value\n", "airplane001.jpg,color\n", "airplane001.jpg,color, \n",
     "../airplane001.jpg,color,white\n", "airplane.jpg,color,white\n", '"airplane001.jpg,color'],
)  # fmt: skip
def test_rows_of_another_form_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="Get"):
        rows(text, tmp_path)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "color.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="no CSV in UTF-8"):
        read_attribute(tmp_path / "color.csv")
