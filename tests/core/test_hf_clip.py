"""Models in the form of transformers' CLIPModel give transformers' vectors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from fieldguide.errors import FieldguideError, WeightsError
from fieldguide.models.load import lasting_name, named_model
from fieldguide.models.openclip import build_open_clip
from fieldguide.plugins import get_catalog
from fieldguide.tiny_checkpoints import write_character_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 48}  # fmt: skip


def write_clip(folder: Path, **text: Any) -> CLIPModel:
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**TOWER, "vocab_size": 100, "max_position_embeddings": 24, "eos_token_id": 99,
                     "bos_token_id": 98, "pad_token_id": 0, **text},
        vision_config={**TOWER, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )  # fmt: skip
    model = CLIPModel(config).eval()
    for parameter in model.parameters():
        if parameter.ndim:
            parameter.data += 0.05 * torch.randn(parameter.shape)
    model.save_pretrained(folder)
    write_character_tokenizer(folder, 100)
    preprocessor = {"do_resize": True, "size": {"shortest_edge": 32}, "do_center_crop": True,
                    "crop_size": {"height": 32, "width": 32}, "resample": 2,
                    "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return model


def open_folder(folder: Path) -> Any:
    return build_open_clip(named_model(str(folder), get_catalog()), torch.device("cpu"))


def normalised(features: Any) -> np.ndarray[Any, Any]:
    tensor = features if isinstance(features, torch.Tensor) else features.pooler_output
    return torch.nn.functional.normalize(tensor, dim=-1).detach().numpy()


@pytest.mark.parametrize(
    "text",
    [{}, {"eos_token_id": 2}, {"layer_norm_eps": 1e-4}, {"hidden_act": "quick_gelu"}],
    ids=str,
)
def test_vectors_equal_transformers(text: dict[str, Any], tmp_path: Path) -> None:
    model = write_clip(tmp_path, **text)
    encoder = open_folder(tmp_path)
    assert encoder.contract.interpolation == "bilinear"
    pixels = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4])
    ready = (pixels / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    texts = ["a cat", "a dog in 12 parks", "x" * 60]
    tokens = encoder.tokenizer(texts)
    with torch.no_grad():
        images = normalised(model.get_image_features(pixel_values=ready))
        words = normalised(model.get_text_features(input_ids=tokens))
    assert np.abs(encoder.encode_images(pixels).vectors - images).max() < 1e-5
    assert np.abs(encoder.encode_texts(texts).vectors - words).max() < 1e-5
    assert encoder.logit_scale == pytest.approx(model.logit_scale.exp().item())


def test_a_pickle_of_it_is_read_with_the_positions_that_older_releases_saved(
    tmp_path: Path,
) -> None:
    model = write_clip(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    old = {"text_model.embeddings.position_ids": torch.arange(24)[None]}
    torch.save(model.state_dict() | old, tmp_path / "pytorch_model.bin")
    assert open_folder(tmp_path).space.dim == 16


def test_its_folder_is_kept_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "clip")
    monkeypatch.chdir(tmp_path)
    assert lasting_name("clip", get_catalog()) == str(tmp_path / "clip")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "siglip"}, "has no open_clip_config.json"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "auto_map"),
        ({"text_config": {"hidden_size": 10**9}}, "absurd"),
        ({"projection_dim": 8}, "does not fit"),
        ({"text_config": {"hidden_act": "gelu"}}, "activations"),
    ],
)
def test_what_is_no_such_model_is_refused(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    write_clip(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FieldguideError, match=said):
        open_folder(tmp_path)


def test_missing_tensors_are_refused_by_name(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    write_clip(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["vision_model.encoder.layers.0.self_attn.k_proj.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"attn.in_proj_weight \(64, 32\)"):
        open_folder(tmp_path)
