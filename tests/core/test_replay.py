"""Replay: general rows in every batch, with texts of their own, so that less is forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch.nn import functional as F

from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Row
from fieldguide.errors import TuningError, UsageError
from fieldguide.losses.multi_positive import MultiPositive
from fieldguide.losses.sides import Side
from fieldguide.tuning.draws import Draws, Pool
from fieldguide.tuning.examples import Examples
from fieldguide.tuning.replay import REPLAY, Replayed, replay_reader, with_replay
from fieldguide.tuning.texts import class_texts, paired_texts

CLASSES = 4


def examples_of(name: str, count: int, train: int, *, captions: bool = False) -> Examples:
    labels = [f"{name} {n % CLASSES}" for n in range(count)]
    prompts = {label: (f"a {label}",) for label in sorted(set(labels))}
    splits = ["train"] * train + ["test"] * (count - train)
    trained = [split == "train" for split in splits]
    owned = tuple((f"{name} caption {n}",) if captions else () for n in range(count))
    streams = [class_texts(prompts, labels, trained)]
    return Examples(
        items=tuple(Item(f"{name}:{n}", f"{name}:{n}") for n in range(count)),
        splits=tuple(splits),
        labels=tuple(labels),
        groups=tuple(f"{name}:{n}" for n in range(count)),
        streams=(paired_texts(owned), *streams) if captions else tuple(streams),
        prompts=prompts,
        captions=owned,
    )


def test_every_batch_has_the_share_and_every_row_keeps_its_own_texts() -> None:
    domain = examples_of("domain", 30, 20, captions=True)
    general = examples_of("general", 12, 8, captions=True)
    mixed = with_replay(domain, general, share=0.25, batch_size=16)
    assert len(mixed.examples) == 38  # the 8 train rows of the general set come last
    assert [stream.name for stream in mixed.examples.streams] == [
        "captions", "classes", f"{REPLAY}_captions", f"{REPLAY}_classes",
    ]  # fmt: skip
    draws = Draws(mixed.pools, mixed.examples.streams, (0,), seed=0)
    for step in range(6):
        batch = draws.batch(step)
        replayed = batch.rows >= 30
        assert len(batch.rows) == 16
        assert int(replayed.sum()) == 4
        for drawn in batch.texts:
            stream = mixed.examples.streams[drawn.stream]
            is_replay = stream.name.startswith(REPLAY)
            word = "general" if is_replay else "domain"
            assert all(word in stream.texts[number] for number in drawn.numbers.tolist())
            has_key = (stream.image_keys[batch.rows] >= 0).any(dim=1)
            assert torch.equal(has_key, replayed == is_replay)


def test_a_caption_that_is_drawn_belongs_to_its_own_picture() -> None:
    mixed = with_replay(
        examples_of("domain", 10, 10, captions=True),
        examples_of("general", 6, 6, captions=True),
        share=0.5,
        batch_size=8,
    )
    stream = mixed.examples.streams[2]
    numbers, keys = stream.draw(torch.tensor([2, 11, 14]), torch.Generator().manual_seed(0))
    assert [stream.texts[n] for n in numbers.tolist()] == ["general caption 1", "general caption 4"]
    assert keys.tolist() == stream.image_keys[[11, 14]].tolist()


def test_the_domain_is_measured_as_before() -> None:
    domain, general = examples_of("domain", 30, 20), examples_of("general", 12, 8)
    mixed = with_replay(domain, general, share=0.25, batch_size=16).examples
    assert torch.equal(mixed.rows("test"), domain.rows("test"))
    assert mixed.prompts == domain.prompts
    assert set(mixed.labels[30:]) == {""}


def test_only_train_rows_of_the_general_set_are_replayed_and_none_twice() -> None:
    domain, general = examples_of("same", 8, 6), examples_of("same", 12, 10)
    mixed = with_replay(domain, general, share=0.5, batch_size=4)
    assert [item.id for item in mixed.examples.items[8:]] == ["same:8", "same:9"]


@pytest.mark.parametrize("share", [0.0, 1.0, 0.01, -0.5])
def test_a_share_without_a_place_in_the_batch_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="larger batches"):
        with_replay(examples_of("a", 8, 8), examples_of("b", 8, 8), share=share, batch_size=8)


def test_nothing_to_replay_is_said() -> None:
    with pytest.raises(TuningError, match="no row to replay"):
        with_replay(examples_of("a", 8, 8), examples_of("b", 8, 0), share=0.5, batch_size=8)


def test_each_picture_is_read_as_what_it_is() -> None:
    @dataclass
    class Named:
        name: str

        def read(self, item: Item) -> tuple[Row, None]:
            return Row(item, reason=self.name), None

    own, other = Item("1", "1"), Item("2", "2")
    reader = replay_reader(Named("domain"), Named("general"), [other])
    assert [reader.read(item)[0].reason for item in (own, other)] == ["domain", "general"]


class Toy:
    """A linear image tower and fixed class vectors; general classes look a little like others."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)
        self.general_means = torch.randn(CLASSES, 8, generator=self.generator)
        own = torch.randn(CLASSES, 8, generator=self.generator)
        self.domain_means = 0.7 * self.general_means + own
        self.texts = F.normalize(torch.randn(2 * CLASSES, 8, generator=self.generator), dim=1)
        self.domain = examples_of("domain", 64, 64)
        self.general = examples_of("general", 64, 64)

    def draw(self, means: torch.Tensor, count: int) -> torch.Tensor:
        labels = torch.arange(count) % CLASSES
        return means[labels] + 0.4 * torch.randn(count, 8, generator=self.generator)

    def train(self, weight: torch.Tensor, features: torch.Tensor, mixed: Replayed,
              vectors: dict[str, torch.Tensor]) -> torch.Tensor:  # fmt: skip
        weight = weight.clone().requires_grad_(True)
        optimizer = torch.optim.SGD([weight], lr=0.5)
        draws = Draws(mixed.pools, mixed.examples.streams, (0,), seed=0)
        for step in range(150):
            batch = draws.batch(step)
            images = F.normalize(features[batch.rows] @ weight.T, dim=1)
            loss = torch.zeros(())
            for drawn in batch.texts:
                stream = mixed.examples.streams[drawn.stream]
                texts = vectors[stream.name][drawn.numbers]
                sides = (
                    Side(images, stream.image_keys[batch.rows]), Side(texts, drawn.keys),
                )  # fmt: skip
                loss = loss + MultiPositive()(*sides, torch.tensor(5.0), torch.tensor(0.0))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return weight.detach()

    def accuracy(self, weight: torch.Tensor, features: torch.Tensor, texts: torch.Tensor) -> float:
        answers = (features @ weight.T @ texts.T).argmax(dim=1)
        return float((answers == torch.arange(len(features)) % CLASSES).float().mean())


