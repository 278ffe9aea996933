"""Vectors of many labels are embedded once, whatever becomes of the process or the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fieldguide.data.files import only_writer
from fieldguide.errors import BusyError, ContractError
from fieldguide.models import vector_file
from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length
from fieldguide.zeroshot import label_store as module
from fieldguide.zeroshot.label_store import LabelStore, label_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

DIM = 6
SPACE = SpaceId(model="toy", encoder="e", contract="c", pooling="p", dim=DIM)


class Toy:
    """An encoder by arithmetic on letters, that counts its texts and dies when told to."""

    def __init__(self, space: SpaceId = SPACE) -> None:
        self.space = space
        self.texts: list[str] = []
        self.dies_at: str | None = None

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        if self.dies_at in texts:
            raise KeyboardInterrupt
        self.texts += texts
        raw = [[float(ord(c)) - 64 for c in (text * DIM)[:DIM]] for text in texts]
        return Embeddings(unit_length(np.array(raw)), self.space)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_file, "ROWS_PER_CHUNK", 4)
    monkeypatch.setattr(module, "ROWS_PER_CHUNK", 4)


def prompts(count: int) -> list[list[str]]:
    return [[f"{n:03d} bird", f"{n:03d} Bird"] for n in range(count)]


def means(prompts: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the unit mean of each label's prompts, one by one."""
    rows = [Toy().encode_texts(texts).vectors.mean(axis=0) for texts in prompts]
    return np.array([row / np.linalg.norm(row) for row in rows])


def test_each_label_is_embedded_once_and_then_mapped_from_disk(tmp_path: Path) -> None:
    first, second = Toy(), Toy()
    made = LabelStore(first, tmp_path).vectors(prompts(10))
    found = LabelStore(second, tmp_path).vectors(prompts(10))

    np.testing.assert_allclose(made.vectors, means(prompts(10)), rtol=1e-6)
    np.testing.assert_array_equal(found.vectors, made.vectors)
    assert (len(first.texts), len(second.texts)) == (20, 0)
    assert isinstance(found.vectors.base, np.memmap)


def test_a_killed_job_goes_on_after_its_last_chunk(tmp_path: Path) -> None:
    encoder = Toy()
    encoder.dies_at = "009 bird"
    with pytest.raises(KeyboardInterrupt):
        LabelStore(encoder, tmp_path).vectors(prompts(10))

    again = Toy()
    found = LabelStore(again, tmp_path).vectors(prompts(10))

    assert [text[:3] for text in again.texts] == ["008", "008", "009", "009"]
    np.testing.assert_allclose(found.vectors, means(prompts(10)), rtol=1e-6)


@pytest.mark.parametrize("damage", ["cut", "flip", "header", "half a line", "no journal"])
def test_what_is_damaged_is_embedded_again(tmp_path: Path, damage: str) -> None:
    LabelStore(Toy(), tmp_path).vectors(prompts(10))
    (matrix,), (journal,) = tmp_path.glob("*.npy"), tmp_path.glob("*.chunks")
    content = matrix.read_bytes()
    flipped = bytes([content[140] ^ 1])
    damages: dict[str, Callable[[], object]] = {
        "cut": lambda: matrix.write_bytes(content[:-30]),
        "flip": lambda: matrix.write_bytes(content[:140] + flipped + content[141:]),
        "header": lambda: matrix.write_bytes(b"?" * 128 + content[128:]),
        "half a line": lambda: journal.write_bytes(journal.read_bytes()[:-6]),
        "no journal": journal.unlink,
    }
    damages[damage]()
    again = Toy()

    found = LabelStore(again, tmp_path).vectors(prompts(10))

    np.testing.assert_allclose(found.vectors, means(prompts(10)), rtol=1e-6)
    assert len(again.texts) == {"cut": 4, "flip": 8, "half a line": 4}.get(damage, 20)
    assert LabelStore(idle := Toy(), tmp_path).vectors(prompts(10)) and not idle.texts


def test_a_clade_takes_the_vectors_of_the_whole(tmp_path: Path) -> None:
    LabelStore(Toy(), tmp_path).vectors(prompts(10))
    encoder = Toy()

    asked = [*prompts(10)[3:9], ["a new one"]]
    found = LabelStore(encoder, tmp_path).vectors(asked)

    assert encoder.texts == ["a new one"]
    np.testing.assert_allclose(found.vectors, means(asked), rtol=1e-6)


@pytest.mark.parametrize("other", [[["ab"], ["c"]], [["a", "b"], ["c"]], [["c"], ["a b"]]], ids=str)
def test_other_prompts_are_another_set(tmp_path: Path, other: list[list[str]]) -> None:
    LabelStore(Toy(), tmp_path).vectors([["a b"], ["c"]])

    found = LabelStore(Toy(), tmp_path).vectors(other)

    np.testing.assert_allclose(found.vectors, means(other), rtol=1e-6)


def test_two_jobs_do_not_write_one_set(tmp_path: Path) -> None:
    LabelStore(Toy(), tmp_path).vectors(prompts(10))
    (matrix,) = tmp_path.glob("*.npy")
    matrix.write_bytes(b"")

    with only_writer(matrix.with_suffix(".lock"), matrix), pytest.raises(BusyError, match="Wait"):
        LabelStore(Toy(), tmp_path).vectors(prompts(10))


def test_a_vector_that_is_not_finite_is_refused_and_not_kept(tmp_path: Path) -> None:
    class Broken(Toy):
        def encode_texts(self, texts: Sequence[str]) -> Embeddings:
            vectors = super().encode_texts(texts).vectors
            vectors[texts.index("005 bird")] = np.nan
            return Embeddings(vectors, SPACE)

    with pytest.raises(ContractError, match="'005 bird'"):
        LabelStore(Broken(), tmp_path).vectors([[f"{n:03d} bird"] for n in range(4, 8)])

    assert not list(tmp_path.glob("*.npy"))


def test_with_the_cache_off_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIELDGUIDE_CACHE", "off")

    found = label_store(Toy()).vectors(prompts(10))

    np.testing.assert_allclose(found.vectors, means(prompts(10)), rtol=1e-6)
    assert not list(tmp_path.iterdir())


def test_another_space_has_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path))
    other = SPACE.model_copy(update={"encoder": "other"})
    assert label_store(Toy()).folder != label_store(Toy(other)).folder
