"""A tiny model, pictures of noise, and a plugin whose files are cut into windows."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.plugins import build_catalog
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fieldguide.guides import Guide
    from fieldguide.plugins import Catalog

PLUGIN = '''
from contextlib import contextmanager
from dataclasses import replace
import numpy as np
from fieldguide.data.image_windows import WindowedImage
from fieldguide.errors import ContractError, LoadError
from fieldguide.hookspecs import hookimpl
from fieldguide.samples import Sample
from fieldguide.specs import DomainSpec, LoaderSpec, ModalitySpec, OptionSpec

api = 1

class Loader:
    """Arrays (H, W, 3); zeros are glass without tissue."""
    def __call__(self, path):
        try:
            array = np.load(path)
        except ValueError:
            raise LoadError("it is no array. Give another.") from None
        return Sample(array, ("red", "green", "blue"), "srgb8", valid=array.any(axis=-1))

@contextmanager
def windows(loader, path, bands=None):
    yield WindowedImage(loader(path))

def check(sample):
    if sample.array[..., 0].max() == 7:
        raise ContractError("it is red wine. Give a slide.")

def normaliser(brightness=0):
    def fit(whole):
        mean = whole.array[whole.valid].mean() if whole.valid is not None else whole.array.mean()
        def normalise(part):
            shifted = np.clip(part.array + (brightness - mean), 1, 255).astype(np.uint8)
            return part.repaired("brightness", array=shifted)
        return normalise
    return fit

@hookimpl
def register_loaders():
    yield LoaderSpec(name="glass", summary="x", target="windowed_plugin:Loader",
                     suffixes=(".glass",), windows="windowed_plugin:windows")

@hookimpl
def register_domains():
    slide = ModalitySpec(name="glass_slide", summary="x", loader=("glass",), by_windows=True,
                         check="windowed_plugin:check", repairs=("fill_nodata_with_mean",),
                         normaliser="windowed_plugin:normaliser",
                         normaliser_options=("brightness",))
    yield DomainSpec(name="glass_domain", summary="x", modalities=(slide,),
                     options=(OptionSpec(name="brightness", help="x", type="number"),))
'''


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def guide(tiny: Path) -> Guide:
    return fg.guide(model=str(tiny), device="cpu", batch_size=8)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return draw(tmp_path / "picture.png", 5)


@pytest.fixture
def windowed_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    """The catalogue with a plugin whose only modality is classified by windows."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "windowed_plugin.py").write_text(PLUGIN, "utf-8")
    monkeypatch.syspath_prepend(folder)
    yield build_catalog([EntryPoint("glass", "windowed_plugin", "fieldguide")])
    sys.modules.pop("windowed_plugin", None)


def draw(path: Path, seed: int, size_px: tuple[int, int] = (90, 70)) -> Path:
    """Write a picture of coloured noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size_px, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path
