"""The index on disk: exact search, filters, deletes, and what happens on bad disks."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Row
from fieldguide.errors import SpaceMismatchError, StoreError, UsageError, WhereError
from fieldguide.models.embeddings import Embeddings, SpaceId
from fieldguide.retrieval import lance_index
from fieldguide.retrieval.lance_index import LanceIndex, open_lance_index
from fieldguide.retrieval.where import matches, parse_where

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DIM = 16
SPACE = SpaceId(model="small", encoder="e1", contract="c", pooling="p", dim=DIM)
OTHER = SpaceId(model="large", encoder="e2", contract="c", pooling="p", dim=DIM)
COUNT = 400


def random_vectors(count: int, seed: int = 0, space: SpaceId = SPACE) -> Embeddings:
    raw = np.random.default_rng(seed).normal(size=(count, DIM))
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return Embeddings(unit.astype(np.float32), space)


def axis_vectors(*axes: int) -> Embeddings:
    return Embeddings(np.eye(DIM, dtype=np.float32)[list(axes)], SPACE)


def rows_of(names: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None) -> list[Row]:
    given = metadata or [{}] * len(names)
    return [Row(Item(n, f"{n}.jpg"), metadata=dict(m)) for n, m in zip(names, given, strict=True)]


def add(index: LanceIndex, rows: list[Row], vectors: Embeddings) -> None:
    with index:
        index.add(rows, [f"print-{row.item.id}" for row in rows], vectors)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "photos.fg"


@pytest.fixture
def index(folder: Path) -> LanceIndex:
    return LanceIndex.create(folder, SPACE, {"domain": "general"})


@pytest.fixture
def metadata() -> list[dict[str, Any]]:
    """Facts of 400 rows; some miss some."""
    cities = ("Rome", "Oslo", "São Paulo")
    return [
        {"n": n, "city": cities[n % 3], "cloud_cover": n / 4, "night": n % 2 == 0}
        | ({"note": "it's 100%"} if n % 5 == 0 else {})
        for n in range(COUNT)
    ]


@pytest.fixture
def full(index: LanceIndex, metadata: list[dict[str, Any]]) -> LanceIndex:
    """An index of 400 rows, added in three commits."""
    rows, vectors = rows_of([f"id{n}" for n in range(COUNT)], metadata), random_vectors(COUNT)
    for part in (slice(0, 100), slice(100, 101), slice(101, COUNT)):
        add(index, rows[part], Embeddings(vectors.vectors[part], SPACE))
    return index


def brute_force(query: Embeddings, k: int, keep: Sequence[bool]) -> list[tuple[str, float]]:
    cosines = random_vectors(COUNT).vectors.astype(np.float64) @ query.vectors[0]
    order = [n for n in np.argsort(-cosines) if keep[n]][:k]
    return [(f"id{n}", float(cosines[n])) for n in order]


# ----------------------------------------------------------------------------- search


@pytest.mark.parametrize(
    "where",
    [
        None,
        "cloud_cover < 10",
        'city == "Oslo" and night = true',
        'city in ("Rome", "São Paulo") and not n >= 300',
        "note is not null",
        "note is null and cloud_cover > 50",
        'note like "it\'s%"',
        'path like "id1%.jpg" or id = "id7"',
        "unknown is null",
        "unknown = 3",
        "thumbnail is null",
    ],
)
@pytest.mark.parametrize("k", [1, 10, 1000])
def test_a_search_equals_brute_force(
    full: LanceIndex, metadata: list[dict[str, Any]], where: str | None, k: int
) -> None:
    rows = [{**m, "id": f"id{n}", "path": f"id{n}.jpg"} for n, m in enumerate(metadata)]
    keep = [where is None or matches(parse_where(where), row) for row in rows]
    query = random_vectors(1, seed=42)
    found = full.search(query, k, where)
    expected = brute_force(query, k, keep)
    assert [match.id for match in found] == [name for name, _ in expected]
    cosines = [match.similarity for match in found]
    assert cosines == pytest.approx([cosine for _, cosine in expected], abs=1e-6)
    assert [match.rank for match in found] == list(range(1, len(expected) + 1))


def test_a_match_carries_its_path_metadata_and_thumbnail(index: LanceIndex) -> None:
    facts = {"place": {"lat": 41.9, "names": ["Rome"]}, "n": 3, "ok": True, "none": None}
    row = Row(Item("a", "photos/a.jpg"), metadata=facts, thumbnail=b"\xff\xd8jpeg")
    add(index, [row], axis_vectors(0))
    (match,) = index.search(axis_vectors(0))
    assert match.path == "photos/a.jpg"
    assert match.metadata == facts
    assert match.thumbnail == b"\xff\xd8jpeg"
    assert match.similarity == pytest.approx(1)


def test_opposite_vectors_have_similarity_minus_one(index: LanceIndex) -> None:
    add(index, rows_of("a"), axis_vectors(0))
    (match,) = index.search(Embeddings(-axis_vectors(0).vectors, SPACE))
    assert match.similarity == pytest.approx(-1)


def test_an_empty_index_answers_nothing(index: LanceIndex) -> None:
    assert len(index) == 0
    assert index.known() == {}
    assert index.search(axis_vectors(0)) == []
    assert index.search(axis_vectors(0), 5, "a = 1") == []


def test_ties_are_in_the_order_of_their_ids(index: LanceIndex) -> None:
    add(index, rows_of("dbca"), axis_vectors(1, 1, 1, 1))
    assert [match.id for match in index.search(axis_vectors(1))] == list("abcd")


def test_a_query_of_another_space_is_refused_and_both_are_named(full: LanceIndex) -> None:
    with pytest.raises(SpaceMismatchError) as caught:
        full.search(random_vectors(1, space=OTHER))
    assert str(SPACE) in str(caught.value)
    assert str(OTHER) in str(caught.value)


def test_two_queries_at_once_are_a_usage_error(full: LanceIndex) -> None:
    with pytest.raises(UsageError, match="one by one"):
        full.search(random_vectors(2))


def test_k_of_zero_is_a_usage_error(full: LanceIndex) -> None:
    with pytest.raises(UsageError, match="one result or more"):
        full.search(random_vectors(1), k=0)


@pytest.mark.parametrize("where", ["n <", "1=1 --", "n = 1; drop table items", "`n_n` = 1"])
def test_a_filter_that_cannot_be_read_is_a_where_error(full: LanceIndex, where: str) -> None:
    with pytest.raises(WhereError):
        full.search(random_vectors(1), where=where)
    with pytest.raises(WhereError):
        full.delete(where=where)
    assert len(full) == COUNT


@pytest.mark.parametrize(
    ("key", "other"), [("City", "city"), ("a.b", "a_2e_b"), ("größe", "gr_f6_sse"), ("é", "e")]
)
def test_keys_that_look_alike_are_kept_apart(index: LanceIndex, key: str, other: str) -> None:
    add(index, rows_of("ab", [{key: "x"}, {other: "x"}]), axis_vectors(0, 1))
    assert [match.id for match in index.search(axis_vectors(0), 9, f'{other} = "x"')] == ["b"]
    assert [match.id for match in index.search(axis_vectors(0), 9, f"{other} is null")] == ["a"]


def test_one_key_may_have_values_of_several_kinds(index: LanceIndex) -> None:
    kinds: list[dict[str, Any]] = [{"v": 1}, {"v": "1"}, {"v": True}, {"v": None}, {"v": [1]}]
    add(index, rows_of("nsb0l", kinds), axis_vectors(0, 1, 2, 3, 4))

    def ids(where: str) -> set[str]:
        return {match.id for match in index.search(axis_vectors(0), 9, where)}

    assert ids("v = 1") == {"n"}
    assert ids('v = "1"') == {"s"}
    assert ids("v = true") == {"b"}
    assert ids('v in (1, "1", true)') == {"n", "s", "b"}
    assert ids("v is null") == {"0", "l"}


# ----------------------------------------------------------------------------- growing


def test_an_index_is_reopened_with_all_it_had(full: LanceIndex, folder: Path) -> None:
    opened = open_lance_index(folder)
    assert len(opened) == COUNT
    assert opened.space == SPACE
    assert opened.about["domain"] == "general"
    query = random_vectors(1, seed=3)
    assert opened.search(query, 20) == full.search(query, 20)
    ids, embeddings = opened.vectors()
    expected = dict(zip((f"id{n}" for n in range(COUNT)), random_vectors(COUNT).vectors,
                        strict=True))  # fmt: skip
    assert set(ids) == set(expected)
    for name, vector in zip(ids, embeddings.vectors, strict=True):
        assert np.array_equal(vector, expected[name])


def test_later_rows_may_bring_new_keys(full: LanceIndex, folder: Path) -> None:
    add(full, rows_of(["new"], [{"season": "winter"}]), axis_vectors(0))
    opened = open_lance_index(folder)
    assert [m.id for m in opened.search(axis_vectors(0), 5, 'season = "winter"')] == ["new"]
    assert len(opened.search(axis_vectors(0), 1000, "season is null")) == COUNT


def test_a_row_with_a_known_id_takes_its_place(full: LanceIndex) -> None:
    add(full, rows_of(["id7"], [{"city": "Bern"}]), axis_vectors(3))
    assert len(full) == COUNT
    (match,) = full.search(axis_vectors(3), 5, 'id = "id7"')
    assert match.metadata == {"city": "Bern"}
    assert match.similarity == pytest.approx(1)
    assert full.search(axis_vectors(3), 5, 'id = "id7" and cloud_cover is not null') == []


def test_fingerprints_are_known_by_id(full: LanceIndex) -> None:
    assert full.known() == {f"id{n}": f"print-id{n}" for n in range(COUNT)}


def test_compaction_changes_no_answer_and_no_row(full: LanceIndex) -> None:
    query = random_vectors(1, seed=5)
    before = full.search(query, 50, "cloud_cover < 60")
    full.delete(["id399"])
    with full:
        full.compact()
    assert len(full) == COUNT - 1
    assert full.search(query, 50, "cloud_cover < 60") == before


@pytest.mark.filterwarnings("ignore:optimize")
def test_an_open_index_sees_what_another_process_adds_and_survives_its_compaction(
    full: LanceIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_index, "KEEP_VERSIONS", datetime.timedelta(0))
    opened = open_lance_index(folder)
    add(full, rows_of(["new"]), axis_vectors(2))
    with full:
        full.compact()
    assert len(opened) == COUNT + 1
    assert opened.search(axis_vectors(2), 1)[0].id == "new"
    assert "new" in opened.known()


# ----------------------------------------------------------------------------- deleting


def test_rows_are_deleted_by_id(full: LanceIndex) -> None:
    assert full.delete(["id0", "id5", "nobody"]) == 2
    assert len(full) == COUNT - 2
    assert not {"id0", "id5"} & set(full.known())


def test_many_rows_are_deleted_by_id(full: LanceIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance_index, "_IDS_PER_DELETE", 7)
    assert full.delete(f"id{n}" for n in range(50)) == 50
    assert set(full.known()) == {f"id{n}" for n in range(50, COUNT)}


def test_rows_are_deleted_by_a_filter(full: LanceIndex, metadata: list[dict[str, Any]]) -> None:
    where = 'city = "Oslo" and not cloud_cover < 50'
    gone = {f"id{n}" for n, m in enumerate(metadata)
            if m["city"] == "Oslo" and m["cloud_cover"] >= 50}  # fmt: skip
    assert full.delete(where=where) == len(gone)
    assert set(full.known()) == {f"id{n}" for n in range(COUNT)} - gone


def test_a_filter_on_an_unknown_key_deletes_nothing(full: LanceIndex) -> None:
    assert full.delete(where="unknown = 3") == 0
    assert len(full) == COUNT


def test_nothing_to_delete_deletes_nothing(full: LanceIndex) -> None:
    assert full.delete() == 0
    assert len(full) == COUNT


@pytest.mark.parametrize("name", ["it's", 'a"b', "a\\b", "x') OR 1=1 --", "new\nline", "nul\x00",
                                  "日本", "100%", "`tick`"])  # fmt: skip
def test_a_row_with_an_odd_id_is_found_and_deleted_alone(full: LanceIndex, name: str) -> None:
    add(full, rows_of([name]), axis_vectors(0))
    assert full.search(axis_vectors(0), 1)[0].id == name
    assert full.delete([name]) == 1
    assert len(full) == COUNT


# ----------------------------------------------------------------------------- refusals


def test_another_space_is_refused_and_both_are_named(full: LanceIndex, folder: Path) -> None:
    with pytest.raises(SpaceMismatchError) as caught:
        LanceIndex.create(folder, OTHER, {})
    assert str(SPACE) in str(caught.value)
    assert str(OTHER) in str(caught.value)
    with pytest.raises(SpaceMismatchError):
        add(full, rows_of(["a"]), random_vectors(1, space=OTHER))
    assert len(full) == COUNT


def test_a_folder_of_other_files_is_refused_and_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"x")
    with pytest.raises(StoreError, match="is not an index"):
        LanceIndex.create(folder, SPACE, {})
    with pytest.raises(StoreError, match="is not an index"):
        open_lance_index(folder)
    assert [path.name for path in folder.iterdir()] == ["photo.jpg"]


def test_a_file_is_no_index(folder: Path) -> None:
    folder.write_text("x")
    with pytest.raises(StoreError, match="is not an index"):
        LanceIndex.create(folder, SPACE, {})
    with pytest.raises(StoreError, match="is not an index"):
        open_lance_index(folder)


def test_a_missing_index_is_named_with_the_command_that_makes_it(folder: Path) -> None:
    with pytest.raises(StoreError, match="fieldguide index IMAGES --output"):
        open_lance_index(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"space": {}}', '{"space": 3}', "null"])
def test_a_broken_description_is_a_store_error(
    index: LanceIndex, folder: Path, content: str
) -> None:
    (folder / "index.json").write_text(content)
    with pytest.raises(StoreError, match=r"index\.json cannot be read"):
        open_lance_index(folder)


def test_a_newer_format_is_refused_with_the_upgrade(index: LanceIndex, folder: Path) -> None:
    about = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**about, "format": 2}))
    with pytest.raises(StoreError, match="pip install --upgrade fieldguide"):
        open_lance_index(folder)


def test_a_damaged_table_is_a_store_error(full: LanceIndex, folder: Path) -> None:
    for path in (folder / "items.lance" / "data").iterdir():
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(StoreError, match="cannot be used"):
        open_lance_index(folder).search(random_vectors(1))


def test_a_second_writer_is_refused_while_the_first_is_at_work(
    full: LanceIndex, folder: Path
) -> None:
    second = open_lance_index(folder)
    with full, pytest.raises(StoreError, match="another fieldguide process"), second:
        pass
    with second:
        assert second.delete(["id0"]) == 1


def test_one_may_search_while_another_writes(full: LanceIndex, folder: Path) -> None:
    with full:
        full.add(rows_of(["new"]), ["p"], axis_vectors(0))
        assert open_lance_index(folder).search(axis_vectors(0), 1)[0].id == "new"


# ----------------------------------------------------------------------------- kills, bad disks


@pytest.mark.parametrize("left", ["temporary", "lock", "no table", "empty table", "no version"])
def test_a_job_killed_while_it_made_the_index_can_start_again(folder: Path, left: str) -> None:
    table = folder / "items.lance"
    if left in ("temporary", "lock"):
        folder.mkdir()
        (folder / {"temporary": ".index.json.tmp-4711", "lock": ".lock"}[left]).write_text("{")
    else:
        LanceIndex.create(folder, SPACE, {})
        for path in sorted(table.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        if left == "no table":
            table.rmdir()
        elif left == "no version":
            (table / "_versions").mkdir()
    index = LanceIndex.create(folder, SPACE, {})
    add(index, rows_of("ab"), axis_vectors(0, 1))
    assert set(open_lance_index(folder).known()) == {"a", "b"}


def test_a_read_only_folder_is_a_store_error(read_only_folder: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be written.*Choose another --output"):
        LanceIndex.create(read_only_folder / "x.fg", SPACE, {})


def test_a_disk_that_fills_up_is_a_store_error_and_what_was_committed_stays(
    tiny_disk: Path,
) -> None:
    index = LanceIndex.create(tiny_disk / "x.fg", SPACE, {})
    committed: list[str] = []
    with pytest.raises(StoreError, match="No space left on device") as caught, index:
        for number in range(1000):
            noise = np.random.default_rng(number).bytes(5_000).hex()
            index.add(rows_of([f"{number}"], [{"noise": noise}]), ["p"], random_vectors(1, number))
            committed.append(f"{number}")
    assert "Check the space on the disk" in str(caught.value)
    assert ".rs" not in str(caught.value)
    assert committed
    opened = open_lance_index(tiny_disk / "x.fg")
    assert set(opened.known()) == set(committed)
    assert len(opened.search(random_vectors(1), 1000)) == len(committed)
