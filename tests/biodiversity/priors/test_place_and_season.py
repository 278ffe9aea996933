"""What a table of occurrences says of labels at a place and in a season."""

from __future__ import annotations

import logging
import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from fieldguide.data.place_and_date import Circumstances, Place
from fieldguide.errors import UsageError
from fieldguide.zeroshot.classifier import softmax
from fieldguide.zeroshot.priors import Boost, Candidates
from fieldguide_biodiversity.priors.cells import cell_of, middle_of
from fieldguide_biodiversity.priors.nearest import most_recorded
from fieldguide_biodiversity.priors.presence import FLOOR
from fieldguide_biodiversity.priors.source import OccurrenceSource, place_and_season
from fieldguide_biodiversity.priors.table import COUNTS, OccurrenceTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fieldguide.zeroshot.priors import Belief

LONDON, NEW_YORK, SYDNEY = (51.5, -0.1), (40.7, -74.0), (-33.9, 151.2)
BLACKBIRD, ROBIN = "Turdus merula", "Turdus migratorius"
LABELS = (BLACKBIRD, ROBIN)


def table(*rows: tuple[str, tuple[float, float], int, int], country: str = "GB") -> OccurrenceTable:
    """Make a table of taxon, place, month and number of records."""
    taxa, places, months, records = zip(*rows, strict=True)
    lat, lon = np.array(places).T
    columns = [
        pa.array([taxon.rpartition("/")[2] for taxon in taxa]),
        pa.array([taxon.rpartition("/")[0] for taxon in taxa]),
        pa.array(cell_of(lat, lon)),
        pa.array(months, pa.int8()),
        pa.array([country] * len(rows)),
        pa.array(records, pa.int64()),
    ]
    return OccurrenceTable(pa.table(columns, schema=COUNTS), {"sources": ["a.csv"]})


THRUSHES = table((BLACKBIRD, LONDON, 6, 200), (ROBIN, NEW_YORK, 6, 300))


def belief(source: OccurrenceSource, labels: Sequence[str] = LABELS, **metadata: Any) -> Belief:
    return source.for_labels(Candidates(labels)).belief(metadata)


def gap(found: Belief) -> float:
    """How much more likely the first of two labels is made, in nats."""
    assert found.log_prior is not None
    return float(found.log_prior[0] - found.log_prior[1])


def test_of_two_thrushes_each_is_favoured_where_it_lives() -> None:
    source = OccurrenceSource(THRUSHES)
    london = belief(source, latitude=51.5, longitude=-0.1)
    new_york = belief(source, latitude=40.7, longitude=-74.0)
    assert gap(london) > 2
    assert gap(new_york) < -2


def test_the_log_prior_of_one_cell_and_month_is_the_formula_by_hand() -> None:
    # a place in the middle of the cell of all records, in their month: weights are 1
    lat, lon = (float(value[0]) for value in middle_of(cell_of(*np.array([LONDON]).T)))
    source = OccurrenceSource(table((BLACKBIRD, LONDON, 6, 90), (ROBIN, LONDON, 6, 10)))
    found = belief(source, latitude=lat, longitude=lon, date="2020-06-15")
    # the genus holds all records; the records of the other are those of the relatives
    blackbird = (90 + 10 * 10 / (10 + 10)) / (90 + 10)
    robin = (10 + 10 * 10 / (10 + 90)) / (10 + 10)
    expected = [math.log(FLOOR + (1 - FLOOR) * value) for value in (blackbird, robin)]
    assert found.log_prior is not None
    assert found.log_prior.tolist() == pytest.approx(expected, abs=1e-3)


def test_the_row_says_which_prior_it_was() -> None:
    usual = Circumstances(Place(*LONDON), 6)
    found = belief(OccurrenceSource(THRUSHES, usual, 0.5))
    assert found.why == "prior: 51.5,-0.1 in June, strength 0.5, 200 records within 100 km"


