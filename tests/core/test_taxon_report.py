"""The page by taxon: counts for each rank, a map, several animals, and nothing that runs."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from shapely.geometry import Point, Polygon

from fieldguide.results import Guess, Prediction, Predictions
from fieldguide.taxonomy.taxon import Taxon
from fieldguide.writers.point_map import COLOURS, MapPoint, _rings, point_map
from fieldguide.writers.taxon_groups import group_by_taxon, several_in_one
from fieldguide.writers.taxon_report import write_taxon_report

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<script>alert('x')</script><img src=http://evil.example/a.png onerror=alert(1)>.jpg"
DEER = (("kingdom", "Animalia"), ("order", "Artiodactyla"), ("species", "Cervus elaphus"))
BOAR = (("kingdom", "Animalia"), ("order", "Artiodactyla"), ("species", "Sus scrofa"))
OAK = (("kingdom", "Plantae"), ("species", "Quercus robur"))
NONE = Guess("none of these", None, why="even the best has 0.1 < 0.2")


def row(path: str, lineage: Any, common: str = "", **metadata: Any) -> Prediction:
    rank, name = lineage[-1]
    guess = Guess(name, 0.75, taxon=Taxon(name, rank, tuple(lineage), common), without_prior=0.5)
    return Prediction(path, (guess,), "ok", metadata=metadata, thumbnail=b"\xff\xd8")


def page_of(path: Path, *rows: Prediction, **provenance: Any) -> str:
    write_taxon_report(Predictions(rows, provenance), path)
    return path.read_text("utf-8")


def words(page: str) -> str:
    """Return what a reader sees, with single blanks."""
    text: list[str] = []
    parser = HTMLParser()
    parser.handle_data = text.append  # type: ignore[method-assign] - the shortest reader of text
    parser.feed(re.sub(r"(?s)<style>.*?</style>", "", page))
    return " ".join(" ".join(text).split())


def test_each_rank_has_the_sum_of_what_belongs_to_it(tmp_path: Path) -> None:
    rows = [row("a", DEER), row("b", DEER), row("c", BOAR), row("d", OAK), row("e", DEER[:2])]
    root = group_by_taxon(rows, 100)
    animals, plants = root.children
    assert (root.count, animals.count, plants.count) == (5, 4, 1)
    (order,) = animals.children
    assert (order.count, order.own) == (4, 1)
    assert [(each.name, each.count) for each in order.children] == [
        ("Cervus elaphus", 2),
        ("Sus scrofa", 1),
    ]
    text = words(page_of(tmp_path / "a.html", *rows))
    assert "kingdom Animalia 4" in text
    assert "order Artiodactyla 4" in text
    assert "species Cervus elaphus 2" in text


def test_more_pictures_than_a_page_holds_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldguide.writers.taxon_report.MAX_PICTURES", 3)
    page = page_of(tmp_path / "a.html", *[row(f"{n}.jpg", DEER) for n in range(5)])
    assert page.count("<figure") == 3
    assert "2 more are not shown" in page
    assert "species Cervus elaphus 5" in words(page)


def test_ten_thousand_rows_make_a_page_that_opens(tmp_path: Path) -> None:
    rows = [row(f"{n}.jpg", DEER, lat=n / 200, lon=n / 100) for n in range(10_000)]
    page = page_of(tmp_path / "a.html", *rows)
    assert page.count("<figure") == 2000
    assert len(page) < 3_000_000
    assert "10000 named" in page


def test_none_of_these_and_failures_have_their_reasons(tmp_path: Path) -> None:
    bad = Prediction("bad.jpg", (), "refused", "it is no image")
    text = words(
        page_of(tmp_path / "a.html", row("a", DEER), Prediction("n.jpg", (NONE,), "ok"), bad)
    )
    assert "1 named, 1 none of these, 1 not used" in text
    assert "even the best has 0.1 < 0.2" in text
    assert "bad.jpg refused it is no image" in text


def test_animals_in_one_picture_are_counted_by_their_names() -> None:
    boxes = [
        row("herd.jpg", lineage, common, box_index=n, box_label="animal")
        for n, (lineage, common) in enumerate([(DEER, "red deer"), (DEER, "red deer"), (BOAR, "")])
    ]
    alone = row("one.jpg", DEER, box_index=0)
    (picture,) = several_in_one([*boxes, alone, row("whole.jpg", DEER)])
    assert picture.words == "2 \u00d7 red deer, 1 \u00d7 Sus scrofa"
    assert picture.boxes == "3 \u00d7 animal"


def test_nothing_of_a_name_is_markup_and_nothing_is_fetched(tmp_path: Path) -> None:
    evil = row(HOSTILE, [("kingdom", HOSTILE), (HOSTILE, HOSTILE)], HOSTILE, lat=1.5, lon=2.5,
               box_index=1, box_label=HOSTILE, row_px=HOSTILE)  # fmt: skip
    refused = Prediction(HOSTILE, (), "refused", HOSTILE)
    page = page_of(tmp_path / "a.html", evil, evil, refused)
    found: list[str] = []
    addresses: list[str | None] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append(tag)
            addresses.extend(value for name, value in attrs if name in ("src", "href"))
            assert not any(name.startswith("on") for name, _ in attrs)

    Reader().feed(page)
    assert "script" not in found
    assert all((address or "").startswith("data:image/jpeg") for address in addresses)


def test_answers_that_are_no_taxa_stay_a_contact_sheet(tmp_path: Path) -> None:
    page = page_of(
        tmp_path / "a.html", Prediction("a.jpg", (Guess("bin", 0.5),), "ok"), labels=7, packages={}
    )
    assert "By taxon" not in page
    assert "7 labels" in page


def test_a_page_without_places_has_no_map(tmp_path: Path) -> None:
    assert "<svg" not in page_of(tmp_path / "a.html", row("a", DEER, lat=0.0, lon=0.0))
    assert point_map([]) is None


def test_points_lie_where_the_projection_puts_them() -> None:
    """Equirectangular: x by longitude, y by latitude, from the map's own edges."""
    spots = [(40.0, -10.0), (50.0, 10.0), (60.0, 30.0)]
    drawn = point_map([MapPoint(*spot, f"{n}", "") for n, spot in enumerate(spots)])
    assert drawn is not None
    west, middle, east = sorted(drawn.dots, key=lambda dot: dot.x_px)
    width, height = drawn.size_px
    # the margin is 15 % of 40 and of 20 degrees: 52 by 26 degrees are shown
    assert [dot.x_px for dot in (west, middle, east)] == pytest.approx(
        [width * part / 52 for part in (6, 26, 46)], abs=1
    )
    assert [dot.y_px for dot in (west, middle, east)] == pytest.approx(
        [height * part / 26 for part in (23, 13, 3)], abs=1
    )
    # a degree of longitude is cos(50 degrees) as wide as one of latitude is high
    assert (width / 52) / (height / 26) == pytest.approx(0.6428, abs=0.002)


