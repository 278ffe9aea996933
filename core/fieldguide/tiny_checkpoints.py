"""Tiny random open_clip models of every kind, written as a hub folder would be; for tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789 .,-'"
WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"
FOLDER_TOKENIZER = "tokenizer of the folder"
OWN_WORDS = {"vocab_size": 49408}  # of the word pieces that open_clip ships

_VISION = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}
_TEXT = {"context_length": 64, "vocab_size": 100, "width": 32, "heads": 2, "layers": 2,
         "hf_tokenizer_name": FOLDER_TOKENIZER}  # fmt: skip
_BPE_TEXT = {"context_length": 77, "width": 32, "heads": 2, "layers": 2, **OWN_WORDS}
_TIMM = {"timm_pool": "avg", "timm_proj": "linear", "image_size": 160}

KINDS: Mapping[str, Mapping[str, Any]] = {
    "vit": {"vision_cfg": _VISION, "text_cfg": _TEXT},
    "vit_bpe": {"vision_cfg": _VISION, "text_cfg": _BPE_TEXT},
    "short_context": {"vision_cfg": _VISION, "text_cfg": _BPE_TEXT | {"context_length": 20}},
    "quick_gelu": {"vision_cfg": _VISION, "text_cfg": _TEXT, "quick_gelu": True},
    "custom_text": {"vision_cfg": _VISION, "text_cfg": _TEXT, "custom_text": True},
    "wide": {"vision_cfg": _VISION | {"image_size": [32, 48]}, "text_cfg": _TEXT},
    "resnet": {
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8},
        "text_cfg": _TEXT,
    },
    "siglip": {
        "vision_cfg": _TIMM | {"timm_model_name": "test_vit", "timm_proj": "none",
                               "timm_pool": "map"},
        "text_cfg": _TEXT | {"no_causal_mask": True, "proj_bias": True, "pool_type": "last",
                             "norm_kwargs": {"eps": 1e-6}, "context_length": 16,
                             "tokenizer_kwargs": {"clean": "canonicalize"}},
        "custom_text": True,
        "init_logit_bias": -10,
        "embed_dim": 64,
    },
    "coca": {
        "vision_cfg": _VISION | {"attentional_pool": True, "attn_pooler_heads": 2,
                                 "attn_pooler_queries": 8, "output_tokens": True},
        "text_cfg": _TEXT | {"embed_cls": True, "output_tokens": True, "context_length": 24},
        "multimodal_cfg": {"context_length": 24, "vocab_size": 100, "width": 32, "heads": 2,
                           "layers": 1, "attn_pooler_heads": 2},
        "custom_text": True,
    },
    "timm_vit": {"vision_cfg": _TIMM | {"timm_model_name": "test_vit"}, "text_cfg": _TEXT},
    "timm_convnext": {
        "vision_cfg": _TIMM | {"timm_model_name": "test_convnext", "timm_proj": "mlp",
                               "timm_pool": ""},
        "text_cfg": _TEXT,
    },
    "bert": {
        "vision_cfg": _VISION,
        "text_cfg": {"hf_model_name": "some-org/tiny-bert", "hf_tokenizer_name": FOLDER_TOKENIZER,
                     "hf_proj_type": "mlp", "hf_pooler_type": "cls_last_hidden_state_pooler",
                     "context_length": 32},
    },
    "bert_pooler": {
        "vision_cfg": _VISION,
        "text_cfg": {"hf_model_name": "some-org/tiny-bert", "hf_tokenizer_name": FOLDER_TOKENIZER,
                     "hf_proj_type": "linear", "hf_pooler_type": "cls_pooler",
                     "context_length": 32},
    },
    "roberta": {
        "vision_cfg": _VISION,
        "text_cfg": {"hf_model_name": "some-org/tiny-roberta",
                     "hf_tokenizer_name": FOLDER_TOKENIZER, "hf_proj_type": "linear",
                     "hf_pooler_type": "mean_pooler", "context_length": 32},
    },
}  # fmt: skip
"""What open_clip's model_cfg says of each kind; embed_dim is 32 where it is not stated."""

