"""The store of window vectors: whole rows survive, other content begins anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Batch, Row
from fieldguide.errors import StoreError
from fieldguide.localization.store import EMBEDDED, EMPTY, FAILED, WindowStore
from fieldguide.models.embeddings import Embeddings, SpaceId

if TYPE_CHECKING:
    from pathlib import Path

SPACE = SpaceId(model="m", encoder="e", contract="c", pooling="p", dim=3)
ABOUT = {"file": "1-2", "window_px": 4}


def batch(*values: float | str) -> Batch:
    """Return a batch: a number is a vector of threes, a text a status."""
    item = Item("id", "name")
    rows = [
        Row(item) if isinstance(value, float) else Row(item, value, f"why {value}")
        for value in values
    ]
    places = [place for place, value in enumerate(values) if isinstance(value, float)]
    vectors = np.array([[values[place]] * 3 for place in places], np.float32)
    return Batch(rows, places, Embeddings(vectors, SPACE) if places else None)


def stored(store: WindowStore) -> np.ndarray:
    return np.concatenate(list(store.chunks()))


def test_vectors_states_and_reasons_come_back_in_order(tmp_path: Path) -> None:
    with WindowStore(tmp_path / "w", ABOUT, 3) as store:
        store.add(batch(1.0, "empty"))
        store.add(batch("skipped"))
        store.add(batch(2.0))
    with WindowStore(tmp_path / "w", ABOUT, 3) as again:
        assert again.done == 4
        assert again.states().tolist() == [EMBEDDED, EMPTY, FAILED, EMBEDDED]
        assert stored(again)[[0, 3]].tolist() == [[1.0] * 3, [2.0] * 3]
        assert again.faults() == ["why skipped"]


@pytest.mark.parametrize(
    ("name", "left_bytes", "rows"),
    [("vectors.f32", 25, 2), ("vectors.f32", 11, 0), ("states.u8", 1, 1), ("states.u8", 0, 0)],
)
def test_what_a_kill_left_half_written_is_done_again(
    tmp_path: Path, name: str, left_bytes: int, rows: int
) -> None:
    folder = tmp_path / "w"
    with WindowStore(folder, ABOUT, 3) as store:
        store.add(batch(1.0, 2.0, 3.0))
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:left_bytes])
    with WindowStore(folder, ABOUT, 3) as store:
        assert store.done == rows
        store.add(batch(*[float(n) for n in range(rows + 1, 4)]))
        store.commit()
        assert stored(store)[:, 0].tolist() == [1.0, 2.0, 3.0]


def test_other_windows_begin_anew(tmp_path: Path) -> None:
    with WindowStore(tmp_path / "w", ABOUT, 3) as store:
        store.add(batch(1.0))
    with WindowStore(tmp_path / "w", ABOUT | {"file": "1-3"}, 3) as store:
        assert store.done == 0


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match=r"thesis\.txt"), WindowStore(tmp_path, ABOUT, 3):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_two_jobs_cannot_write_one_store(tmp_path: Path) -> None:
    with (
        WindowStore(tmp_path / "w", ABOUT, 3),
        pytest.raises(StoreError, match="another fieldguide process"),
        WindowStore(tmp_path / "w", ABOUT, 3),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_one_clear_error(read_only_folder: Path) -> None:
    with (
        pytest.raises(StoreError, match="another --vectors"),
        WindowStore(read_only_folder / "w", ABOUT, 3),
    ):
        pass


def test_what_was_embedded_before_an_interrupt_is_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), WindowStore(tmp_path / "w", ABOUT, 3) as store:
        store.add(batch(1.0))
        raise KeyboardInterrupt
    with WindowStore(tmp_path / "w", ABOUT, 3) as store:
        assert store.done == 1