def test_the_place_and_date_of_an_image_win_over_those_of_all() -> None:
    source = OccurrenceSource(THRUSHES, Circumstances(Place(*LONDON), 1))
    found = belief(
        source, latitude_deg=40.7, longitude_deg=-74.0, captured_at="2024-06-01T00:00:00"
    )
    assert gap(found) < -2
    assert found.why.startswith("prior: 40.7,-74 (its own place) in June (its own date), ")


def test_a_place_that_is_none_leaves_the_season_and_is_told() -> None:
    source = OccurrenceSource(THRUSHES, Circumstances(Place(*LONDON), None))
    found = belief(source, latitude=91, longitude=0, date="2024-06-01")
    assert found.log_prior is not None
    assert found.why == (
        "prior: in June (its own date), strength 1, 500 records; its place cannot be used: 91,0 is "
        "not on the earth"
    )


def test_an_image_of_which_nothing_is_known_has_no_prior_and_says_so() -> None:
    found = belief(OccurrenceSource(THRUSHES), captured_at="0000:00:00 00:00:00")
    assert found.log_prior is None
    assert found.why == (
        "no prior: no place and no date; its date cannot be used: '0000:00:00 00:00:00'"
    )


def test_far_from_all_records_the_place_says_nothing() -> None:
    found = belief(OccurrenceSource(THRUSHES), latitude=SYDNEY[0], longitude=SYDNEY[1])
    assert found.log_prior is None
    assert found.why == "no prior: -33.9,151.2 (its own place), no records within 300 km"


def test_the_season_alone_tells_summer_birds_from_winter_birds() -> None:
    swift, waxwing = "Apus apus", "Bombycilla garrulus"
    seasons = table((swift, LONDON, 6, 100), (waxwing, LONDON, 1, 100))
    source = OccurrenceSource(seasons)
    assert gap(belief(source, (swift, waxwing), date="2020-06-01")) > 1.5
    assert gap(belief(source, (swift, waxwing), date="2020-01-01")) < -1.5


def test_the_place_alone_uses_the_records_of_all_months() -> None:
    months = table((BLACKBIRD, LONDON, 1, 50), (BLACKBIRD, LONDON, 0, 50), (ROBIN, SYDNEY, 6, 9))
    found = belief(OccurrenceSource(months), latitude=51.5, longitude=-0.1)
    assert "100 records within 100 km" in found.why


def test_images_of_one_place_and_month_share_a_log_prior() -> None:
    prior = OccurrenceSource(THRUSHES).for_labels(Candidates(LABELS))
    first = prior.belief({"lat": 51.5001, "lon": -0.1001, "date": "2020-06-01"})
    second = prior.belief({"lat": 51.4999, "lon": -0.0999, "date": "2021-06-30"})
    assert first.log_prior is second.log_prior


def test_of_more_places_than_are_kept_each_is_still_right() -> None:
    prior = OccurrenceSource(THRUSHES).for_labels(Candidates(LABELS))
    places = [{"lat": 51 + step / 50, "lon": -0.1} for step in range(60)]
    first = [prior.belief(place).log_prior for place in places]
    again = [prior.belief(place).log_prior for place in places]
    np.testing.assert_array_equal(np.array(first), np.array(again))


def test_records_of_taxa_that_are_not_offered_change_nothing() -> None:
    both = table(
        (BLACKBIRD, LONDON, 6, 200), (ROBIN, NEW_YORK, 6, 300), ("Pica pica", LONDON, 6, 9)
    )
    place = {"latitude": 51.5, "longitude": -0.1}
    one, other = (
        belief(OccurrenceSource(THRUSHES), **place),
        belief(OccurrenceSource(both), **place),
    )
    np.testing.assert_array_equal(one.log_prior, other.log_prior)


def test_labels_of_which_no_record_is_there_have_no_prior() -> None:
    found = belief(OccurrenceSource(THRUSHES), ("cat", "dog"), latitude=51.5, longitude=-0.1)
    assert (found.log_prior, found.why) == (
        None, "no prior: the occurrences have no record of these labels"
    )  # fmt: skip


