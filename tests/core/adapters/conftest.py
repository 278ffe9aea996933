"""A tiny open_clip model and adapters of it, as a user would have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from fieldguide.models.load import load_encoder, named_model
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.adapter import Adapter, AdapterConfig, Probe, base_of
from fieldguide.tuning.adapter_files import save_adapter
from fieldguide.tuning.changes import LowRank, Offset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.models.openclip import OpenClipEncoder

IMAGE_WEIGHT = "visual.transformer.resblocks.0.mlp.c_fc.weight"
TEXT_BIAS = "transformer.resblocks.1.mlp.c_proj.bias"


def load_folder(folder: Path) -> OpenClipEncoder:
    catalog = get_catalog()
    return load_encoder(named_model(str(folder), catalog), catalog, torch.device("cpu"))  # type: ignore[return-value] # a folder is an open_clip model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "base", architecture="vit")


@pytest.fixture(scope="session")
def base(model_folder: Path) -> OpenClipEncoder:
    return load_folder(model_folder)


@pytest.fixture(scope="session")
def load() -> Callable[[Path], OpenClipEncoder]:
    return load_folder


@pytest.fixture(scope="session")
def pixels() -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="session")
def make_adapter(base: OpenClipEncoder, model_folder: Path) -> Callable[..., Adapter]:
    """Make an adapter with a change of low rank in the image tower and one in the text tower."""

    def make(name: str = "tiles", seed: int = 0, **fields: object) -> Adapter:
        generator = torch.Generator().manual_seed(seed)
        shape = base.network.get_parameter(IMAGE_WEIGHT).shape
        low_rank = LowRank(
            torch.randn(2, shape[1], generator=generator) * 0.2,
            torch.randn(shape[0], 2, generator=generator) * 0.2,
        )
        size = base.network.get_parameter(TEXT_BIAS).shape
        offset = Offset(torch.randn(size, generator=generator) * 0.2)
        stated = {
            "name": name,
            "summary": "made by a test",
            "method": "lora",
            "base": base_of(base, str(model_folder)),
            "contract": base.contract,
            "logit_scale": 20.0,
            "scope": ("photo",),
            "licence": "MIT",
        } | fields
        config = AdapterConfig.model_validate(stated)
        return Adapter(config, {IMAGE_WEIGHT: low_rank, TEXT_BIAS: offset})

    return make


@pytest.fixture
def adapter(make_adapter: Callable[..., Adapter]) -> Adapter:
    return make_adapter()


@pytest.fixture
def adapter_folder(adapter: Adapter, tmp_path: Path) -> Path:
    folder = tmp_path / "tiles"
    folder.mkdir()
    (folder / "card.md").write_text("# tiles\n", "utf-8")
    return save_adapter(adapter, folder)


@pytest.fixture
def probe_adapter(make_adapter: Callable[..., Adapter], base: OpenClipEncoder) -> Adapter:
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(3, base.space.dim, generator=generator)
    probe = Probe(("red", "green", "blue"), weights, torch.tensor([0.0, 1.0, -1.0]))
    return Adapter(make_adapter("colours", method="probe").config, {}, probe)
