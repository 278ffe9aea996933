"""Filling a store from files: incremental, interruptible, the same into a file or an index."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from fieldguide import builtin
from fieldguide.contract import InputContract
from fieldguide.data import store_job
from fieldguide.data.embedding_file import EmbeddingFile
from fieldguide.data.embedding_rows import read_embeddings
from fieldguide.data.images import ImageLoader
from fieldguide.data.inputs import Item, find_items
from fieldguide.data.pipeline import Reader, encode_items
from fieldguide.data.store_job import Filled, fill, options_fingerprint
from fieldguide.errors import SpaceMismatchError
from fieldguide.models.embeddings import Embeddings, SpaceId
from fieldguide.retrieval.lance_index import LanceIndex, open_lance_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

SIDE_PX = 6
DIM = 5
LOADERS = list(builtin.register_loaders())
CONTRACT = InputContract(size_px=(SIDE_PX, SIDE_PX), resize="squash", mean=(0, 0, 0), std=(1, 1, 1))
PROJECTION = np.random.default_rng(0).normal(size=(SIDE_PX * SIDE_PX * 3, DIM))


def expected_vector(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the unit vector of (H, W, 3) pixels; the test's own arithmetic."""
    projected = pixels.astype(np.float64).reshape(-1) @ PROJECTION
    return projected / np.linalg.norm(projected)


@dataclass
class FakeEncoder:
    """Projects pixels; counts them, and may be interrupted after some batches."""

    name: str = "fake"
    interrupt_after: int | None = None
    logit_scale: float = 1.0
    contract: InputContract = CONTRACT
    seen: list[int] = field(default_factory=list)

    @property
    def space(self) -> SpaceId:
        return SpaceId(model=self.name, encoder=self.name, contract=CONTRACT.digest,
                       pooling="none", dim=DIM)  # fmt: skip

    def encode_images(self, pixels: Tensor) -> Embeddings:
        if len(self.seen) == self.interrupt_after:
            raise KeyboardInterrupt
        self.seen.append(len(pixels))
        images = pixels.permute(0, 2, 3, 1).numpy()
        vectors = np.stack([expected_vector(image) for image in images])
        return Embeddings(vectors.astype(np.float32), self.space)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        raise NotImplementedError


@dataclass
class Store:
    """One way to keep vectors: how a job fills it, and what is in it afterwards."""

    target: Path
    is_index: bool

    def fill(self, items: Sequence[Item], encoder: FakeEncoder, thumbnails: bool = False) -> Filled:
        reader = Reader({"image": ImageLoader()}, LOADERS, CONTRACT, ("grayscale_to_rgb",),
                        thumbnails=thumbnails)  # fmt: skip

        def encode(todo: Sequence[Item]) -> Iterator[Any]:
            return encode_items(todo, reader, encoder, batch_size=4, workers=2)

        if self.is_index:
            with LanceIndex.create(self.target, encoder.space, {}) as index:
                return fill(index, items, encode)
        with EmbeddingFile(self.target, encoder.space, {}) as sink:
            filled = fill(sink, items, encode)
            sink.finish()
            return filled

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        if self.is_index:
            ids, embeddings = open_lance_index(self.target).vectors()
        else:
            found = read_embeddings(self.target)
            ids, embeddings = found.ids, found.embeddings
        assert len(set(ids)) == len(ids), "an id is there twice"
        return dict(zip(ids, embeddings.vectors, strict=True))