def test_the_most_recorded_taxa_are_counted_by_distance_and_season() -> None:
    lat, lon = (float(value[0]) for value in middle_of(cell_of(*np.array([LONDON]).T)))
    records = table(
        (BLACKBIRD, LONDON, 6, 10), (BLACKBIRD, LONDON, 7, 10), (ROBIN, NEW_YORK, 6, 99)
    )
    (found,) = most_recorded(records, Place(lat, lon), 6, 5)
    assert found == {
        "taxon": BLACKBIRD, "above": "", "records": 20,
        "weighted": round(10 + 10 * math.exp(-0.5), 2),
    }  # fmt: skip
    assert [row["taxon"] for row in most_recorded(records, None, None, 5)] == [ROBIN, BLACKBIRD]


def test_without_a_table_place_and_date_have_no_effect_and_a_line_says_how_to_get_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        source = place_and_season(place="51.5,-0.1", date="2026-06-01")
    assert source is not None
    found = source.for_labels(Candidates(LABELS)).belief({})
    assert (found.log_prior, found.why) == (None, "no prior: no table of occurrences")
    assert "fieldguide biodiversity occurrences build" in caplog.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"place": "London"}, "--place"),
        ({"date": "June"}, "--date"),
        ({"prior_strength": -1.0}, "strength"),
        ({"prior_strength": math.nan}, "strength"),
        ({"occurrences": "missing.prior"}, "missing.prior"),
        ({"occurrences": "missing.csv"}, "missing.csv"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        place_and_season(**options)


def accuracy(strength: float, records: OccurrenceTable, seen: float, resident: float) -> float:
    """Return the share of right answers of 100,000 images of two look-alikes around London.

    Args:
        strength: of the prior.
        records: of the two.
        seen: how well pictures tell them apart: d' of signal detection.
        resident: the share of images that show the first.
    """
    draws = np.random.default_rng(0)
    first = np.arange(100_000) < resident * 100_000
    sign = np.where(first, 1.0, -1.0)
    ratio = sign * seen**2 / 2 + seen * draws.standard_normal(len(first))  # log likelihood ratio
    logits = np.stack([ratio, np.zeros(len(ratio))], axis=1)
    boost = Boost.of(OccurrenceSource(records, strength=strength), Candidates(LABELS))
    beliefs = boost.beliefs([{"latitude": LONDON[0], "longitude": LONDON[1]}]) * len(first)
    chosen = softmax(boost.add(logits, beliefs)).argmax(axis=1)
    return float((chosen == np.where(first, 0, 1)).mean())


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 2.0])
def test_the_share_of_right_answers_about_look_alikes_is_that_of_signal_detection(
    strength: float,
) -> None:
    # two Gaussians d' = 1 apart: a shift of the criterion by the prior (Green and Swets 1966)
    seen, resident = 1.0, 0.95
    found = belief(OccurrenceSource(THRUSHES), latitude=LONDON[0], longitude=LONDON[1])
    shift = strength * gap(found)
    normal = NormalDist()
    expected = resident * normal.cdf((seen**2 / 2 + shift) / seen)
    expected += (1 - resident) * normal.cdf((seen**2 / 2 - shift) / seen)
    assert accuracy(strength, THRUSHES, seen, resident) == pytest.approx(expected, abs=0.005)


def test_the_prior_gains_where_pictures_are_unsure_and_spares_vagrants_in_clear_ones() -> None:
    unsure = [accuracy(strength, THRUSHES, 1.0, 0.95) for strength in (0, 1)]
    assert unsure[0] == pytest.approx(0.69, abs=0.01)  # as the normal distribution has it
    assert unsure[1] > 0.94
    vagrants = accuracy(1, THRUSHES, 5.0, 0.0)  # only the bird without records, in clear pictures
    assert vagrants > 0.9


def test_a_written_table_is_read_by_the_option(tmp_path: Path) -> None:
    THRUSHES.write(tmp_path / "a.prior")
    source = place_and_season(occurrences=tmp_path / "a.prior", place="51.5,-0.1")
    assert source is not None
    assert gap(source.for_labels(Candidates(LABELS)).belief({})) > 2
    assert source.facts["place"] == "51.5,-0.1"
