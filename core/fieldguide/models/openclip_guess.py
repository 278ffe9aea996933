"""Which of open_clip's architectures have exactly the tensors of a file; for messages only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from fieldguide.errors import WeightsError
from fieldguide.models.openclip_build import fit, make_network
from fieldguide.models.openclip_config import check_config
from fieldguide.models.openclip_names import architectures
from fieldguide.models.state_dicts import read_state_dict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

MAX_BUILT = 24
_TEXT = ("", "text.")


def fitting_architectures(path: Path) -> list[str]:
    """Return the names of the architectures that a file of weights fits without a tensor over.

    Raises:
        WeightsError: the file cannot be read.
    """
    tensors = read_state_dict(path)
    candidates = [
        (name, config)
        for name, place in architectures().items()
        if _may_fit(config := json.loads(place.read_text("utf-8")), tensors)
    ]
    return [name for name, config in candidates[:MAX_BUILT] if _fits(name, config, tensors, path)]


def _may_fit(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bool:
    """Compare a few widths, which costs nothing."""
    vision, text = config["vision_cfg"], config["text_cfg"]
    if text.get("hf_model_name"):
        return False  # its text tower cannot be made without a configuration from elsewhere
    if ("timm_model_name" in vision) != any(name.startswith("visual.trunk.") for name in tensors):
        return False
    words = _first(tensors, "token_embedding.weight")
    if words is not None and list(words.shape) != [text.get("vocab_size", 49408),
                                                   text.get("width", 512)]:  # fmt: skip
        return False
    patches = tensors.get("visual.conv1.weight")
    is_vit = "visual.class_embedding" in tensors and not isinstance(vision.get("layers"), list)
    if patches is not None and patches.ndim == 4 and is_vit:
        return bool(patches.shape[0] == vision.get("width", 768))
    return True


def _first(tensors: Mapping[str, Tensor], name: str) -> Tensor | None:
    return next((tensors[start + name] for start in _TEXT if start + name in tensors), None)


def _fits(name: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> bool:
    try:
        with torch.device("meta"):
            network = make_network(check_config(config, {}, name), None)
        fit(network, tensors, path)
    except WeightsError:
        return False
    return True
