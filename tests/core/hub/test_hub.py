"""The hub: its cache, downloads from a server on this machine, and each way it can fail."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from open_clip import pretrained
from transformers import CLIPConfig, CLIPModel

from fieldguide.errors import WeightsError
from fieldguide.models import hub
from fieldguide.models.hub import HubRepository, fetch, is_offline
from fieldguide.models.load import named_model
from fieldguide.models.openclip import build_open_clip
from fieldguide.models.openclip_names import architectures
from fieldguide.models.weights import weight_paths
from fieldguide.plugins import get_catalog
from fieldguide.registry import parse_registry
from fieldguide.tiny_checkpoints import model_config, write_character_tokenizer, write_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model in the folder that the server serves as org/tiny."""
    return write_checkpoint(tmp_path / "hub" / "org" / "tiny", model_config("vit"))


def lay_into_cache(folder: Path, cache: Path, name: str) -> None:
    """Write what huggingface_hub leaves after a download: refs and snapshots."""
    place = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, place / "snapshots" / COMMIT)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)


def open_named(name: str) -> Any:
    return build_open_clip(named_model(name, get_catalog()), torch.device("cpu"))


def test_a_model_is_downloaded_once_and_is_the_space_of_its_folder(
    server: Any, model: Path
) -> None:
    first = open_named("hf-hub:org/tiny")
    assert first.space.model == "hf-hub:org/tiny"
    assert first.space.digest == open_named(str(model)).space.digest
    server.asked.clear()
    assert open_named("hf-hub:org/tiny").space == first.space
    assert server.asked == []  # the cache is used without a question


def test_only_what_is_needed_is_downloaded(server: Any, model: Path, cache: Path) -> None:
    for name in ("open_clip_pytorch_model.bin", "README.md", "pytorch_model.bin", "evil.py"):
        (model / name).write_bytes(b"x" * 100)
    open_named("hf-hub:org/tiny")
    found = {path.name for path in cache.rglob("snapshots/*/*")}
    assert found == {"open_clip_config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json"}


def test_a_revision_can_be_named(server: Any, model: Path) -> None:
    found = open_named(f"hf-hub:org/tiny@{COMMIT}")
    assert found.space.model == f"hf-hub:org/tiny@{COMMIT}"
    assert found.space.digest == open_named(str(model)).space.digest


def test_the_text_towers_files_come_from_the_repository_that_the_configuration_names(
    server: Any, tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "hub" / "org" / "bert", model_config("bert"))
    whole = tmp_path / "whole"
    shutil.copytree(folder, whole)
    (tmp_path / "hub" / "some-org").mkdir()
    shutil.move(folder / "tiny-bert", tmp_path / "hub" / "some-org" / "tiny-bert")
    assert open_named("hf-hub:org/bert").space.digest == open_named(str(whole)).space.digest


def test_a_model_in_the_form_of_transformers_is_downloaded(
    server: Any, tmp_path: Path, cache: Path
) -> None:
    tower = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 32}  # fmt: skip
    text = {"vocab_size": 100, "max_position_embeddings": 24, "eos_token_id": 99}
    image = {"image_size": 32, "patch_size": 8}
    config = CLIPConfig(text_config=tower | text, vision_config=tower | image, projection_dim=16)
    folder = tmp_path / "hub" / "org" / "plip_like"
    CLIPModel(config).save_pretrained(folder)
    write_character_tokenizer(folder, 100)
    found = open_named("hf-hub:org/plip_like")
    assert found.space.digest == open_named(str(folder)).space.digest
    server.asked.clear()
    assert open_named("hf-hub:org/plip_like").space == found.space
    assert server.asked == []