@pytest.fixture(params=["file", "index"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    names = {"file": "vectors.parquet", "index": "vectors.fg"}
    return Store(tmp_path / names[request.param], request.param == "index")


@dataclass
class Photos:
    """PNG files of random pixels, and the pixels."""

    folder: Path
    pixels: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)

    def draw(self, name: str, seed: int) -> None:
        pixels = np.random.default_rng(seed).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
        path = self.folder / name
        Image.fromarray(pixels).save(path)
        os.utime(path, ns=(seed * 10**9, seed * 10**9))
        self.pixels[path.as_posix()] = pixels

    @property
    def items(self) -> list[Item]:
        return find_items(self.folder, LOADERS)

    def check(self, store: Store) -> None:
        """Check that the store has each photo once, with the vector of its pixels."""
        found = store.vectors()
        assert set(found) == set(self.pixels)
        for name, pixels in self.pixels.items():
            assert found[name] == pytest.approx(expected_vector(pixels), abs=1e-6)


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    folder = tmp_path / "photos"
    folder.mkdir()
    made = Photos(folder)
    for number in range(10):
        made.draw(f"{number}.png", seed=number)
    return made


def test_every_photo_is_stored_with_the_vector_of_its_pixels(store: Store, photos: Photos) -> None:
    filled = store.fill(photos.items, FakeEncoder())
    assert (filled.added, filled.kept, filled.failed) == (10, 0, [])
    photos.check(store)


def test_rows_are_in_the_order_of_the_inputs(store: Store, photos: Photos) -> None:
    items = photos.items[::-1]
    store.fill(items, FakeEncoder())
    assert list(store.vectors()) == [item.id for item in items]


def test_a_second_run_encodes_nothing(store: Store, photos: Photos) -> None:
    store.fill(photos.items, FakeEncoder())
    encoder = FakeEncoder()
    filled = store.fill(photos.items, encoder)
    assert (filled.added, filled.kept, encoder.seen) == (0, 10, [])
    photos.check(store)


def test_a_new_photo_is_added(store: Store, photos: Photos) -> None:
    store.fill(photos.items, FakeEncoder())
    photos.draw("new.png", seed=77)
    encoder = FakeEncoder()
    filled = store.fill(photos.items, encoder)
    assert (filled.added, filled.kept, encoder.seen) == (1, 10, [1])
    photos.check(store)


def test_a_changed_photo_takes_its_own_place(store: Store, photos: Photos) -> None:
    store.fill(photos.items, FakeEncoder())
    photos.draw("3.png", seed=77)
    filled = store.fill(photos.items, FakeEncoder())
    assert (filled.added, filled.kept) == (1, 9)
    photos.check(store)


def test_a_removed_photo_keeps_its_row(store: Store, photos: Photos) -> None:
    store.fill(photos.items, FakeEncoder())
    (photos.folder / "3.png").unlink()
    filled = store.fill(photos.items, FakeEncoder())
    assert (filled.added, filled.kept, filled.failed) == (0, 9, [])
    photos.check(store)


def test_what_cannot_be_read_is_reported_and_the_rest_goes_on(store: Store, photos: Photos) -> None:
    (photos.folder / "3b.png").write_bytes(b"no image")
    gone = Item("gone", "gone.png", photos.folder / "gone.png")
    fault = Item("list.csv:3", "list.csv:3", fault="the row names no image. Fill it.")
    filled = store.fill([gone, *photos.items, fault], FakeEncoder())
    reasons = {Path(row.item.name).name: (row.status, row.reason) for row in filled.failed}
    assert set(reasons) == {"gone.png", "3b.png", "list.csv:3"}
    assert reasons["gone.png"] == ("skipped", "No such file or directory. Check the path.")
    assert reasons["3b.png"][1].startswith("not an image")
    assert reasons["list.csv:3"][1] == "the row names no image. Fill it."
    assert filled.added == 10
    photos.check(store)


def test_a_photo_that_was_broken_is_tried_again(store: Store, photos: Photos) -> None:
    (photos.folder / "3.png").write_bytes(b"no image")
    assert len(store.fill(photos.items, FakeEncoder()).failed) == 1
    assert len(store.fill(photos.items, FakeEncoder()).failed) == 1
    photos.draw("3.png", seed=3)
    filled = store.fill(photos.items, FakeEncoder())
    assert (filled.added, filled.kept, filled.failed) == (1, 9, [])
    photos.check(store)


def test_a_job_of_broken_photos_only_stores_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    encoder = FakeEncoder()
    filled = store.fill([Item("a", "a", tmp_path / "a.png")], encoder)
    assert (filled.added, len(filled.failed), encoder.seen) == (0, 1, [])
    assert store.vectors() == {}


def test_another_space_is_refused_and_both_are_named(store: Store, photos: Photos) -> None:
    old, new = FakeEncoder("old"), FakeEncoder("new")
    store.fill(photos.items, old)
    with pytest.raises(SpaceMismatchError) as caught:
        store.fill(photos.items, new)
    assert str(old.space) in str(caught.value)
    assert str(new.space) in str(caught.value)
    photos.check(store)


@pytest.mark.parametrize("rows_per_commit", [1, 4, 6, 1000])
@pytest.mark.parametrize("batches", [0, 1, 2])
def test_an_interrupted_job_goes_on_where_it_stopped(
    store: Store,
    photos: Photos,
    batches: int,
    rows_per_commit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_job, "ROWS_PER_COMMIT", rows_per_commit)
    with pytest.raises(KeyboardInterrupt):
        store.fill(photos.items, FakeEncoder(interrupt_after=batches))
    encoder = FakeEncoder()
    filled = store.fill(photos.items, encoder)
    assert (filled.kept, filled.added) == (4 * batches, 10 - 4 * batches)
    assert sum(encoder.seen) == 10 - 4 * batches
    photos.check(store)


def test_an_interrupted_second_job_keeps_the_first(store: Store, photos: Photos) -> None:
    store.fill(photos.items, FakeEncoder())
    for number in range(8):
        photos.draw(f"more {number}.png", seed=100 + number)
    with pytest.raises(KeyboardInterrupt):
        store.fill(photos.items, FakeEncoder(interrupt_after=1))
    assert store.fill(photos.items, FakeEncoder()).kept == 14
    photos.check(store)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interrupt_around_a_commit_loses_and_doubles_nothing(
    store: Store, photos: Photos, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink: Any = LanceIndex if store.is_index else EmbeddingFile
    add: Callable[..., None] = sink.add
    calls: list[str] = []

    def interrupted_once(self: Any, *arguments: Any) -> None:
        calls.append("")
        if len(calls) == 1 and moment == "before":
            raise KeyboardInterrupt
        add(self, *arguments)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(store_job, "ROWS_PER_COMMIT", 4)
    with monkeypatch.context() as patch:
        patch.setattr(sink, "add", interrupted_once)
        with pytest.raises(KeyboardInterrupt):
            store.fill(photos.items, FakeEncoder())
    assert store.fill(photos.items, FakeEncoder()).kept == 4
    photos.check(store)


@dataclass
class CountingSink:
    """Counts the rows of each commit."""

    commits: list[int] = field(default_factory=list)

    def known(self) -> dict[str, str]:
        return {}

    def add(self, rows: Sequence[Any], fingerprints: Sequence[str], vectors: Embeddings) -> None:
        assert len(rows) == len(fingerprints) == len(vectors)
        self.commits.append(len(rows))


def commits_of(photos: Photos) -> list[int]:
    sink = CountingSink()
    reader = Reader({"image": ImageLoader()}, LOADERS, CONTRACT)
    fill(sink, photos.items,
         lambda todo: encode_items(todo, reader, FakeEncoder(), batch_size=2, workers=1)
         )  # fmt: skip
    return sink.commits


def test_rows_are_committed_in_groups(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_job, "ROWS_PER_COMMIT", 4)
    assert commits_of(photos) == [4, 4, 2]


def test_a_slow_job_commits_by_time(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_job, "SECONDS_PER_COMMIT", -1.0)
    assert commits_of(photos) == [2, 2, 2, 2, 2]


def test_a_photo_that_changes_while_it_is_embedded_is_embedded_again(
    store: Store, photos: Photos
) -> None:
    items = photos.items
    encoder = FakeEncoder()
    encode = encoder.encode_images

    def change_then_encode(pixels: Tensor) -> Embeddings:
        photos.draw("0.png", seed=500)
        return encode(pixels)

    encoder.encode_images = change_then_encode  # type: ignore[method-assign]
    store.fill(items, encoder)
    assert store.fill(photos.items, FakeEncoder()).added == 1
    photos.check(store)


def test_a_photo_whose_name_is_not_unicode_is_stored_once(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    name = os.fsencode(folder) + b"/caf\xe9.png"
    path = Path(os.fsdecode(name))
    Image.fromarray(np.full((SIDE_PX, SIDE_PX, 3), 9, np.uint8)).save(path)
    items = [Item(path.as_posix(), path.as_posix(), path)]
    assert store.fill(items, FakeEncoder()).added == 1
    assert store.fill(items, FakeEncoder()).kept == 1
    assert [Path(name).name for name in store.vectors()] == ["caf\\udce9.png"]


def test_images_in_memory_are_kept_by_their_content(store: Store) -> None:
    images = [np.full((SIDE_PX, SIDE_PX, 3), n, np.uint8) for n in (10, 20, 30)]
    store.fill(find_items(images, LOADERS), FakeEncoder())
    images[1] = images[1] + 1
    filled = store.fill(find_items(images, LOADERS), FakeEncoder())
    assert (filled.added, filled.kept) == (1, 2)


def test_the_fake_encoder_is_given_the_pixels_of_the_file(photos: Photos) -> None:
    """What the other tests rest on: PNG and the contract change no pixel."""
    item = photos.items[0]
    _, prepared = Reader({"image": ImageLoader()}, LOADERS, CONTRACT).read(item)
    assert prepared is not None
    assert prepared.dtype == np.uint8
    assert np.array_equal(prepared, photos.pixels[item.id])


def test_failed_rows_do_not_keep_their_thumbnails_in_memory(photos: Photos) -> None:
    reader = Reader({"image": ImageLoader()}, LOADERS, None, refusal="no model", thumbnails=True)
    assert reader.read(photos.items[0])[0].thumbnail is not None
    filled = fill(
        CountingSink(), photos.items,
        lambda todo: encode_items(todo, reader, None, batch_size=2, workers=1),
    )  # fmt: skip
    assert [row.thumbnail for row in filled.failed] == [None] * 10
    assert {row.reason for row in filled.failed} == {"no model"}


def test_options_and_the_files_that_they_name_are_a_part_of_the_fingerprint(
    tmp_path: Path,
) -> None:
    named = tmp_path / "area.json"
    named.write_text("1")
    options = [{}, {"scale": 1.0}, {"scale": 2.0}, {"area": str(named)}, {"area": "nowhere"}]
    prints = [options_fingerprint(each) for each in options]
    assert prints[0] == ""
    assert len(set(prints)) == len(options)
    assert options_fingerprint({"area": str(named)}) == prints[3]
    named.write_text("22")
    assert options_fingerprint({"area": str(named)}) != prints[3]
