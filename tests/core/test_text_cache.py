"""Each distinct text is embedded once, and a cached vector is the very one that was computed."""

from __future__ import annotations

import random
import sqlite3
import threading
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

import fieldguide as fg
from fieldguide import planning
from fieldguide.models import text_cache
from fieldguide.models.embeddings import Embeddings, unit_length
from fieldguide.models.load import load_encoder, named_model
from fieldguide.models.text_cache import ENTRY_BYTES, CachedTextEncoder, VectorMemory, cache_texts
from fieldguide.models.text_store import FILE_NAME
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.zeroshot import classifier as classifier_module
from fieldguide.zeroshot.class_sets import prompts_of_labels
from fieldguide.zeroshot.classifier import build_classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fieldguide.models.embeddings import Encoder

TEXTS = ["a red barn", "an airport with many planes", "a", "a red barn", "the sea"]


class Counting:
    """A real encoder that notes which texts reach it."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.calls: list[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        self.calls.append(list(texts))
        return self.encoder.encode_texts(texts)

    @property
    def counts(self) -> Counter[str]:
        return Counter(text for call in self.calls for text in call)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def model(tiny: Path) -> Encoder:
    catalog = fg.get_catalog()
    return load_encoder(named_model(str(tiny), catalog), catalog, torch.device("cpu"))


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, in memory and on disk; the file that the texts' vectors go into."""
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "cache"))
    forget(monkeypatch)
    return tmp_path / "cache" / "texts" / FILE_NAME


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty the memory, as a new process has it."""
    monkeypatch.setattr(text_cache, "_memory", VectorMemory())


@pytest.fixture
def counting(model: Encoder) -> Counting:
    return Counting(model)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Counting]:
    """The counters around the models that guides build from now on."""
    made: list[Counting] = []

    def load(*arguments: Any) -> Counting:
        made.append(Counting(load_encoder(*arguments)))
        return made[-1]

    monkeypatch.setattr(planning, "load_encoder", load)
    return made


def label_sets(calls: int, labels: int) -> list[list[str]]:
    """Return a set of two to six labels for each call, drawn from some."""
    draw = random.Random(0)
    names = [f"kind {number}" for number in range(labels)]
    return [draw.sample(names, draw.randint(2, 6)) for _ in range(calls)]


def test_ten_thousand_classifiers_with_changing_labels_embed_each_prompt_once(
    counting: Counting,
) -> None:
    pixels = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    image = counting.encode_images(pixels)
    encoder = cache_texts(counting)
    sets = label_sets(10_000, labels=500)
    templates = ("a photo of {}.", "{} from above")

    for labels in sets:
        found = build_classifier(encoder, prompts_of_labels(labels, templates))
        assert found.probabilities(image).shape == (1, len(labels))

    wanted = {t.replace("{}", name) for labels in sets for name in labels for t in templates}
    assert counting.counts == dict.fromkeys(wanted, 1)


def test_classify_calls_with_changing_labels_embed_each_prompt_once(
    tiny: Path, counted: list[Counting]
) -> None:
    guide = fg.guide(model=str(tiny), device="cpu")
    image = np.full((32, 32, 3), 90, dtype=np.uint8)
    sets = label_sets(300, labels=60)

    for labels in sets:
        assert guide.classify(image, labels)[0].label in labels

    (counting,) = counted
    templates = guide.domain.modalities[0].templates
    wanted = {t.replace("{}", name) for labels in sets for name in labels for t in templates}
    assert counting.counts == dict.fromkeys(wanted, 1)


def test_probabilities_are_those_of_a_model_without_a_cache(counting: Counting) -> None:
    pixels = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    image = counting.encode_images(pixels)
    encoder = cache_texts(counting)
    for labels in label_sets(30, labels=20):
        prompts = prompts_of_labels(labels, ("a photo of {}.",))
        cached = build_classifier(encoder, prompts).probabilities(image)
        plain = build_classifier(counting.encoder, prompts).probabilities(image)
        assert np.allclose(cached, plain, atol=1e-5)


def test_texts_come_back_in_their_order_and_doubled_ones_are_embedded_once(
    counting: Counting,
) -> None:
    found = cache_texts(counting).encode_texts(TEXTS)
    each = [counting.encoder.encode_texts([text]).vectors[0] for text in TEXTS]
    assert np.allclose(found.vectors, each, atol=1e-6)
    assert counting.calls == [["a red barn", "an airport with many planes", "a", "the sea"]]


def test_no_text_gives_no_vector(counting: Counting) -> None:
    found = cache_texts(counting).encode_texts([])
    assert found.vectors.shape == (0, 32)
    assert counting.calls == []


def test_a_vector_from_memory_or_disk_has_the_bits_that_were_computed_first(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = cache_texts(counting)
    first = encoder.encode_texts(TEXTS).vectors
    backwards = encoder.encode_texts(TEXTS[::-1]).vectors  # from memory
    forget(monkeypatch)
    alone = [encoder.encode_texts([text]).vectors[0] for text in TEXTS]  # from disk
    assert backwards[::-1].tobytes() == first.tobytes()
    assert np.stack(alone).tobytes() == first.tobytes()
    assert len(counting.calls) == 1


def test_changing_a_result_does_not_change_the_cache(counting: Counting) -> None:
    encoder = cache_texts(counting)
    first = encoder.encode_texts(["a"]).vectors
    kept = first.copy()
    first[:] = 7
    assert np.array_equal(encoder.encode_texts(["a"]).vectors, kept)


def test_two_guides_of_one_model_share_what_they_embedded(
    tiny: Path, counted: list[Counting]
) -> None:
    first, second = (fg.guide(model=str(tiny), device="cpu") for _ in range(2))
    vectors = first.encode_text("a red barn").vectors
    assert second.encode_text("a red barn").vectors.tobytes() == vectors.tobytes()
    assert [len(counting.calls) for counting in counted] == [1, 0]


def test_a_model_with_other_weights_gets_vectors_of_its_own(
    tiny: Path, tmp_path: Path, counted: list[Counting]
) -> None:
    other = write_tiny_checkpoint(tmp_path / "other", seed=1)
    one, two = (fg.guide(model=str(path), device="cpu") for path in (tiny, other))
    assert not np.allclose(one.encode_text("sea").vectors, two.encode_text("sea").vectors)
    direct = counted[1].encoder.encode_texts(["sea"]).vectors
    assert np.array_equal(two.encode_text("sea").vectors, direct)
    assert [len(counting.calls) for counting in counted] == [1, 1]


def test_an_adapter_on_the_same_model_gets_vectors_of_its_own(model: Encoder) -> None:
    class Adapted(Counting):
        space = model.space.model_copy(update={"adapter": "f" * 64})

        def encode_texts(self, texts: Sequence[str]) -> Embeddings:
            plain = super().encode_texts(texts).vectors
            return Embeddings(unit_length(plain[:, ::-1]), self.space)

    base = cache_texts(model).encode_texts(["sea"])
    adapted = cache_texts(Adapted(model)).encode_texts(["sea"])
    assert np.allclose(adapted.vectors, base.vectors[:, ::-1], atol=1e-6)


def test_vectors_of_an_encoder_that_changes_its_space_meanwhile_are_not_kept(
    model: Encoder,
) -> None:
    later = model.space.model_copy(update={"adapter": "f" * 64})

    class Switching(Counting):
        space = model.space

        def encode_texts(self, texts: Sequence[str]) -> Embeddings:
            vectors = super().encode_texts(texts).vectors
            return Embeddings(unit_length(vectors[:, ::-1]), later)

    found = cache_texts(Switching(model)).encode_texts(["sea"])
    assert found.space == later
    plain = cache_texts(model).encode_texts(["sea"])
    assert np.allclose(plain.vectors, model.encode_texts(["sea"]).vectors, atol=1e-6)


def test_a_vector_that_is_no_number_is_computed_again(model: Encoder) -> None:
    class OnceBroken(Counting):
        def encode_texts(self, texts: Sequence[str]) -> Embeddings:
            found = super().encode_texts(texts)
            if len(self.calls) == 1:
                found.vectors[0] = np.nan
            return found

    counting = OnceBroken(model)
    encoder = cache_texts(counting)
    encoder.encode_texts(["sea", "land"])
    assert np.isfinite(encoder.encode_texts(["sea", "land"]).vectors).all()
    assert counting.counts == {"sea": 2, "land": 1}


def test_eight_threads_embed_each_text_once_and_get_their_own_texts(counting: Counting) -> None:
    encoder = cache_texts(counting)
    names = [f"place {number}" for number in range(64)]
    expected = dict(zip(names, counting.encoder.encode_texts(names).vectors, strict=True))
    start = threading.Barrier(8)
    wrong: list[str] = []

    def work(seed: int) -> None:
        draw = random.Random(seed)
        start.wait()
        for _ in range(50):
            some = draw.sample(names, 5)
            found = encoder.encode_texts(some).vectors
            wrong.extend(
                name
                for name, vector in zip(some, found, strict=True)
                if not np.allclose(vector, expected[name], atol=1e-5)
            )

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert counting.counts == dict.fromkeys(names, 1)


def test_the_text_is_not_written_to_the_disk(counting: Counting, cache: Path) -> None:
    secret = "patient seen with opacity in the left lower lobe"
    cache_texts(counting).encode_texts([secret])
    written = b"".join(path.read_bytes() for path in cache.parent.iterdir())
    assert len(written) > 4 * 32
    assert not any(word.encode() in written for word in secret.split() if len(word) > 3)


def test_a_text_that_is_not_unicode_has_a_vector_of_its_own(counting: Counting) -> None:
    class Plain(Counting):
        def encode_texts(self, texts: Sequence[str]) -> Embeddings:
            return super().encode_texts(
                [text.encode("utf-8", "replace").decode() for text in texts]
            )

    encoder = cache_texts(Plain(counting.encoder))
    assert len(encoder.encode_texts(["caf\udce9", "caf\udce8"])) == 2
    assert encoder.encode_texts(["caf\udce9"]).vectors.shape == (1, 32)


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no database at all" * 1000),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(path.read_bytes()[:-3000]),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: _execute(path, "DROP TABLE texts; CREATE TABLE texts (other INTEGER)"),
        lambda path: _execute(path, "UPDATE texts SET vector = zeroblob(128)"),
        lambda path: _execute(path, "UPDATE texts SET vector = substr(vector, 1, 64)"),
        lambda path: _execute(path, "UPDATE texts SET vector = 'text', crc = 'text'"),
        lambda path: _execute(
            path,
            "UPDATE texts SET vector = (SELECT o.vector FROM texts o WHERE o.id = 5 - texts.id), "
            "crc = (SELECT o.crc FROM texts o WHERE o.id = 5 - texts.id)",
        ),
    ],
    ids=["empty", "garbage", "cut-early", "cut-late", "folder", "other-table", "zeros", "short",
         "other-types", "swapped"],
)  # fmt: skip
def test_a_broken_cache_is_computed_again_never_an_error_or_a_wrong_vector(
    counting: Counting, cache: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], Any]
) -> None:
    encoder = cache_texts(counting)
    right = encoder.encode_texts(TEXTS).vectors
    text_cache.store_in.cache_clear()
    harm(cache)
    for _ in range(2):
        forget(monkeypatch)
        assert np.allclose(encoder.encode_texts(TEXTS).vectors, right, atol=1e-6)


def _execute(path: Path, script: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
    connection.close()


def test_no_flipped_byte_gives_a_wrong_vector(
    counting: Counting, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = cache_texts(counting)
    right = encoder.encode_texts(TEXTS).vectors
    whole = cache.read_bytes()
    draw = random.Random(0)
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(draw.choice((1, 30))):
            broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
        cache.write_bytes(broken)
        text_cache.store_in.cache_clear()
        forget(monkeypatch)
        assert np.allclose(encoder.encode_texts(TEXTS).vectors, right, atol=1e-6)


def test_a_broken_file_is_replaced_so_that_the_next_process_has_a_cache(
    counting: Counting, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = cache_texts(counting)
    encoder.encode_texts(TEXTS)
    cache.write_bytes(b"no database at all" * 1000)
    for _ in range(3):
        text_cache.store_in.cache_clear()
        forget(monkeypatch)
        encoder.encode_texts(TEXTS)
    assert len(counting.calls) == 2


def test_a_broken_row_is_replaced_so_that_the_next_process_has_it(
    counting: Counting, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = cache_texts(counting)
    encoder.encode_texts(TEXTS)
    _execute(cache, "UPDATE texts SET vector = zeroblob(128) WHERE id = 2")
    for _ in range(3):
        text_cache.store_in.cache_clear()
        forget(monkeypatch)
        encoder.encode_texts(TEXTS)
    assert counting.calls[1:] == [[TEXTS[1]]]


def test_a_sound_vector_of_another_length_is_computed_again(
    counting: Counting, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = cache_texts(counting)
    right = encoder.encode_texts(TEXTS).vectors
    with sqlite3.connect(cache) as connection:
        for key, vector in connection.execute("SELECT key, vector FROM texts").fetchall():
            short = vector[:64]
            crc = zlib.crc32(short, zlib.crc32(key))
            values = (short, crc, key)
            connection.execute("UPDATE texts SET vector = ?, crc = ? WHERE key = ?", values)
    connection.close()
    forget(monkeypatch)
    assert np.allclose(encoder.encode_texts(TEXTS).vectors, right, atol=1e-6)


def test_a_cache_that_cannot_be_written_only_costs_time(
    counting: Counting, read_only_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(read_only_folder))
    encoder = cache_texts(counting)
    for _ in range(2):
        assert np.isfinite(encoder.encode_texts(TEXTS).vectors).all()
    assert len(counting.calls) == 1  # memory still holds them


def test_a_full_disk_only_costs_time(
    counting: Counting, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tiny_disk))
    encoder = cache_texts(counting)
    texts = [f"place {number}" for number in range(5000)]  # 200 bytes each
    vectors = encoder.encode_texts(texts).vectors
    forget(monkeypatch)
    assert np.allclose(encoder.encode_texts(texts[:100]).vectors, vectors[:100], atol=1e-6)


def test_memory_stays_below_its_bound_and_forgets_the_least_recently_used() -> None:
    memory = VectorMemory(max_bytes=10 * (100 + ENTRY_BYTES))
    for number in range(50):
        memory.put({bytes([number]): bytes(100)})
        memory.get([bytes([0])])  # always in use
    assert len(memory) == 10
    assert set(memory.get([bytes([n]) for n in range(50)])) == {
        bytes([0]), *(bytes([n]) for n in range(41, 50)),
    }  # fmt: skip


def test_everything_else_is_the_encoders_own(counting: Counting) -> None:
    encoder = cache_texts(counting)
    assert cache_texts(encoder) is encoder
    assert (encoder.space, encoder.contract) == (counting.space, counting.contract)
    assert encoder.logit_scale == counting.logit_scale
    assert encoder.tokenizer is counting.tokenizer
    with pytest.raises(AttributeError):
        encoder.image_tower = None  # type: ignore[attr-defined]  # it would change nothing
    assert isinstance(encoder, CachedTextEncoder)


def test_a_label_is_the_mean_of_its_prompts_in_groups_of_any_size(
    model: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = {f"label {n}": [f"{n} {word}" for word in "abc"[: 1 + n % 3]] for n in range(12)}
    monkeypatch.setattr(classifier_module, "PROMPTS_AT_ONCE", 5)
    counting = Counting(model)
    found = build_classifier(counting, prompts)
    assert max(len(call) for call in counting.calls) <= 5
    for row, texts in zip(found.vectors.vectors, prompts.values(), strict=True):
        total = sum(model.encode_texts([text]).vectors[0].astype(np.float64) for text in texts)
        assert np.allclose(row, total / np.linalg.norm(total), atol=1e-6)


def test_pictures_are_still_encoded_by_the_model(tiny: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "green").save(tmp_path / "a.png")
    guide = fg.guide(model=str(tiny), device="cpu")
    assert guide.encode_image(tmp_path / "a.png").vectors.shape == (1, 32)