@pytest.mark.parametrize("latitude", [-90.0, 90.0])
def test_the_ends_of_the_earth_can_be_drawn(latitude: float) -> None:
    drawn = point_map([MapPoint(latitude, -180.0, "a", ""), MapPoint(latitude, 180.0, "a", "")])
    assert drawn is not None
    assert all(0 <= dot.x_px <= drawn.size_px[0] for dot in drawn.dots)
    assert all(0 <= dot.y_px <= drawn.size_px[1] for dot in drawn.dots)


def test_points_in_one_pixel_are_one_dot_and_rare_groups_share_a_colour() -> None:
    many = [MapPoint(1.0, 2.0, "deer", f"{n}.jpg") for n in range(50)]
    rare = [MapPoint(n, n, f"group {n}", "") for n in range(20)]
    drawn = point_map([*many, *rare])
    assert drawn is not None
    assert drawn.legend[0] == ("deer", COLOURS[0], 50)
    assert drawn.legend[-1][0::2] == ("others", 20 - (len(COLOURS) - 1))
    (dot,) = (dot for dot in drawn.dots if dot.colour == COLOURS[0])
    assert dot.title.endswith("and 44 more")


@pytest.mark.parametrize(
    ("place", "is_land"),
    [((48.85, 2.35), True), ((-25.0, 135.0), True), ((40.0, -100.0), True),
     ((30.0, -40.0), False), ((-30.0, 80.0), False), ((42.0, 51.0), False)],
)  # fmt: skip
def test_the_coast_has_cities_on_land_and_seas_in_water(
    place: tuple[float, float], is_land: bool
) -> None:
    """Paris, Australia, Kansas; the Atlantic, the Indian Ocean, the Caspian Sea."""
    point = Point(place[1], place[0])
    assert sum(Polygon(ring).contains(point) for ring in _rings()) % 2 == is_land
