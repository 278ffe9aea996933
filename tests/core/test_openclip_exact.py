"""Vectors equal open_clip's own: every kind of tower, tokenizer and preprocessing."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from fieldguide.data.images import ImageLoader
from fieldguide.models.load import named_model
from fieldguide.models.openclip import OpenClipEncoder, build_open_clip
from fieldguide.models.prepare import prepare
from fieldguide.models.towers import HasImageTower
from fieldguide.plugins import get_catalog
from fieldguide.tiny_checkpoints import KINDS, PREPROCESS, model_config, write_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["a cat", "a photo of 12 dogs, in the park.", "", "A_Cat's  tail", "x" * 300]
SIZES = [(48, 48), (31, 77), (200, 40), (97, 64), (1, 1), (333, 500)]
TOLERANCE = 1e-5


def encoder_of(folder: Path) -> OpenClipEncoder:
    return build_open_clip(named_model(str(folder), get_catalog()), torch.device("cpu"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """RGB files of several sizes, PNG and JPEG."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    paths = []
    for number, (width, height) in enumerate(SIZES):
        coarse = generator.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        paths.append(folder / f"{number}{'.png' if number % 2 else '.jpg'}")
        image.save(paths[-1])
    return paths


def open_clips_own(folder: Path, scratch: Path) -> tuple[Any, Any, Any]:
    """Load a folder with open_clip; a HF text tower's name becomes a path, as its users do."""
    copy = scratch / "reference"
    shutil.copytree(folder, copy)
    content = json.loads((copy / "open_clip_config.json").read_text())
    text = content["model_cfg"]["text_cfg"]
    if name := text.get("hf_model_name"):
        text["hf_model_name"] = str(copy / name.rsplit("/", 1)[-1])
        (copy / "open_clip_config.json").write_text(json.dumps(content))
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{copy}")
    return model.eval(), preprocess, open_clip.get_tokenizer(f"local-dir:{copy}")


def assert_equal_vectors(folder: Path, photos: list[Path], scratch: Path) -> None:
    model, preprocess, tokenizer = open_clips_own(folder, scratch)
    encoder = encoder_of(folder)
    loader = ImageLoader()
    prepared = [prepare(loader(path), encoder.contract, ())[1] for path in photos]
    pixels = torch.from_numpy(np.stack(prepared)).permute(0, 3, 1, 2)
    with torch.no_grad():
        batch = torch.stack([preprocess(Image.open(path)) for path in photos])
        images = model.encode_image(batch, normalize=True).numpy()
        texts = model.encode_text(tokenizer(TEXTS), normalize=True).numpy()
    assert len({tuple(row) for row in texts.round(6)}) >= 3  # the texts are told apart
    assert np.abs(encoder.encode_images(pixels).vectors - images).max() < TOLERANCE
    assert np.abs(encoder.encode_texts(TEXTS).vectors - texts).max() < TOLERANCE
    assert encoder.logit_scale == pytest.approx(model.logit_scale.exp().item())


@pytest.mark.parametrize("kind", list(KINDS))
def test_vectors_of_each_kind_of_model_equal_open_clips_own(
    kind: str, photos: list[Path], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / kind, model_config(kind))
    assert_equal_vectors(folder, photos, tmp_path)


@pytest.mark.parametrize("kind", ["vit", "wide"])
@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"resize_mode": "squash", "mean": [0.5] * 3, "std": [0.25, 0.5, 0.75]},
        {"resize_mode": "longest"},
        {"resize_mode": "longest", "fill_color": 200, "interpolation": "bilinear"},
        {"resize_mode": "shortest", "interpolation": "bilinear"},
        {"resize_mode": None, "mean": 0.5, "std": 0.5, "mode": "RGB", "size": 7},
    ],
    ids=str,
)
def test_vectors_under_each_preprocessing_equal_open_clips_own(
    kind: str, stated: dict[str, Any], photos: list[Path], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / kind, model_config(kind), preprocess=stated)
    assert_equal_vectors(folder, photos, tmp_path)


def test_half_precision_weights_give_open_clips_vectors(photos: list[Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_checkpoint(tmp_path / "half", model_config("vit"))
    weights = folder / "open_clip_model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights)
    assert_equal_vectors(folder, photos, tmp_path)


def test_a_language_tower_in_the_old_layout_is_read_as_open_clip_reads_it(
    photos: list[Path], tmp_path: Path
) -> None:
    plain = write_checkpoint(tmp_path / "plain", model_config("vit"))
    custom = write_checkpoint(tmp_path / "custom", model_config("custom_text"))
    shutil.copy(plain / "open_clip_model.safetensors", custom / "open_clip_model.safetensors")
    assert_equal_vectors(custom, photos, tmp_path)


def test_the_image_side_is_one_module_with_all_its_weights(tmp_path: Path) -> None:
    encoder = encoder_of(write_checkpoint(tmp_path / "m", model_config("coca")))
    assert isinstance(encoder, HasImageTower)
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    inside = sum(tensor.numel() for tensor in encoder.image_module.parameters())
    assert inside == sum(t.numel() for t in encoder.network.visual.parameters())
    with torch.no_grad():
        features = encoder.image_module(pixels).numpy()
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    vectors = encoder.encode_images(pixels).vectors
    assert np.allclose(features / lengths, vectors, atol=TOLERANCE)


def test_the_image_tower_that_another_backend_sets_is_used(tmp_path: Path) -> None:
    encoder = encoder_of(write_checkpoint(tmp_path / "m", model_config("vit")))
    assert isinstance(encoder, HasImageTower)
    encoder.image_tower = lambda pixels: torch.eye(32)[: len(pixels)]
    found = encoder.encode_images(torch.zeros((2, 3, 32, 32), dtype=torch.uint8))
    assert np.array_equal(found.vectors, np.eye(32, dtype=np.float32)[:2])


def test_plain_preprocessing_is_the_default() -> None:
    assert PREPROCESS["resize_mode"] == open_clip.transform.PreprocessCfg().resize_mode
