"""The registry's checkpoints of others: complete, consistent with open_clip, honest about gaps."""

from __future__ import annotations

import functools
import re
import socket
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from fieldguide.errors import UsageError
from fieldguide.models.load import load_encoder, pick_model
from fieldguide.plugins import Catalog, get_catalog
from fieldguide.registry import HubFile, ModelRecord

RECORDS = [record for record in get_catalog().registry.models if record.availability != "ready"]
RUNNABLE = [record for record in RECORDS if record.availability == "downloads"]
UNSUPPORTED = [record for record in RECORDS if record.availability == "unsupported"]
OF_OPEN_CLIP = [record for record in RUNNABLE if "architecture" in record.settings]
SPDX = {"MIT", "Apache-2.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-4.0"}
NAMES = {
    *("remoteclip_rn50", "remoteclip_vit_b_32", "remoteclip_vit_l_14"),
    *("georsclip_vit_b_32", "georsclip_vit_h_14", "georsclip_vit_b_32_ret2"),
    *("georsclip_vit_b_32_rsicd", "georsclip_vit_b_32_rsitmd", "llama3_ms_clip"),
    *("bioclip", "bioclip_2", "biomedclip", "bmc_clip"),
    *("quiltnet_b_32", "quiltnet_b_16", "quiltnet_b_16_pmb", "plip", "conch"),
    *("medclip_vit", "medclip_resnet50", "ct_clip", "merlin"),
    *("clip_vit_b_32_openai", "clip_vit_b_16_openai", "clip_vit_l_14_openai"),
    *("clip_vit_b_32_laion2b", "clip_vit_b_16_laion2b", "clip_vit_l_14_laion2b"),
    *("siglip2_vit_b_16", "siglip2_so400m_14_378"),
    *("mobileclip_s1", "mobileclip_s2", "mobileclip_b"),
}
FLOAT32_BYTES = 4


@pytest.fixture
def catalog() -> Catalog:
    return get_catalog()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def named(record: ModelRecord) -> str:
    return record.name


def test_every_known_family_is_in_the_registry() -> None:
    assert {record.name for record in RECORDS} == NAMES


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_a_licence_is_an_spdx_name_or_says_that_it_is_none(record: ModelRecord) -> None:
    assert record.licence in SPDX or record.licence.startswith("LicenseRef-")
    assert (
        record.licence in SPDX or record.licence_limits
    )  # an unusual licence says what it forbids
    assert record.source is not None


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_a_licence_without_commerce_marks_the_weights_as_research_only(record: ModelRecord) -> None:
    forbids = "-NC-" in record.licence or record.licence == "LicenseRef-apple-amlr"
    assert record.research_only == forbids


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_a_model_is_made_for_a_modality_that_is_offered(
    record: ModelRecord, catalog: Catalog
) -> None:
    offered = {m.name for domain in catalog.domains.usable() for m in domain.modalities}
    assert set(record.scope) <= offered
    assert record.scope or record.unsupported


@pytest.mark.parametrize("record", RUNNABLE, ids=named)
def test_a_model_that_runs_is_of_an_offered_architecture_and_a_place(
    record: ModelRecord, catalog: Catalog
) -> None:
    assert record.architecture in catalog.models
    assert ("hub" in record.settings) != ("architecture" in record.settings)
    assert record.hubs or "pretrained" in record.settings


@pytest.mark.parametrize("record", OF_OPEN_CLIP, ids=named)
def test_dimension_size_and_context_are_those_of_open_clips_architecture(
    record: ModelRecord,
) -> None:
    config = open_clip.get_model_config(record.settings["architecture"])
    assert config is not None
    assert record.embed_dim == config["embed_dim"]
    assert record.image_size_px == config["vision_cfg"]["image_size"]
    assert record.context_length == config["text_cfg"]["context_length"]


@pytest.mark.parametrize("record", OF_OPEN_CLIP, ids=named)
def test_a_stated_contract_is_that_of_open_clips_preprocessing(record: ModelRecord) -> None:
    if record.contract is None:
        assert record.name == "bmc_clip"  # its source states none
        return
    tag = record.settings.get("pretrained")
    stated = open_clip.get_pretrained_cfg(record.settings["architecture"], tag) if tag else {}
    mean = stated.get("mean", open_clip.OPENAI_DATASET_MEAN)
    std = stated.get("std", open_clip.OPENAI_DATASET_STD)
    resize = {"shortest": "center_crop", "squash": "squash"}[stated.get("resize_mode", "shortest")]

    assert record.contract.mean == pytest.approx([255 * value for value in mean])
    assert record.contract.std == pytest.approx([255 * value for value in std])
    assert record.contract.resize == resize
    assert record.contract.interpolation == stated.get("interpolation", "bicubic")
    assert record.contract.size_px == (record.image_size_px, record.image_size_px)


@pytest.mark.parametrize("record", OF_OPEN_CLIP, ids=named)
def test_a_tag_is_one_of_open_clips_and_its_activation_that_of_the_architecture(
    record: ModelRecord,
) -> None:
    architecture = record.settings["architecture"]
    if tag := record.settings.get("pretrained"):
        assert tag in open_clip.list_pretrained_tags_by_model(architecture)
        stated = open_clip.get_pretrained_cfg(architecture, tag)
        config = open_clip.get_model_config(architecture)
        assert bool(stated.get("quick_gelu")) == bool(config.get("quick_gelu"))


