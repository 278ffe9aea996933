"""From a record to the files of one open_clip model, wherever they are."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import open_clip

from fieldguide.errors import RegistryError, UnknownNameError, UsageError, WeightsError
from fieldguide.models.hf_clip import CONFIG as HF_CONFIG
from fieldguide.models.hf_clip import PREPROCESSOR as HF_PREPROCESSOR
from fieldguide.models.hf_clip import WEIGHTS as HF_WEIGHTS
from fieldguide.models.hf_clip import read_clip_config, to_open_clip
from fieldguide.models.hub import HubRepository, fetch, fetch_first, fetch_group
from fieldguide.models.openclip_config import (
    CONFIG_NAME,
    OpenClipConfig,
    check_config,
    read_config,
)
from fieldguide.models.openclip_guess import fitting_architectures
from fieldguide.models.openclip_names import HUB_PREFIX, LOCAL, architecture_config, near_names
from fieldguide.models.openclip_texts import FAST_TOKENIZER, VOCABULARIES, fetch_own_tokenizer
from fieldguide.models.openclip_texts import SETTINGS as TOKENIZER_SETTINGS
from fieldguide.models.state_dicts import PICKLES, SAFETENSORS
from fieldguide.models.weights import weight_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from fieldguide.registry import ModelRecord

logger = logging.getLogger(__name__)

# open_clip's names for a hub, best first; the rest in order of safety
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
           "model.safetensors", "open_clip_pytorch_model.bin", "open_clip_pytorch_model.pt",
           "open_clip_pytorch_model.pth", "pytorch_model.bin", "model.pt", "model.pth")  # fmt: skip
HUB_WEIGHTS = (WEIGHTS[0], WEIGHTS[1], WEIGHTS[3])
HUB_FILES = (CONFIG_NAME, WEIGHTS[0], WEIGHTS[3], FAST_TOKENIZER, *TOKENIZER_SETTINGS)
SETTINGS = {"folder", "hub", "revision", "architecture", "pretrained", "preprocess"}
PLACES = ("folder", "hub", "architecture")


@dataclass(frozen=True)
class Checkpoint:
    """The files of one model.

    Attributes:
        name: as a user can name it again.
        config: checked.
        weights: the one file of weights.
        folder: where the text side's files are looked for first.
        is_hf_clip: whether the weights are named as in transformers' CLIPModel.
    """

    name: str
    config: OpenClipConfig
    weights: Path
    folder: Path
    is_hf_clip: bool = False

    def tensors_for_network(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors as they were read under the names of open_clip's network."""
        return to_open_clip(tensors) if self.is_hf_clip else tensors


def find_checkpoint(record: ModelRecord) -> Checkpoint:
    """Find, or download, what a record names.

    Raises:
        RegistryError: its settings name no place, or what is not known.
        WeightsError: a file is missing or wrong.
        UnknownNameError: open_clip has no such architecture or checkpoint.
    """
    settings = record.settings
    if unknown := set(settings) - SETTINGS:
        raise RegistryError(
            f"The record {record.name!r} has the settings {', '.join(sorted(unknown))}; open_clip "
            f"models know {', '.join(sorted(SETTINGS))}. Edit your registry."
        )
    places = [place for place in PLACES if place in settings]
    if len(places) != 1:
        if record.name == LOCAL:
            raise _bare_file(weight_paths(record)["weights"])
        raise RegistryError(
            f"The record {record.name!r} must name one of {', '.join(PLACES)} in its settings, "
            f"not {' and '.join(places) or 'none'}. Edit your registry."
        )
    find = {"folder": _in_folder, "hub": _on_hub, "architecture": _of_architecture}[places[0]]
    found = find(record)
    return _with_overrides(found, settings.get("preprocess"))


def _in_folder(record: ModelRecord) -> Checkpoint:
    folder = Path(record.origin) / Path(str(record.settings["folder"])).expanduser()
    weights = weight_paths(record).get("weights")
    name = str(weights or folder) if record.name == LOCAL else record.name
    is_hf_clip = not (folder / CONFIG_NAME).is_file()
    if is_hf_clip and not (folder / HF_CONFIG).is_file():
        raise WeightsError(f"{folder} has no {CONFIG_NAME}. Correct the path of the folder.")
    config = read_clip_config(folder) if is_hf_clip else read_config(folder / CONFIG_NAME)
    return Checkpoint(name, config, weights or _weights_in(folder), folder, is_hf_clip)


