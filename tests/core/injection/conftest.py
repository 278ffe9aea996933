"""Tiny models of every kind and the embedded one, each loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from fieldguide.models.load import load_encoder, named_model
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tiny_checkpoints import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldguide.models.tunable import Tunable

EMBEDDED = "embedded_conse"


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tunable]:
    """Load a kind of tiny open_clip model, or a model of the registry, by name."""
    loaded: dict[str, Tunable] = {}

    def load_once(kind: str) -> Tunable:
        if kind not in loaded:
            name, catalog = kind, get_catalog()
            if kind in KINDS:
                folder = tmp_path_factory.mktemp("models") / kind
                name = str(write_tiny_checkpoint(folder, architecture=kind))
            encoder = load_encoder(named_model(name, catalog), catalog, torch.device("cpu"))
            loaded[kind] = encoder  # type: ignore[assignment] # all of these are tunable
        return loaded[kind]

    return load_once


@pytest.fixture
def pixels() -> Callable[[Tunable], torch.Tensor]:
    """Make three random pictures of the size that a model takes."""

    def make(encoder: Tunable) -> torch.Tensor:
        generator = torch.Generator().manual_seed(3)
        shape = (3, 3, *encoder.contract.size_px)
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)

    return make
