"""Models in the form of transformers' CLIPModel, such as PLIP, as the open_clip network they are.

Both libraries build the network of Radford et al. 2021 (arXiv:2103.00020) and name its tensors
differently; the names are translated and nothing else. The center crop is open_clip's, which for
an odd number of surplus pixels lies one pixel beside that of transformers' image processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import CLIPConfig

from fieldguide.errors import WeightsError
from fieldguide.models.openclip_config import (
    OpenClipConfig,
    check_config,
    check_no_code,
    check_numbers,
    read_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
LEGACY_EOS = 2  # stated by configurations before transformers 4.30; means the highest number
_RESAMPLE = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_TOWERS = {"text_model.": "", "vision_model.": "visual."}
_NAMES = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",  # so spelled in transformers
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "logit_scale": "logit_scale",
}
_TRANSPOSED = {
    "text_projection.weight": "text_projection",
    "visual_projection.weight": "visual.proj",
}
_LAYER = {"self_attn.out_proj": "attn.out_proj", "layer_norm1": "ln_1", "layer_norm2": "ln_2",
          "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}  # fmt: skip
_JOINED = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")


def read_clip_config(folder: Path) -> OpenClipConfig:
    """Return what config.json and preprocessor_config.json of a folder say, in open_clip's words.

    Raises:
        WeightsError: it is no CLIPModel, or one that open_clip's network cannot equal.
    """
    path = folder / CONFIG
    content = read_json(path)
    check_no_code(content, str(path))
    check_numbers({key: content.get(key) for key in ("text_config", "vision_config")}, str(path))
    if content.get("model_type") != "clip":
        raise WeightsError(
            f"{path} describes a model of the kind {content.get('model_type')!r}, and {folder} has "
            "no open_clip_config.json. Models of open_clip, and transformers' CLIPModel, are read."
        )
    try:
        stated = CLIPConfig.from_dict(content)
        model = _model_config(stated)
    except (TypeError, ValueError, AttributeError, ZeroDivisionError, KeyError) as error:
        raise WeightsError(f"{path} is no CLIP configuration: {error}. Get it again.") from error
    return check_config(model, _preprocess(folder / PREPROCESSOR), str(path))


def to_open_clip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a CLIPModel under open_clip's names; unknown ones keep theirs."""
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith("embeddings.position_ids") or any(part in name for part in _JOINED[1:]):
            continue  # computed; joined below
        if name in _TRANSPOSED:
            state[_TRANSPOSED[name]] = tensor.T.contiguous()
        elif _JOINED[0] in name:
            parts = [tensors.get(name.replace(_JOINED[0], part)) for part in _JOINED]
            given = [part for part in parts if part is not None]
            own = _layer_name(name).replace(f"{_JOINED[0]}.", "attn.in_proj_")
            state[own] = torch.cat(given)
        else:
            state[_NAMES.get(name) or _layer_name(name)] = tensor
    return state


def _layer_name(name: str) -> str:
    for theirs, ours in _TOWERS.items():
        start = f"{theirs}encoder.layers."
        if name.startswith(start):
            name = f"{ours}transformer.resblocks.{name.removeprefix(start)}"
            for old, new in _LAYER.items():
                name = name.replace(f".{old}.", f".{new}.")
    return name


def _model_config(stated: Any) -> dict[str, Any]:
    text, vision = stated.text_config, stated.vision_config
    activations = {text.hidden_act, vision.hidden_act}
    if activations not in ({"quick_gelu"}, {"gelu"}):
        raise ValueError(f"the activations {sorted(activations)} are not open_clip's")
    pool = {"pool_type": "argmax"}
    if text.eos_token_id != LEGACY_EOS:
        pool = {"pool_type": "eos", "eos_id": text.eos_token_id}
    return {
        "embed_dim": stated.projection_dim,
        "quick_gelu": activations == {"quick_gelu"},
        "vision_cfg": {
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "layers": vision.num_hidden_layers,
            "width": vision.hidden_size,
            "head_width": vision.hidden_size // vision.num_attention_heads,
            "mlp_ratio": vision.intermediate_size / vision.hidden_size,
            "norm_kwargs": {"eps": vision.layer_norm_eps},
        },
        "text_cfg": {
            "context_length": text.max_position_embeddings,
            "vocab_size": text.vocab_size,
            "width": text.hidden_size,
            "heads": text.num_attention_heads,
            "layers": text.num_hidden_layers,
            "mlp_ratio": text.intermediate_size / text.hidden_size,
            "norm_kwargs": {"eps": text.layer_norm_eps},
            "hf_tokenizer_name": "tokenizer of the folder",
            **pool,
        },
    }


def _preprocess(path: Path) -> dict[str, Any]:
    """Return open_clip's words for an image processor's; {} where there is none."""
    if not path.is_file():
        return {}
    content = read_json(path)
    size = content.get("size", {})
    is_squashed = isinstance(size, dict) and "height" in size
    if is_squashed and content.get("do_center_crop"):
        raise WeightsError(
            f"{path} squashes and then crops, which is not known here. State the preprocessing in "
            "an open_clip_config.json."
        )
    if content.get("resample", 3) not in _RESAMPLE:
        raise WeightsError(
            f"{path} resamples by Pillow's method {content['resample']}; bilinear (2) and bicubic "
            "(3) are known here."
        )
    return {
        "mean": content.get("image_mean"),
        "std": content.get("image_std"),
        "interpolation": _RESAMPLE[content.get("resample", 3)],
        "resize_mode": "squash" if is_squashed else "shortest",
    }