def test_replay_lowers_forgetting_and_keeps_the_gain() -> None:
    toy = Toy()
    domain_texts, general_texts = toy.texts[:CLASSES], toy.texts[CLASSES:]
    vectors = {"classes": domain_texts, f"{REPLAY}_classes": general_texts}
    seen, shown = toy.draw(toy.domain_means, 64), toy.draw(toy.general_means, 64)
    features = torch.cat([seen, shown])
    alone = Replayed(toy.general, (Pool(torch.arange(64), 16), Pool(torch.arange(64), 16)))
    base = toy.train(torch.eye(8), shown, alone, {"classes": general_texts})
    mixed = with_replay(toy.domain, toy.general, share=0.5, batch_size=32)
    only_domain = Replayed(toy.domain, alone.pools)

    plain = toy.train(base, seen, only_domain, {"classes": domain_texts})
    replayed = toy.train(base, features, mixed, vectors)

    new_domain, new_general = toy.draw(toy.domain_means, 400), toy.draw(toy.general_means, 400)
    before = toy.accuracy(base, new_general, general_texts)
    forgotten = before - toy.accuracy(plain, new_general, general_texts)
    kept = before - toy.accuracy(replayed, new_general, general_texts)
    assert before > 0.9
    assert forgotten > 0.15
    assert kept < forgotten / 2
    gain = toy.accuracy(replayed, new_domain, domain_texts)
    assert gain > toy.accuracy(base, new_domain, domain_texts) + 0.3
