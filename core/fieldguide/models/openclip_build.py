"""From a checked configuration and tensors read as data to an open_clip network.

open_clip's own ``create_model`` may fetch files, falls back to an unrestricted unpickler and only
logs a warning where there are no weights. Here its classes are used directly: the network is
first made without memory, every name and shape is compared, and then it is filled.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from open_clip.factory import convert_state_dict, convert_to_custom_text_state_dict
from open_clip.timm_model import TimmModel
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fieldguide.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from fieldguide.models.openclip_config import OpenClipConfig

SHOWN = 3
# OpenAI's programs carry these numbers beside the tensors.
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")
UNUSED = "text_decoder."  # CoCa's captions; open_clip leaves a part of it as memory was
# saved by transformers before 4.31, computed since
POSITION_IDS = "text.transformer.embeddings.position_ids"
_RANDOM = {
    nn.init.uniform_, nn.init.normal_, nn.init.trunc_normal_, nn.init.kaiming_uniform_,
    nn.init.kaiming_normal_, nn.init.xavier_uniform_, nn.init.xavier_normal_, nn.init.orthogonal_,
    Tensor.uniform_, Tensor.normal_, Tensor.erfinv_,
}  # fmt: skip


class _SkipRandom(TorchFunctionMode):
    """Leaves memory as it is where random numbers would be drawn: all of it is filled later."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in _RANDOM:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def load_network(
    config: OpenClipConfig, tensors: Mapping[str, Tensor], tower: Path | None, source: Path
) -> Any:
    """Return the network on the CPU in float32, in eval mode, frozen.

    Args:
        config: a checked configuration.
        tensors: of the checkpoint, by name; half precision becomes float32.
        tower: folder with the config.json of a Hugging Face text tower, or None.
        source: the weights' file, for messages.

    Raises:
        WeightsError: the tensors are not those of this network, or are not finite.
    """
    with torch.device("meta"):
        skeleton = make_network(config, tower)
    fitted = fit(skeleton, tensors, source)
    with _SkipRandom():
        network = make_network(config, tower)
    network.load_state_dict(fitted, strict=True)
    check_finite(network, source)
    return network.eval().requires_grad_(False)


def make_network(config: OpenClipConfig, tower: Path | None) -> Any:
    """Return the network as open_clip's ``create_model`` makes it, without weights.

    Raises:
        WeightsError: the configuration does not describe one.
    """
    model: dict[str, Any] = deepcopy(dict(config.model))
    model.pop("custom_text", None)
    model.pop("output_dict", None)
    if model["vision_cfg"].get("timm_model_name"):
        model["vision_cfg"]["timm_model_pretrained"] = False
    if tower is not None:
        model["text_cfg"] |= {"hf_model_name": str(tower), "hf_model_pretrained": False}
    try:
        return config.network_class(**model)
    except Exception as error:
        # a configuration can be wrong in as many ways as the three libraries have layers
        raise WeightsError(
            f"{config.where} describes no network that can be built: {type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0][:200]} Correct it, or save the model again "
            "with the open_clip version that made it."
        ) from error


def first_convolution(network: Any) -> str:
    """Return the path of the module that the pixels enter; "" where timm does not say it."""
    if not isinstance(network.visual, TimmModel):
        return "visual.conv1"
    stated = network.visual.trunk.pretrained_cfg.get("first_conv")
    return f"visual.trunk.{stated}" if isinstance(stated, str) else ""


def fit(network: Any, tensors: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """Return the tensors under the network's names, all there, none left over, of its shapes.

    Older layouts that open_clip reads are read too. Position embeddings of another image size or
    context length are refused, where open_clip would stretch them and say nothing.

    Raises:
        WeightsError: they do not fit; some of the names are said.
    """
    state = _in_todays_layout(network, tensors, source)
    own = network.state_dict()
    for name in (*NOT_WEIGHTS, POSITION_IDS, "logit_bias"):
        if name not in own:
            state.pop(name, None)
    for name in ("logit_scale", "logit_bias"):  # one number, saved as () or (1,)
        if name in own and name in state and state[name].numel() == 1:
            state[name] = state[name].reshape(own[name].shape)
    if "logit_bias" in own and "logit_scale" in state:
        state.setdefault("logit_bias", torch.zeros_like(state["logit_scale"]))
    if faults := _faults(own, state):
        raise _misfit(source, faults)
    return state


def _in_todays_layout(
    network: Any, tensors: Mapping[str, Tensor], source: Path
) -> dict[str, Tensor]:
    state: dict[str, Tensor] = dict(tensors)
    try:
        state = convert_state_dict(network, state)
        if "positional_embedding" in state and not hasattr(network, "positional_embedding"):
            state = convert_to_custom_text_state_dict(state)
    except (RuntimeError, KeyError, IndexError, ValueError, AttributeError) as error:
        raise _misfit(source, [f"conversion fails ({type(error).__name__}: {error})"]) from error
    return state


def check_finite(network: nn.Module, source: Path) -> None:
    """Raise WeightsError when a weight is NaN or infinite, naming some."""
    bad = [
        name
        for name, tensor in network.state_dict().items()
        if not name.startswith(UNUSED)
        and tensor.is_floating_point()
        and not torch.isfinite(tensor).all()
    ]
    if bad:
        raise WeightsError(
            f"{source} holds numbers that are not finite (NaN or infinite) in {_some(bad)}. The "
            "training went wrong or the file is damaged; use an earlier checkpoint."
        )


def _faults(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    faults = []
    if missing := [name for name in own if name not in state]:
        faults.append(f"{len(missing)} tensors are missing ({_some(missing)})")
    if unexpected := [name for name in state if name not in own]:
        faults.append(f"{len(unexpected)} are unknown ({_some(unexpected)})")
    wrong = [
        f"{name} {tuple(state[name].shape)} where {tuple(tensor.shape)} belongs"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if wrong:
        faults.append(f"{len(wrong)} have another shape ({_some(wrong)})")
    return faults


def _misfit(source: Path, faults: list[str]) -> WeightsError:
    hint = (
        " Only position embeddings differ: the weights are for another image size or context "
        "length, which the configuration must state."
        if len(faults) == 1 and "shape" in faults[0] and "positional_embedding" in faults[0]
        else ""
    )
    return WeightsError(
        f"{source} does not fit its architecture: {'; '.join(faults)}.{hint} Name the architecture "
        "it was trained with (ARCHITECTURE:FILE), or put its own open_clip_config.json beside it."
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
