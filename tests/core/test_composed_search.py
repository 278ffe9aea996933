"""Search by an image and a text together, over an index on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.stats

from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Row
from fieldguide.errors import SpaceMismatchError, UsageError, WhereError
from fieldguide.models.embeddings import Embeddings, SpaceId
from fieldguide.retrieval import corpus_file
from fieldguide.retrieval.composed_search import composed_search
from fieldguide.retrieval.lance_index import LanceIndex, open_lance_index
from fieldguide.retrieval.raw_average import RawAverage
from fieldguide.retrieval.weicom import WeiCom

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.results import Match

DIM, COUNT = 16, 300
SPACE = SpaceId(model="small", encoder="e1", contract="c", pooling="p", dim=DIM)
OTHER = SpaceId(model="large", encoder="e2", contract="c", pooling="p", dim=DIM)


def vectors(count: int, seed: int, space: SpaceId = SPACE) -> Embeddings:
    raw = np.random.default_rng(seed).normal(size=(count, DIM)) + 0.5
    return Embeddings((raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype("f4"), space)


def add(index: LanceIndex, names: list[str], found: Embeddings) -> None:
    rows = [Row(Item(n, f"{n}.jpg"), metadata={"n": place}) for place, n in enumerate(names)]
    with index:
        index.add(rows, names, found)


IMAGE, TEXT = vectors(1, 8), vectors(1, 9)


@pytest.fixture
def index(tmp_path: Path) -> LanceIndex:
    made = LanceIndex.create(tmp_path / "scenes.fg", SPACE, {"domain": "general"})
    add(made, [f"id{n:03}" for n in range(COUNT)], vectors(COUNT, 0))
    return made


def by_hand(rows: Embeddings, weight: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the scores of all rows from the definition, all cosines at once."""
    places = []
    for query in (IMAGE, TEXT):
        cosines = rows.vectors.astype(np.float64) @ query.vectors[0].astype(np.float64)
        places.append(scipy.stats.norm.cdf(cosines, cosines.mean(), cosines.std(ddof=1)))
    return np.asarray((1 - weight) * places[0] + weight * places[1])


def places_of(found: list[Match]) -> list[int]:
    return [int(match.id.removeprefix("id")) for match in found]


# ----------------------------------------------------------------------------- the index


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_a_composed_search_equals_the_definition(index: LanceIndex, weight: float) -> None:
    found = composed_search(index, IMAGE, TEXT, WeiCom(weight), k=COUNT)
    scores = by_hand(vectors(COUNT, 0), weight)
    assert places_of(found) == np.argsort(-scores).tolist()
    assert [m.similarity for m in found] == pytest.approx(sorted(scores)[::-1], abs=1e-6)
    assert [m.rank for m in found] == list(range(1, COUNT + 1))


@pytest.mark.parametrize(("weight", "query"), [(0.0, IMAGE), (1.0, TEXT)])
def test_with_all_the_weight_on_one_part_it_finds_what_that_part_alone_finds(
    index: LanceIndex, weight: float, query: Embeddings
) -> None:
    composed = composed_search(index, IMAGE, TEXT, WeiCom(weight), k=40)
    assert [m.id for m in composed] == [m.id for m in index.search(query, 40)]


def test_a_filter_takes_rows_away_and_changes_no_score(index: LanceIndex) -> None:
    everything = {m.id: m for m in composed_search(index, IMAGE, TEXT, WeiCom(), k=COUNT)}
    found = composed_search(index, IMAGE, TEXT, WeiCom(), k=7, where="n >= 250")
    expected = [m for m in everything.values() if m.metadata["n"] >= 250][:7]
    assert [(m.id, m.similarity, m.terms) for m in found] == [
        (m.id, m.similarity, m.terms) for m in expected
    ]


def test_a_match_says_what_its_score_was_made_of(index: LanceIndex) -> None:
    (match,) = composed_search(index, IMAGE, TEXT, WeiCom(0.25), k=1)
    row = vectors(COUNT, 0).vectors[int(match.id.removeprefix("id"))]
    terms = match.terms
    assert list(terms) == ["image_similarity", "text_similarity", "image_cdf", "text_cdf"]
    assert terms["image_similarity"] == pytest.approx(float(row @ IMAGE.vectors[0]), abs=1e-6)
    assert terms["text_similarity"] == pytest.approx(float(row @ TEXT.vectors[0]), abs=1e-6)
    score = 0.75 * terms["image_cdf"] + 0.25 * terms["text_cdf"]
    assert match.similarity == pytest.approx(score, abs=1e-12)