@pytest.mark.parametrize(
    "name",
    ["remoteclip_rn50", "remoteclip_vit_b_32", "remoteclip_vit_l_14", "georsclip_vit_b_32",
     "georsclip_vit_b_32_ret2", "georsclip_vit_b_32_rsicd", "georsclip_vit_b_32_rsitmd",
     "clip_vit_b_32_openai"],
)  # fmt: skip
def test_what_starts_from_openais_weights_is_built_with_their_activation(
    name: str, catalog: Catalog
) -> None:
    architecture = catalog.registry.model(name).settings["architecture"]
    assert open_clip.get_model_config(architecture)["quick_gelu"] is True


# Sizes, counted independently of the registry.


@functools.cache
def parameters_of(architecture: str) -> int:
    with torch.device("meta"):
        model = open_clip.create_model(architecture, pretrained=None, device="meta")
    return sum(value.numel() for value in model.state_dict().values())


def transformer_parameters(width: int, layers: int) -> int:
    attention = 4 * (width * width + width)
    mlp = 2 * 4 * width * width + 5 * width
    return layers * (attention + mlp + 4 * width)


def biomedclip_parameters() -> int:
    words, positions, kinds, width, dim = 30_522, 512, 2, 768, 512  # PubMedBERT: BERT base
    text = (words + positions + kinds) * width + 2 * width + transformer_parameters(width, 12)
    text += width * 640 + 640 * dim  # an MLP of (width + dim) / 2 without biases
    patches = 196
    vision = 3 * 16 * 16 * width + width + (patches + 2) * width
    vision += transformer_parameters(width, 12) + 2 * width + width * dim
    return text + vision


@pytest.mark.parametrize(
    "record", [record for record in OF_OPEN_CLIP if record.size_bytes], ids=named
)
def test_the_size_is_that_of_the_architecture_in_float32(record: ModelRecord) -> None:
    expected = FLOAT32_BYTES * parameters_of(record.settings["architecture"])
    assert record.size_bytes == pytest.approx(expected, rel=0.02)


def test_sizes_of_other_forms_are_those_counted_by_hand(catalog: Catalog) -> None:
    counted = {
        "bioclip_2": parameters_of("ViT-L-14"),
        "llama3_ms_clip": parameters_of("ViT-B-16") + (10 - 3) * 768 * 16 * 16,
        "biomedclip": biomedclip_parameters(),
    }
    for name, count in counted.items():
        size = catalog.registry.model(name).size_bytes
        assert size == pytest.approx(FLOAT32_BYTES * count, rel=0.02), name


# Files.


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_a_file_with_a_checksum_is_pinned_to_a_commit(record: ModelRecord) -> None:
    for weight in record.files.values():
        assert isinstance(weight, HubFile)
        if weight.sha256 is not None:
            assert re.fullmatch(r"[0-9a-f]{40}", weight.revision or "")


def test_no_checksum_is_given_to_two_files() -> None:
    known = [w.sha256 for record in RECORDS for w in record.files.values() if w.sha256]
    assert len(set(known)) == len(known)
    assert len(known) >= 9


# What cannot run here.


@pytest.mark.parametrize("record", UNSUPPORTED, ids=named)
def test_a_model_of_other_code_says_where_that_is(record: ModelRecord) -> None:
    assert re.search(r"https://github\.com/[\w-]+/[\w-]+", record.unsupported)
    assert record.name not in get_catalog().registry.recommended.values()


@pytest.mark.parametrize("record", UNSUPPORTED, ids=named)
@pytest.mark.usefixtures("no_network")
def test_a_model_of_other_code_is_refused_before_any_download(
    record: ModelRecord, catalog: Catalog
) -> None:
    modality = catalog.domains["general"].modalities[0]
    with pytest.raises(UsageError, match="does not run in this release") as caught:
        load_encoder(record, catalog, torch.device("cpu"))
    assert str(caught.value).endswith(f"Run: fieldguide models {record.name}")
    with pytest.raises(UsageError, match="does not run in this release"):
        pick_model(modality, catalog, name=record.name, out_of_scope=True)


# The documentation.


def test_the_table_in_the_documentation_is_that_of_the_registry() -> None:
    docs = Path(__file__).parents[2] / "docs" / "models.md"
    text = docs.read_text("utf-8")
    table = text.partition("<!-- known checkpoints -->")[2].partition("<!-- end")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.strip().splitlines()[2:]
    ]

    assert [row[0].strip("`") for row in rows] == [record.name for record in RECORDS]
    for row, record in zip(rows, RECORDS, strict=True):
        assert row[1] == (", ".join(f"`{name}`" for name in record.scope) or "-")
        assert row[2].startswith(record.licence)
        assert row[2].endswith(record.licence_limits)
        assert ("gated" in row[2]) == record.gated
        assert (row[3] == "-") == (record.size_bytes is None)
        assert row[4] == ("no" if record.unsupported else "yes")
