"""One Parquet file of vectors: what goes in comes out, and nothing committed is lost."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fieldguide.data import embedding_file
from fieldguide.data.embedding_file import EmbeddingFile
from fieldguide.data.embedding_rows import read_embeddings, stream_embeddings
from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Row
from fieldguide.errors import SpaceMismatchError, StoreError
from fieldguide.models.embeddings import Embeddings, SpaceId

SPACE = SpaceId(model="small", encoder="e1", contract="c", pooling="p", dim=4)
OTHER = SpaceId(model="large", encoder="e2", contract="c", pooling="p", dim=4)
ABOUT = {"domain": "general", "modality": "photo"}


def rows_of(names: str, **metadata: Any) -> list[Row]:
    return [Row(Item(name, f"photos/{name}.jpg"), metadata=metadata) for name in names]


def vectors_of(numbers: list[float], space: SpaceId = SPACE) -> Embeddings:
    """Return vectors that tell apart: (number, 0, 0, 1)."""
    return Embeddings(np.array([[n, 0, 0, 1] for n in numbers], dtype=np.float32), space)


def put(sink: EmbeddingFile, names: str, start: float = 0, **metadata: Any) -> None:
    numbers = [start + n for n in range(len(names))]
    sink.add(rows_of(names, **metadata), [f"print-{name}" for name in names], vectors_of(numbers))


def write(path: Path, *groups: str) -> None:
    """Write one part for each group of names; the n-th name of all has the vector n."""
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        start = 0
        for names in groups:
            put(sink, names, start)
            start += len(names)
        sink.finish()


def first_numbers(path: Path) -> dict[str, float]:
    found = read_embeddings(path)
    return dict(zip(found.ids, found.embeddings.vectors[:, 0].tolist(), strict=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "photos.parquet"


def test_rows_come_back_in_the_order_they_were_added(path: Path) -> None:
    write(path, "ca", "b", "ed")
    assert read_embeddings(path).ids == list("cabed")
    assert first_numbers(path) == {"c": 0, "a": 1, "b": 2, "e": 3, "d": 4}


def test_more_parts_than_ten_keep_their_order(path: Path) -> None:
    write(path, *"abcdefghijklmnopqrstuvwxyz")
    assert read_embeddings(path).ids == list("abcdefghijklmnopqrstuvwxyz")


def test_a_file_knows_its_space_its_paths_and_what_it_is_about(path: Path) -> None:
    write(path, "a")
    found = read_embeddings(path)
    assert found.embeddings.space == SPACE
    assert found.paths == ["photos/a.jpg"]
    assert {"domain": "general", "modality": "photo"}.items() <= found.about.items()


def test_nested_metadata_come_back(path: Path) -> None:
    metadata = {"place": {"lat": 41.9, "names": ["Rome", "Roma"]}, "n": 3, "ok": True,
                "none": None, "text": "é \"quoted\"\n", "bad": "caf\udce9"}  # fmt: skip
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        put(sink, "a", **metadata)
        sink.finish()
    assert read_embeddings(path).metadata == [metadata]


def test_any_parquet_reader_sees_the_columns(path: Path) -> None:
    write(path, "ab")
    table = pq.read_table(path)
    assert table.column_names == ["id", "path", "vector", "status", "reason", "metadata",
                                  "fingerprint"]  # fmt: skip
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 4)
    assert json.loads(table.schema.metadata[b"fieldguide"])["space"]["model"] == "small"


def test_a_second_job_adds_rows_and_keeps_those_there(path: Path) -> None:
    write(path, "ab")
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        assert sink.known() == {"a": "print-a", "b": "print-b"}
        put(sink, "c", start=9)
        assert sink.finish() == 3
    assert first_numbers(path) == {"a": 0, "b": 1, "c": 9}


def test_a_later_row_takes_the_place_of_an_earlier_one(path: Path) -> None:
    write(path, "abc")
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        put(sink, "b", start=7)
        put(sink, "b", start=8)
        assert sink.finish() == 3
    assert first_numbers(path) == {"a": 0, "b": 8, "c": 2}


def test_a_finished_job_leaves_one_file_and_nothing_else(path: Path) -> None:
    write(path, "ab", "c")
    assert [p.name for p in path.parent.iterdir()] == ["photos.parquet"]


def test_a_job_with_nothing_new_does_not_touch_the_file(path: Path) -> None:
    write(path, "ab")
    before = path.stat().st_mtime_ns, path.stat().st_ino
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        assert sink.finish() == 2
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_a_job_without_any_row_leaves_a_file_that_can_be_read(path: Path) -> None:
    write(path)
    found = read_embeddings(path)
    assert found.ids == []
    assert found.embeddings.vectors.shape == (0, 4)


def test_many_rows_survive_the_merge(path: Path) -> None:
    count = 10_000  # more than two row groups
    numbers = np.arange(count)
    rows = [Row(Item(str(n), str(n))) for n in numbers]
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        sink.add(rows, [""] * count, vectors_of(numbers.tolist()))
        put(sink, "x", start=-1)
        assert sink.finish() == count + 1
    found = read_embeddings(path)
    assert found.ids == [*(str(n) for n in numbers), "x"]
    assert np.array_equal(found.embeddings.vectors[:, 0], [*numbers, -1])


def test_what_was_committed_before_a_job_died_is_there_in_the_next(path: Path) -> None:
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        put(sink, "ab")  # and no finish
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        assert set(sink.known()) == {"a", "b"}
        put(sink, "c", start=2)
        assert sink.finish() == 3
    assert first_numbers(path) == {"a": 0, "b": 1, "c": 2}


def test_a_job_that_died_while_merging_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, "ab")
    with monkeypatch.context() as patch, EmbeddingFile(path, SPACE, ABOUT) as sink:
        put(sink, "c", start=2)
        patch.setattr(pq.ParquetWriter, "write_table", _die)
        with pytest.raises(KeyboardInterrupt):
            sink.finish()
    assert first_numbers(path) == {"a": 0, "b": 1}
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        assert sink.finish() == 3
    assert first_numbers(path) == {"a": 0, "b": 1, "c": 2}


def test_a_job_that_died_after_merging_doubles_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, EmbeddingFile(path, SPACE, ABOUT) as sink:
        put(sink, "abc")
        patch.setattr(Path, "unlink", _die)
        with pytest.raises(KeyboardInterrupt):
            sink.finish()
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        assert sink.finish() == 3
    assert read_embeddings(path).ids == list("abc")


def test_what_a_killed_merge_left_is_removed_by_the_next_job(path: Path) -> None:
    leftover = path.with_name(".photos.parquet.tmp-4711")
    leftover.write_bytes(b"half a file")
    other = path.with_name(".other.parquet.tmp-4711")
    other.write_bytes(b"somebody else's")
    write(path, "a")
    assert not leftover.exists()
    assert other.exists()


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


# ----------------------------------------------------------------------------- refusals


def test_another_space_is_refused_and_both_are_named(path: Path) -> None:
    write(path, "a")
    with pytest.raises(SpaceMismatchError) as caught, EmbeddingFile(path, OTHER, ABOUT):
        pass
    assert str(SPACE) in str(caught.value)
    assert str(OTHER) in str(caught.value)


def test_another_space_in_the_parts_of_a_dead_job_is_refused(path: Path) -> None:
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        put(sink, "a")
    with pytest.raises(SpaceMismatchError), EmbeddingFile(path, OTHER, ABOUT):
        pass


def test_vectors_of_another_space_are_not_added(path: Path) -> None:
    with (
        EmbeddingFile(path, SPACE, ABOUT) as sink,
        pytest.raises(SpaceMismatchError, match="differ in encoder"),
    ):
        sink.add(rows_of("a"), [""], vectors_of([1], OTHER))


def _foreign(path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "vector": [[1.0]]}), path)


def _without_space(path: Path) -> None:
    schema = pa.schema([("id", pa.string())], metadata={b"fieldguide": b"{}"})
    pq.write_table(pa.table({"id": ["a"]}, schema=schema), path)


def _with_a_list(path: Path) -> None:
    schema = pa.schema([("id", pa.string())], metadata={b"fieldguide": b"[1]"})
    pq.write_table(pa.table({"id": ["a"]}, schema=schema), path)


def _truncated(path: Path) -> None:
    write(path, "abc")
    path.write_bytes(path.read_bytes()[:-20])


def _text(path: Path) -> None:
    path.write_text("id,vector\n")


@pytest.mark.parametrize(
    "make", [_foreign, _without_space, _with_a_list, _truncated, _text, Path.mkdir]
)
def test_a_file_of_another_kind_is_refused_and_left_alone(path: Path, make: Any) -> None:
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=r"Name another file\.$"):
        read_embeddings(path)
    with pytest.raises(StoreError, match=r"photos\.parquet"), EmbeddingFile(path, SPACE, ABOUT):
        pass
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_file_that_lost_its_columns_is_refused(path: Path) -> None:
    write(path, "a")
    table = pq.read_table(path).drop_columns(["fingerprint", "metadata"])
    pq.write_table(table, path)
    with pytest.raises(StoreError, match="cannot be read"):
        read_embeddings(path)
    with EmbeddingFile(path, SPACE, ABOUT) as sink, pytest.raises(StoreError):
        sink.known()


def test_a_missing_file_is_named_with_the_command_that_makes_it(path: Path) -> None:
    with pytest.raises(StoreError, match="fieldguide embed"):
        read_embeddings(path)


def test_a_second_writer_is_refused_while_the_first_is_at_work(path: Path) -> None:
    with EmbeddingFile(path, SPACE, ABOUT) as first:
        put(first, "a")
        with (
            pytest.raises(StoreError, match="written by another fieldguide process"),
            EmbeddingFile(path, SPACE, ABOUT),
        ):
            pass
        assert first.finish() == 1
    write(path, "b")  # the lock is gone
    assert set(read_embeddings(path).ids) == {"a", "b"}


def test_a_refused_job_gives_the_lock_back(path: Path) -> None:
    write(path, "a")
    with pytest.raises(SpaceMismatchError), EmbeddingFile(path, OTHER, ABOUT):
        pass
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        assert sink.finish() == 1


# ----------------------------------------------------------------------------- bad disks


def test_a_read_only_folder_is_a_store_error(read_only_folder: Path) -> None:
    with (
        pytest.raises(StoreError, match=r"cannot be written.*Choose another --output"),
        EmbeddingFile(read_only_folder / "x.parquet", SPACE, ABOUT),
    ):
        pass


def test_an_output_below_a_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(StoreError, match="cannot be written"),
        EmbeddingFile(tmp_path / "file" / "x.parquet", SPACE, ABOUT),
    ):
        pass


def test_a_name_that_is_too_long_is_a_store_error(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="cannot be written"),
        EmbeddingFile(tmp_path / f"{'x' * 250}.parquet", SPACE, ABOUT),
    ):
        pass


def test_a_full_disk_is_a_store_error_and_the_old_file_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, "ab")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        put(sink, "c", start=2)
        with monkeypatch.context() as patch:
            patch.setattr(embedding_file.pq.ParquetWriter, "write_table", full)
            with pytest.raises(StoreError, match="No space left on device"):
                sink.finish()
    assert first_numbers(path) == {"a": 0, "b": 1}
    with EmbeddingFile(path, SPACE, ABOUT) as sink:  # after room was made
        assert sink.finish() == 3


def test_a_disk_that_fills_up_keeps_what_was_committed(tiny_disk: Path) -> None:
    path = tiny_disk / "x.parquet"
    committed = 0
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        with pytest.raises(StoreError, match="No space left on device"):
            for number in range(1000):
                noise = np.random.default_rng(number).bytes(10_000).hex()
                put(sink, chr(0x4E00 + number), start=number, noise=noise)
                committed = number + 1
        assert committed > 0
        assert len(sink.known()) == committed
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        assert len(sink.known()) == committed


def test_a_file_name_that_is_not_unicode_is_stored(path: Path) -> None:
    with EmbeddingFile(path, SPACE, ABOUT) as sink:
        sink.add(rows_of("\udce9"), ["print"], vectors_of([1]))
        sink.finish()
    assert read_embeddings(path).paths == ["photos/\\udce9.jpg"]


def test_rows_are_read_a_few_at_a_time_in_their_order(path: Path) -> None:
    write(path, "abc", "defg")

    parts = list(stream_embeddings(path, 3))

    assert [part.ids for part in parts] == [list("abc"), list("def"), list("g")]
    assert [part.embeddings.vectors[0, 0] for part in parts] == [0, 3, 6]


def test_a_damaged_row_is_an_error_when_it_is_reached(path: Path) -> None:
    write(path, "abcdef")
    table = pq.read_table(path)
    texts = pa.array(["{}"] * 4 + ["not JSON", "{}"])
    place = table.schema.get_field_index("metadata")
    pq.write_table(table.set_column(place, table.schema.field(place), texts), path)

    parts = stream_embeddings(path, 3)

    assert next(parts).ids == list("abc")
    with pytest.raises(StoreError, match=r"photos\.parquet cannot be read"):
        next(parts)