def test_that_a_repository_has_no_tokenizer_is_asked_once(server: Any, tmp_path: Path) -> None:
    config = model_config("vit")
    config["text_cfg"]["hf_tokenizer_name"] = "org/words"
    folder = write_checkpoint(tmp_path / "hub" / "org" / "plain", config)
    (tmp_path / "hub" / "org" / "words").mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.move(folder / name, tmp_path / "hub" / "org" / "words" / name)
    first = open_named("hf-hub:org/plain")
    server.asked.clear()
    assert open_named("hf-hub:org/plain").space == first.space
    assert server.asked == []


def test_a_download_says_what_it_fetches_and_how_large_it_is(
    server: Any, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_named("hf-hub:org/tiny")
    assert f"Downloading {WEIGHTS} (" in caplog.text
    assert "kB) of org/tiny" in caplog.text


def test_what_is_in_the_cache_is_used_offline(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_checkpoint(tmp_path / "m", model_config("vit"))
    lay_into_cache(folder, cache, "org/tiny")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert open_named("hf-hub:org/tiny").space.digest == open_named(str(folder)).space.digest


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_is_read_at_each_call_and_nothing_is_asked(
    variable: str, server: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_offline()
    monkeypatch.setenv(variable, "1")
    assert is_offline()
    with pytest.raises(WeightsError, match="switched off") as raised:
        open_named("hf-hub:org/tiny")
    assert server.asked == []
    address = f"{constants.ENDPOINT}/org/tiny/resolve/main/open_clip_config.json"
    assert address in str(raised.value)
    assert "--model FOLDER" in str(raised.value)


def test_offline_lists_every_file_of_an_open_clip_folder(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError) as raised:
        open_named("hf-hub:org/tiny")
    for name in ("open_clip_config.json", WEIGHTS, "tokenizer.json"):
        assert f"/org/tiny/resolve/main/{name}" in str(raised.value)


def test_a_model_that_is_not_there_is_said(server: Any) -> None:
    with pytest.raises(WeightsError, match=r"no model org/none.*HF_TOKEN"):
        open_named("hf-hub:org/none")


def test_a_repository_that_is_no_open_clip_model_says_what_it_has(server: Any, model: Path) -> None:
    (model / "open_clip_config.json").unlink()
    with pytest.raises(WeightsError, match=r"none of config.json; it has .*may be no open_clip"):
        open_named("hf-hub:org/tiny")


def test_a_revision_that_is_not_there_is_said(server: Any, model: Path) -> None:
    with pytest.raises(WeightsError, match="no revision 'v9'"):
        fetch(HubRepository("org/tiny", "v9"), "open_clip_config.json")


def test_a_gated_model_says_where_to_accept_the_licence(server: Any, model: Path) -> None:
    server.faults["org/tiny"] = "gated"
    with pytest.raises(WeightsError, match=r"accepted its licence.*/org/tiny.*export HF_TOKEN"):
        open_named("hf-hub:org/tiny")


def test_a_token_that_does_not_do_is_said(server: Any, model: Path) -> None:
    server.faults["org/tiny"] = "denied"
    with pytest.raises(WeightsError, match=r"refuses org/tiny \(403\)|could not be downloaded"):
        open_named("hf-hub:org/tiny")


def test_a_download_that_breaks_off_says_so_and_leaves_no_half_file(
    server: Any, model: Path, cache: Path
) -> None:
    server.faults[WEIGHTS] = "breaks off"
    with pytest.raises(WeightsError, match=r"could not be downloaded.*Run the same command again"):
        open_named("hf-hub:org/tiny")
    assert not list(cache.rglob(f"snapshots/*/{WEIGHTS}"))
    server.faults.clear()
    assert open_named("hf-hub:org/tiny").space.dim == 32


def test_a_download_with_another_hash_than_the_hubs_is_removed(
    server: Any, model: Path, cache: Path
) -> None:
    server.faults[WEIGHTS] = "wrong hash"
    with pytest.raises(WeightsError, match="arrived damaged"):
        open_named("hf-hub:org/tiny")
    assert not list(cache.rglob(f"snapshots/*/{WEIGHTS}"))


def test_no_network_is_said_with_the_way_by_hand(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(WeightsError, match=r"could not be downloaded[\s\S]*--model FOLDER"):
        open_named("hf-hub:org/tiny")


def test_a_full_disk_is_said(server: Any, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> str:
        if kwargs.get("local_files_only"):
            return huggingface_hub.hf_hub_download(*args, **kwargs)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hub, "hf_hub_download", full)
    with pytest.raises(WeightsError, match=r"disk is full.*export HF_HOME"):
        open_named("hf-hub:org/tiny")


def test_a_file_larger_than_the_disk_is_not_begun(
    server: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(WeightsError, match=r"needs .* and 10 bytes are free.*export HF_HOME"):
        open_named("hf-hub:org/tiny")


def test_a_cache_that_cannot_be_written_is_said(
    server: Any, model: Path, read_only_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(read_only_folder / "hub"))
    with pytest.raises(WeightsError, match=r"cannot be written.*export HF_HOME"):
        open_named("hf-hub:org/tiny")


def record_of(tmp_path: Path, **weights: Any) -> Any:
    content = {
        "version": 1,
        "models": [
            {"name": "mine", "summary": "s", "architecture": "open_clip", "scope": ["any"],
             "licence": "MIT", "settings": {"architecture": "RN50"},
             "files": {"weights": {"hub": "org/tiny", "path": WEIGHTS, **weights}}}
        ],
    }  # fmt: skip
    return parse_registry(content, "test", tmp_path).model("mine")


def test_a_hub_file_is_checked_against_the_registrys_hash(
    server: Any, model: Path, tmp_path: Path
) -> None:
    sha256 = hashlib.sha256((model / WEIGHTS).read_bytes()).hexdigest()
    found = weight_paths(record_of(tmp_path, sha256=sha256))["weights"]
    assert found.read_bytes() == (model / WEIGHTS).read_bytes()
    with pytest.raises(WeightsError, match=r"SHA-256 .* where the registry says 0000"):
        weight_paths(record_of(tmp_path, sha256="0" * 64))


def test_a_single_file_that_cannot_be_had_is_named_with_its_architecture(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"name the file: --model RN50:FILE"):
        weight_paths(record_of(tmp_path))


def test_a_changed_file_in_the_cache_is_noticed_though_its_hash_was_remembered(
    server: Any, model: Path, tmp_path: Path
) -> None:
    sha256 = hashlib.sha256((model / WEIGHTS).read_bytes()).hexdigest()
    record = record_of(tmp_path, sha256=sha256)
    path = weight_paths(record)["weights"].resolve()
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(WeightsError, match="SHA-256"):
        weight_paths(record)


def test_a_checkpoint_of_open_clips_is_fetched_and_has_the_activation_it_was_trained_with(
    server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = model_config("vit_bpe")
    path = tmp_path / "Tiny-ViT.json"
    path.write_text(json.dumps(config))
    monkeypatch.setitem(architectures(), "Tiny-ViT", path)
    tags = {"v1": pretrained._pcfg(hf_hub="org/tag/", quick_gelu=True, resize_mode="squash")}
    monkeypatch.setitem(pretrained._PRETRAINED, "Tiny-ViT", tags)
    folder = write_checkpoint(tmp_path / "hub" / "org" / "tag", config | {"quick_gelu": True})
    content = json.loads((folder / "open_clip_config.json").read_text())
    content["preprocess_cfg"]["resize_mode"] = "squash"
    (folder / "open_clip_config.json").write_text(json.dumps(content))

    found = open_named("Tiny-ViT:v1")
    assert found.space.model == "Tiny-ViT:v1"
    assert found.space.digest == open_named(str(folder)).space.digest
    assert "trained with QuickGELU" in caplog.text
    assert open_named(f"Tiny-ViT:{folder / WEIGHTS}").space.digest != found.space.digest


@pytest.mark.parametrize("name", ["../x", "a//b", "a/../b", "/etc", "a b/c"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="ORG/NAME"):
        HubRepository(name)
