"""One base and many adapters: mixed requests from threads equal separate models."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from fieldguide.errors import AdapterError, UnknownNameError, UsageError
from fieldguide.models.tunable import network_digest
from fieldguide.tuning.adapter import Adapter
from fieldguide.tuning.shelf import Shelf, own_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.models.openclip import OpenClipEncoder

IMAGE_WEIGHT = "visual.transformer.resblocks.0.mlp.c_fc.weight"
COPY_BYTES = 256 * 64 * 4 + 32 * 4  # the two parameters that the adapters change, in float32
NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture
def adapters(make_adapter: Callable[..., Adapter]) -> dict[str, Adapter]:
    return {name: make_adapter(name, seed=seed) for seed, name in enumerate(NAMES)}


def separate_models(
    adapters: dict[str, Adapter], load: Callable[[Path], OpenClipEncoder], folder: Path
) -> dict[str | None, OpenClipEncoder]:
    """Return a model of its own for each adapter, its weights written in place."""
    models: dict[str | None, OpenClipEncoder] = {None: load(folder)}
    for name, adapter in adapters.items():
        models[name] = load(folder)
        for parameter, change in adapter.changes.items():
            tensor = models[name].network.get_parameter(parameter)
            with torch.no_grad():
                tensor.add_(change.difference(tensor.shape))
    return models


@pytest.mark.parametrize("kept", [0, 2, 5])
def test_a_thousand_mixed_requests_of_eight_threads_equal_separate_models(
    base: OpenClipEncoder, model_folder: Path, adapters: dict[str, Adapter],
    load: Callable[[Path], OpenClipEncoder], kept: int,
) -> None:  # fmt: skip
    models = separate_models(adapters, load, model_folder)
    shelf = Shelf(base, adapters, max_bytes=kept * COPY_BYTES)
    generator = np.random.default_rng(0)
    names: list[str | None] = [None, *NAMES]
    images = torch.from_numpy(generator.integers(0, 256, (16, 3, 32, 32), dtype=np.uint8))
    texts = [f"text {number}" for number in range(16)]
    expected = {
        name: (model.encode_images(images).vectors, model.encode_texts(texts).vectors)
        for name, model in models.items()
    }
    asked = [
        (generator.integers(0, 16, 2), [names[place] for place in generator.integers(0, 6, 2)])
        for _ in range(1000 if kept == 2 else 100)
    ]

    def answer(number: int) -> float:
        rows, wanted = asked[number]
        side = number % 2  # images and texts in turn
        if side == 0:
            found = shelf.encode_images(images[rows], wanted)
        else:
            found = shelf.encode_texts([texts[row] for row in rows], wanted)
        assert [e.space for e in found] == [shelf.encoder(name).space for name in wanted]
        return max(
            np.abs(embedded.vectors[0] - expected[name][side][row]).max()
            for embedded, row, name in zip(found, rows, wanted, strict=True)
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(answer, range(len(asked))))
    assert len(answers) == len(asked)
    assert max(answers) < 1e-5
    assert shelf.merged_bytes <= kept * COPY_BYTES


def test_a_copy_costs_what_the_adapter_changes(
    base: OpenClipEncoder, adapters: dict[str, Adapter]
) -> None:
    shelf = Shelf(base, adapters)

    assert own_bytes(shelf.encoder("a"), base) == COPY_BYTES
    assert shelf.merged_bytes == len(NAMES) * COPY_BYTES
    whole = sum(p.numel() * p.element_size() for p in base.network.parameters())
    assert whole > 4 * COPY_BYTES


def test_the_copies_that_are_kept_stay_within_their_bytes(
    base: OpenClipEncoder, adapters: dict[str, Adapter]
) -> None:
    shelf = Shelf(base, adapters, max_bytes=2 * COPY_BYTES + 1)
    for name in (*NAMES, *NAMES[::-1]):
        shelf.encoder(name)
        assert shelf.merged_bytes <= 2 * COPY_BYTES + 1


def test_the_least_recently_used_copy_goes_first(
    base: OpenClipEncoder, adapters: dict[str, Adapter]
) -> None:
    some = {name: adapters[name] for name in "ab"}
    shelf = Shelf(base, some, max_bytes=2 * COPY_BYTES)
    first, second = shelf.encoder("a"), shelf.encoder("b")
    shelf.encoder("a")
    shelf.add("c", adapters["c"])

    assert shelf.encoder("a") is first
    assert shelf.encoder("b") is not second


def test_threads_that_want_one_adapter_share_its_copy(
    base: OpenClipEncoder, adapters: dict[str, Adapter]
) -> None:
    shelf = Shelf(base, {"a": adapters["a"]})
    shelf.add("b", adapters["b"])
    start = threading.Barrier(8)

    def get(_: int) -> int:
        start.wait()
        return id(shelf.encoder("a"))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(get, range(8)))) == 1


def test_the_base_is_never_written(
    base: OpenClipEncoder, adapters: dict[str, Adapter], pixels: torch.Tensor
) -> None:
    before = network_digest(base.network)
    shelf = Shelf(base, adapters, max_bytes=0)
    shelf.encode_images(pixels, ["a", "b", "c", "d", "e", None])
    assert network_digest(base.network) == before


def test_an_adapter_can_be_replaced_and_removed(
    base: OpenClipEncoder, adapters: dict[str, Adapter]
) -> None:
    shelf = Shelf(base, {"a": adapters["a"]})
    before = shelf.encoder("a")
    shelf.add("a", adapters["b"])
    assert shelf.encoder("a").space != before.space
    shelf.remove("a")
    assert shelf.names == () and shelf.merged_bytes == 0
    with pytest.raises(UnknownNameError, match="named 'a'"):
        shelf.encoder("a")
    with pytest.raises(UnknownNameError, match="named 'a'"):
        shelf.remove("a")


def test_an_adapter_without_effect_is_refused(
    base: OpenClipEncoder, adapters: dict[str, Adapter]
) -> None:
    zero = {name: change.scaled(0.0) for name, change in adapters["a"].changes.items()}
    with pytest.raises(AdapterError, match="changes nothing"):
        Shelf(base, {"zero": Adapter(adapters["a"].config, zero)})


def test_a_probe_has_no_place_on_a_shelf(base: OpenClipEncoder, probe_adapter: Adapter) -> None:
    with pytest.raises(UsageError, match="is a probe"):
        Shelf(base, {"probe": probe_adapter})


def test_a_wrong_number_of_names_is_refused(
    base: OpenClipEncoder, adapters: dict[str, Adapter], pixels: torch.Tensor
) -> None:
    with pytest.raises(ValueError, match="2 adapters are named for 6 rows"):
        Shelf(base, adapters).encode_images(pixels, ["a", "b"])
