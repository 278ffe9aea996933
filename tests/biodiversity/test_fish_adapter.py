"""How good the shipped adapter fish_lora is, through the guide; its card says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

import fieldguide as fg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch to one thread; on a busy machine two wait for each other, twice as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_shipped_adapter_names_the_test_rows_as_its_card_says(shared_data: Path) -> None:
    guide = fg.guide(adapter="fish_lora", modality="underwater_fish", roots=[shared_data])
    found = guide.evaluate(
        shared_data / "biodiversity/fish4knowledge/manifest.jsonl",
        classes="fish4knowledge",
        where='split == "test"',
    )
    assert found.classified == 329
    assert found.accuracy.value >= 0.78
    assert guide.adapter is not None
    figures = guide.adapter.config.figures
    place = figures["strengths"].index(guide.adapter.config.strength)
    (domain,) = [suite for suite in figures["suites"] if suite["role"] == "domain"]
    assert found.accuracy.value == pytest.approx(domain["test"][place]["top1"]["value"], abs=0.005)