def _weights_in(folder: Path) -> Path:
    """Return the one file of weights in a folder; safetensors before pickles."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    for suffixes in ((SAFETENSORS,), PICKLES):
        found = sorted(p for p in folder.iterdir() if p.suffix in suffixes and p.is_file())
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"{folder} holds several files of weights: {', '.join(p.name for p in found)}. "
                f"Name one: --model {found[0]}"
            )
    raise WeightsError(
        f"{folder} has no weights. Put {WEIGHTS[0]} there (open_clip.push_to_hf_hub.save_for_hf "
        "or safetensors.torch.save_file writes it)."
    )


def _on_hub(record: ModelRecord) -> Checkpoint:
    repository = HubRepository(str(record.settings["hub"]), record.settings.get("revision"))
    name = f"{HUB_PREFIX}{repository}" if record.name == LOCAL else record.name
    folder = fetch_group(repository, (), (CONFIG_NAME,), said=HUB_FILES)
    if folder is None:
        return _hf_clip_on_hub(record, repository, name)
    config = read_config(folder / CONFIG_NAME)
    if config.text.get("hf_tokenizer_name"):
        fetch_own_tokenizer(repository)
    weights = weight_paths(record).get("weights")
    weights = weights or fetch_first(repository, HUB_WEIGHTS, said=HUB_WEIGHTS)
    return Checkpoint(name, config, weights, folder)


def _hf_clip_on_hub(record: ModelRecord, repository: HubRepository, name: str) -> Checkpoint:
    """Fetch a model in the form of transformers' CLIPModel."""
    folder = fetch(repository, HF_CONFIG).parent
    fetch_group(repository, (HF_PREPROCESSOR, *TOKENIZER_SETTINGS), VOCABULARIES)
    config = read_clip_config(folder)
    weights = weight_paths(record).get("weights")
    weights = weights or fetch_first(repository, HF_WEIGHTS, said=HF_WEIGHTS)
    return Checkpoint(name, config, weights, folder, is_hf_clip=True)


def _of_architecture(record: ModelRecord) -> Checkpoint:
    architecture = str(record.settings["architecture"])
    model = architecture_config(architecture)
    tag = record.settings.get("pretrained")
    if tag is not None:
        return _of_tag(record, architecture, model, str(tag))
    weights = weight_paths(record).get("weights")
    if weights is None:
        raise RegistryError(
            f"The record {record.name!r} names an architecture and no weights. Add 'files: "
            "{weights: ...}' or 'pretrained: TAG' to your registry."
        )
    name = f"{architecture}:{weights}" if record.name == LOCAL else record.name
    preprocess = usual_preprocess(architecture)
    return Checkpoint(name, check_config(model, preprocess, architecture), weights, weights.parent)


def _of_tag(record: ModelRecord, architecture: str, model: dict[str, Any], tag: str) -> Checkpoint:
    stated = open_clip.get_pretrained_cfg(architecture, tag)
    if not stated:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        raise UnknownNameError(
            f"open_clip has no checkpoint {tag!r} of {architecture}, and there is no such file."
            f"{near_names(tag, tags)} There are: {', '.join(tags) or 'none'}."
        )
    repository, path = _place_of_tag(architecture, tag, stated)
    weights = weight_paths(record).get("weights")
    if weights is None:
        safe = [path.rsplit(".", 1)[0] + SAFETENSORS, path] if path else list(HUB_WEIGHTS)
        weights = fetch_first(repository, safe)
    if bool(stated.get("quick_gelu")) != bool(model.get("quick_gelu")):
        # open_clip only warns, and its numbers are wrong
        model["quick_gelu"] = bool(stated.get("quick_gelu"))
        logger.warning("%s:%s was trained with%s QuickGELU; so it is used", architecture, tag,
                       "" if model["quick_gelu"] else "out")  # fmt: skip
    name = f"{architecture}:{tag}" if record.name == LOCAL else record.name
    config = check_config(model, _preprocess_of(stated), f"{architecture}:{tag}")
    return Checkpoint(name, config, weights, weights.parent)


def _place_of_tag(
    architecture: str, tag: str, stated: Mapping[str, Any]
) -> tuple[HubRepository, str]:
    """Return the repository and the file, "" for the usual one."""
    place = str(stated.get("hf_hub") or "")
    if not place:
        raise WeightsError(
            f"{architecture}:{tag} is not on the hub. Download {stated.get('url')} and name the "
            f"file: --model {architecture}:FILE"
        )
    name, _, path = place.rpartition("/")
    return HubRepository(name), path


def _preprocess_of(stated: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("mean", "std", "interpolation", "resize_mode", "fill_color")
    return {k: list(v) if isinstance(v, tuple) else v for k, v in stated.items() if k in keys}


def usual_preprocess(architecture: str) -> dict[str, Any]:
    """Return the preprocessing that all of open_clip's checkpoints of an architecture share.

    open_clip itself takes OpenAI's for a file of any architecture, which is wrong for SigLIP.
    Where its own checkpoints differ, so do we: {} stands for open_clip's default.
    """
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    found = {
        json.dumps(_preprocess_of(open_clip.get_pretrained_cfg(architecture, tag)), sort_keys=True)
        for tag in tags
    }
    usual: dict[str, Any] = json.loads(found.pop()) if len(found) == 1 else {}
    return usual


def _with_overrides(found: Checkpoint, overrides: Any) -> Checkpoint:
    if overrides is None:
        return found
    if not isinstance(overrides, dict):
        raise RegistryError(f"preprocess of {found.name} must be a mapping. Edit your registry.")
    config = found.config
    merged = check_config(dict(config.model), {**config.preprocess, **overrides}, config.where)
    return replace(found, config=merged)


def _bare_file(path: Path) -> WeightsError:
    names = fitting_architectures(path)
    if not names:
        hint = "None of open_clip's architectures has tensors of these names and shapes."
    else:
        hint = f"Its tensors fit {', '.join(names)}."
        if len(names) > 1:
            hint += " Which one cannot be seen from the file: it was chosen when it was trained."
    example = names[0] if names else "ARCHITECTURE"
    return WeightsError(
        f"{path} has no {CONFIG_NAME} beside it, so its architecture is not known. {hint} Say it: "
        f"--model {example}:{path}"
    )
