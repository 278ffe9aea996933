"""Merging for good: a model with an adapter as a checkpoint of its own, and back to the changes."""

from __future__ import annotations

import json
import math
import shutil
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from fieldguide.data.files import atomic_path, exists, unwritten
from fieldguide.errors import AdapterError
from fieldguide.models.openclip import OpenClipEncoder
from fieldguide.models.openclip_config import CONFIG_NAME
from fieldguide.models.openclip_contract import RESIZE
from fieldguide.models.openclip_files import WEIGHTS
from fieldguide.models.openclip_texts import SETTINGS, TOWER_CONFIG, VOCABULARIES
from fieldguide.tuning.attach import attach_for_work
from fieldguide.tuning.changes import Offset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.adapter import Adapter


def unmerged(base: nn.Module, merged: nn.Module) -> dict[str, Offset]:
    """Return what a merged network adds to its base, by the names of the parameters that differ.

    Put on the base again, the changes give the merged network to the rounding of one addition.

    Raises:
        AdapterError: the networks have other parameters, or of other shapes.
    """
    ours, theirs = dict(base.named_parameters()), dict(merged.named_parameters())
    fits = ours.keys() == theirs.keys()
    if not fits or any(theirs[name].shape != ours[name].shape for name in ours):
        raise AdapterError(
            "The two networks do not have the same parameters, so one is not the other with an "
            "adapter. Name the base that the merged one was made from."
        )
    return {
        name: Offset((theirs[name].detach() - tensor.detach()).float().cpu())
        for name, tensor in ours.items()
        if theirs[name] is not tensor and not torch.equal(theirs[name], tensor)
    }


def merged_tensors(tuned: Tunable) -> dict[str, Tensor]:
    """Return the tensors of a model under its checkpoint's names, its logit scale among them."""
    state = tuned.network.state_dict()
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    if "logit_scale" in tensors:
        tensors["logit_scale"].fill_(math.log(tuned.logit_scale))
    return tensors


def export_merged(
    encoder: Tunable, adapter: Adapter, folder: Path, *, strength: float | None = None
) -> Path:
    """Write an open_clip model with its adapter merged in: weights, configuration, text files.

    open_clip loads the folder (``local-dir:FOLDER``), and so does ``--model ./FOLDER``; with the
    licence of both, base and adapter.

    Args:
        encoder: the base, an open_clip model.
        adapter: made for it.
        folder: a new one.
        strength: 0 to 1; None for the picked one.

    Raises:
        AdapterError: the base is no open_clip model, or the adapter does not fit or do anything.
        StoreError: the folder cannot be written.
    """
    if not isinstance(encoder, OpenClipEncoder):
        raise AdapterError(
            f"The model {encoder.space.model} is joined from the files of several packages, so "
            "there is no checkpoint of it to merge into. Use it with the adapter beside: "
            f"--adapter {adapter.place or adapter.config.name}"
        )
    if encoder.new_parameters:
        raise AdapterError(
            f"The model {encoder.space.model} takes the bands {', '.join(encoder.contract.bands)}, "
            "which the configuration of an open_clip checkpoint cannot say. Use it with the "
            f"adapter beside: --adapter {adapter.place or adapter.config.name}"
        )
    if exists(folder):
        raise AdapterError(f"{folder} exists. Name a new --output folder.")
    tuned = attach_for_work(encoder, adapter, strength=strength)
    with atomic_path(folder / WEIGHTS[0]) as temporary:
        save_file(merged_tensors(tuned), temporary, {"format": "pt"})
    try:
        for source, target in _text_files(encoder):
            (folder / target).parent.mkdir(exist_ok=True)
            shutil.copyfile(source, folder / target)
        (folder / "README.md").write_text(_origin(tuned, adapter, strength), "utf-8")
    except OSError as error:
        raise unwritten(folder, error) from error
    with atomic_path(folder / CONFIG_NAME) as temporary:  # last: without it there is no model
        temporary.write_text(json.dumps(_config(encoder, tuned), indent=2), "utf-8")
    return folder


def _config(encoder: OpenClipEncoder, tuned: OpenClipEncoder) -> dict[str, Any]:
    config = encoder.checkpoint.config
    preprocess = dict(config.preprocess)
    if tuned.contract.resize != encoder.contract.resize:
        names = {ours: theirs for theirs, ours in RESIZE.items()}
        preprocess["resize_mode"] = names[tuned.contract.resize]
    return {"model_cfg": dict(config.model), "preprocess_cfg": preprocess}


def _text_files(encoder: OpenClipEncoder) -> Iterator[tuple[Path, str]]:
    """Yield the files of the text side and where they lie in the folder of a model."""
    texts = encoder.texts
    if texts.tokenizer is not None:
        for name in (*VOCABULARIES, *SETTINGS):
            if (texts.tokenizer / name).is_file():
                yield texts.tokenizer / name, name
    if texts.tower is not None:
        beside = str(encoder.checkpoint.config.text["hf_model_name"]).rsplit("/", 1)[-1]
        yield texts.tower / TOWER_CONFIG, f"{beside}/{TOWER_CONFIG}"


def _origin(tuned: OpenClipEncoder, adapter: Adapter, strength: float | None) -> str:
    config, contract = adapter.config, tuned.contract
    resize = contract.model_dump().get("resize", "a volume")
    used = config.strength if strength is None else strength
    limits = f"\nLimits: {config.licence_limits}" if config.licence_limits else ""
    research = "\nFor research use only." if config.research_only else ""
    return (
        f"# {config.name}, merged\n\n{config.summary}\n\n"
        f"Made by `fieldguide adapters merge` from the model {config.base.model} and the adapter "
        f"{config.name} ({adapter.digest[:12]}) at strength {used:g}.\n"
        f"Licence of the adapter: {config.licence}; that of the base model holds too."
        f"{limits}{research}\nInput: {' x '.join(map(str, contract.size_px))} px, "
        f"{resize}; logit scale {tuned.logit_scale:.3f}.\n"
    )