_TOWER = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
          "intermediate_size": 64, "max_position_embeddings": 64}  # fmt: skip
TOWERS: Mapping[str, Mapping[str, Any]] = {
    "some-org/tiny-bert": {"model_type": "bert", "pad_token_id": 0, **_TOWER},
    "some-org/tiny-roberta": {"model_type": "roberta", "pad_token_id": 0, **_TOWER},
}
"""config.json of the Hugging Face text towers that some kinds name."""

PREPROCESS: Mapping[str, Any] = {
    "mean": list(open_clip.OPENAI_DATASET_MEAN),
    "std": list(open_clip.OPENAI_DATASET_STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def model_config(kind: str) -> dict[str, Any]:
    """Return a fresh ``model_cfg`` of one of ``KINDS``."""
    config: dict[str, Any] = json.loads(json.dumps(KINDS[kind]))
    return {"embed_dim": 32, **config}


def write_checkpoint(
    folder: Path,
    config: Mapping[str, Any],
    *,
    preprocess: Mapping[str, Any] = PREPROCESS,
    seed: int = 0,
) -> Path:
    """Write a random model: config, weights, tokenizer, and a text tower's config.json.

    Args:
        folder: is made.
        config: open_clip's ``model_cfg``; see :func:`model_config`.
        preprocess: open_clip's ``preprocess_cfg``.
        seed: of the weights; another seed is another space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = config["text_cfg"]
    if text.get("hf_tokenizer_name"):
        write_character_tokenizer(folder, text.get("vocab_size", 100))
    if name := text.get("hf_model_name"):
        beside = folder / name.rsplit("/", 1)[-1]
        beside.mkdir(exist_ok=True)
        (beside / "config.json").write_text(json.dumps(TOWERS[name]), "utf-8")
    content = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / CONFIG).write_text(json.dumps(content, indent=2), "utf-8")
    save_file(_weights(config, folder, seed), folder / WEIGHTS)
    return folder


def _weights(config: Mapping[str, Any], folder: Path, seed: int) -> dict[str, torch.Tensor]:
    """Return weights of which none is trivial, as training leaves them."""
    given = json.loads(json.dumps(config))
    text, vision = given["text_cfg"], given["vision_cfg"]
    is_custom = given.pop("custom_text", False) or "hf_model_name" in text
    if "hf_model_name" in text:
        beside = folder / text["hf_model_name"].rsplit("/", 1)[-1]
        text |= {"hf_model_name": str(beside), "hf_model_pretrained": False}
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    kind = open_clip.CustomTextCLIP if is_custom else open_clip.CLIP
    kind = open_clip.CoCa if "multimodal_cfg" in given else kind
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        state = kind(**given).state_dict()
    for name, tensor in state.items():
        if name.startswith("text_decoder."):
            tensor.zero_()  # open_clip leaves a part of it as memory was
        if tensor.is_floating_point() and tensor.ndim and not name.endswith("running_var"):
            tensor += 0.02 * torch.randn(tensor.shape, generator=generator)
    return {name: tensor.contiguous().clone() for name, tensor in state.items()}


def write_character_tokenizer(folder: Path, vocabulary_size: int) -> None:
    """Write a tokenizer of single characters; the end token has the highest number."""
    start, end = vocabulary_size - 2, vocabulary_size - 1
    vocabulary = {"<pad>": 0, "<unk>": 1, "<start>": start, "<end>": end}
    vocabulary |= {character: place for place, character in enumerate(CHARACTERS, start=2)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split(Regex("."), "isolated")
    tokenizer.post_processor = TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", start), ("<end>", end)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "bos_token": "<start>",
        "eos_token": "<end>",
    }
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
