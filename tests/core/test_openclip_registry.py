"""The records of known open_clip checkpoints name architectures and checkpoints that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import open_clip
import pytest
import torch

from fieldguide.models.openclip_build import make_network
from fieldguide.models.openclip_config import check_config
from fieldguide.models.openclip_contract import open_clip_contract
from fieldguide.models.openclip_files import SETTINGS, usual_preprocess
from fieldguide.models.openclip_names import architecture_config
from fieldguide.models.terms import contract_differences
from fieldguide.plugins import get_catalog

if TYPE_CHECKING:
    from fieldguide.registry import ModelRecord

KNOWN = [
    record
    for record in get_catalog().registry.models
    if record.architecture == "open_clip" and not record.unsupported
]


@pytest.mark.parametrize("record", KNOWN, ids=lambda record: record.name)
def test_a_known_checkpoint_states_what_its_architecture_takes(record: ModelRecord) -> None:
    settings = record.settings
    assert set(settings) <= SETTINGS
    if "hub" in settings:
        return  # its configuration is on the hub
    architecture = str(settings["architecture"])
    model = architecture_config(architecture)
    if tag := settings.get("pretrained"):
        stated = open_clip.get_pretrained_cfg(architecture, str(tag))
        assert stated["hf_hub"], "fetched from the hub"
        assert bool(stated.get("quick_gelu")) == bool(model.get("quick_gelu"))
        keys = ("mean", "std", "interpolation", "resize_mode")
        preprocess = {key: stated[key] for key in keys}
        preprocess = {k: list(v) if isinstance(v, tuple) else v for k, v in preprocess.items()}
    else:
        assert "weights" in record.files
        preprocess = usual_preprocess(architecture)
    preprocess |= settings.get("preprocess", {})
    config = check_config(model, preprocess, architecture)
    with torch.device("meta"):
        network = make_network(config, None)
    contract = open_clip_contract(config, network.visual.image_size)
    assert record.embed_dim in (None, config.model["embed_dim"])
    assert record.image_size_px is None or record.image_size_px in contract.size_px
    assert record.contract is None or contract_differences(record.contract, contract) == {}