def test_the_plain_average_ranks_by_the_mean_of_the_cosines(index: LanceIndex) -> None:
    found = composed_search(index, IMAGE, TEXT, RawAverage(), k=COUNT)
    mean = vectors(COUNT, 0).vectors @ (IMAGE.vectors[0] + TEXT.vectors[0]) / 2
    assert places_of(found) == np.argsort(-mean).tolist()


def test_ties_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    made = LanceIndex.create(tmp_path / "twins.fg", SPACE, {})
    same = Embeddings(np.repeat(vectors(1, 3).vectors, 4, axis=0), SPACE)
    add(made, list("dbca"), same)
    found = composed_search(made, IMAGE, TEXT, WeiCom(), k=3)
    assert [m.id for m in found] == list("abc")
    assert {m.similarity for m in found} == {0.5}


def test_an_index_of_one_row_answers_with_it(tmp_path: Path) -> None:
    made = LanceIndex.create(tmp_path / "one.fg", SPACE, {})
    add(made, ["only"], vectors(1, 3))
    (match,) = composed_search(made, IMAGE, TEXT, WeiCom())
    assert (match.id, match.similarity) == ("only", 0.5)


def test_an_empty_index_answers_nothing(tmp_path: Path) -> None:
    made = LanceIndex.create(tmp_path / "none.fg", SPACE, {})
    assert composed_search(made, IMAGE, TEXT, WeiCom()) == []


def test_a_part_of_another_space_is_refused(index: LanceIndex) -> None:
    for parts in ((IMAGE, vectors(1, 9, OTHER)), (vectors(1, 8, OTHER), TEXT)):
        with pytest.raises(SpaceMismatchError):
            composed_search(index, *parts, WeiCom())


def test_what_cannot_be_asked_is_refused(index: LanceIndex) -> None:
    with pytest.raises(UsageError, match="one result or more"):
        composed_search(index, IMAGE, TEXT, WeiCom(), k=0)
    with pytest.raises(UsageError, match="one by one"):
        composed_search(index, IMAGE, vectors(2, 9), WeiCom())
    with pytest.raises(WhereError):
        composed_search(index, IMAGE, TEXT, WeiCom(), where="n <")


# ----------------------------------------------------------------------------- stored statistics


def test_statistics_are_kept_and_read_again(
    index: LanceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = composed_search(index, IMAGE, TEXT, WeiCom())

    def must_not_run(_: LanceIndex) -> None:
        raise AssertionError("the vectors were read for statistics that are kept")

    monkeypatch.setattr(corpus_file, "vector_blocks", must_not_run)
    assert composed_search(open_lance_index(index.folder), IMAGE, TEXT, WeiCom()) == first


@pytest.mark.parametrize("change", ["add", "replace", "delete", "compact"])
def test_statistics_of_another_state_of_the_index_are_not_used(
    index: LanceIndex, change: str
) -> None:
    composed_search(index, IMAGE, TEXT, WeiCom())
    rows = vectors(COUNT, 0).vectors.copy()
    if change == "add":
        add(index, ["id300", "id301"], vectors(2, 5))
        rows = np.concatenate([rows, vectors(2, 5).vectors])
    elif change == "replace":
        rows[:50] = vectors(50, 6).vectors
        add(index, [f"id{n:03}" for n in range(50)], vectors(50, 6))
    elif change == "delete":
        index.delete([f"id{n:03}" for n in range(100, COUNT)])
        rows = rows[:100]
    else:
        with index:
            index.compact()
    found = composed_search(index, IMAGE, TEXT, WeiCom(), k=1000)
    scores = by_hand(Embeddings(rows, SPACE), 0.5)
    assert places_of(found) == np.argsort(-scores).tolist()
    assert [m.similarity for m in found] == pytest.approx(sorted(scores)[::-1], abs=1e-6)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 64, b"\x08\0\0\0\0\0\0\0[[[[[[[["])
def test_a_damaged_file_of_statistics_is_made_again(index: LanceIndex, content: bytes) -> None:
    expected = composed_search(index, IMAGE, TEXT, WeiCom())
    path = index.folder / corpus_file.CORPUS_FILE
    good = path.read_bytes()
    path.write_bytes(content)
    assert composed_search(index, IMAGE, TEXT, WeiCom()) == expected
    assert len(path.read_bytes()) == len(good)


def test_where_statistics_cannot_be_kept_the_search_works(
    index: LanceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = composed_search(index, IMAGE, TEXT, WeiCom())
    path = index.folder / corpus_file.CORPUS_FILE
    path.unlink()
    path.mkdir()
    (path / "in the way").touch()
    assert composed_search(index, IMAGE, TEXT, WeiCom()) == expected
