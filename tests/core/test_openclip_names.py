"""What a user may write for a model, and which space it is."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from fieldguide.errors import (
    AmbiguousNameError,
    RegistryError,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from fieldguide.models.load import lasting_name, named_model
from fieldguide.models.openclip import build_open_clip
from fieldguide.models.openclip_names import architectures
from fieldguide.plugins import get_catalog
from fieldguide.registry import parse_registry
from fieldguide.tiny_checkpoints import model_config, write_character_tokenizer, write_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.models.openclip import OpenClipEncoder
    from fieldguide.registry import Registry

WEIGHTS = "open_clip_model.safetensors"


class Catalog:
    """A catalogue with a registry of the test's own."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry


def catalog_of(folder: Path, *records: dict[str, Any]) -> Any:
    plain = {"summary": "s", "architecture": "open_clip", "scope": ["photo"], "licence": "MIT"}
    models = [{**plain, **record} for record in records]
    return Catalog(parse_registry({"version": 1, "models": models}, "test", folder))


def open_named(name: str, catalog: Any = None) -> OpenClipEncoder:
    return build_open_clip(named_model(name, catalog or get_catalog()), torch.device("cpu"))


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "vit", model_config("vit"))


@pytest.fixture
def small_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """A tiny architecture that open_clip knows by name, and a folder with its weights."""
    folder = write_checkpoint(tmp_path / "hub", model_config("vit_bpe"))
    config = tmp_path / "configs" / "Tiny-ViT.json"
    config.parent.mkdir()
    config.write_text(json.dumps(model_config("vit_bpe")))
    monkeypatch.setitem(architectures(), "Tiny-ViT", config)
    return "Tiny-ViT", folder


def test_the_architectures_are_open_clips(tmp_path: Path) -> None:
    assert set(architectures()) == set(open_clip.list_models())


def test_a_folder_is_a_model(vit: Path) -> None:
    assert open_named(str(vit)).space.model == str(vit)


def test_a_file_beside_a_configuration_is_a_model_with_those_weights(vit: Path) -> None:
    other = write_checkpoint(vit.parent / "other", model_config("vit"), seed=1)
    torch.save({"state_dict": load_file(other / WEIGHTS)}, vit / "epoch_9.pt")
    found = open_named(str(vit / "epoch_9.pt"))
    assert found.space.model == str(vit / "epoch_9.pt")
    assert found.space.digest == open_named(str(other)).space.digest
    assert found.space.digest != open_named(str(vit)).space.digest


def test_safetensors_go_before_a_pickle_in_the_same_folder(vit: Path) -> None:
    (vit / "open_clip_pytorch_model.bin").write_bytes(b"not even a pickle")
    assert open_named(str(vit)).space.dim == 32


def test_several_files_of_weights_are_not_chosen_from(vit: Path) -> None:
    (vit / WEIGHTS).rename(vit / "a.safetensors")
    shutil.copy(vit / "a.safetensors", vit / "b.safetensors")
    with pytest.raises(UsageError, match=r"a.safetensors, b.safetensors.*--model .*a.safetensors"):
        open_named(str(vit))


def test_a_folder_without_weights_says_what_to_put_there(vit: Path) -> None:
    (vit / WEIGHTS).unlink()
    with pytest.raises(WeightsError, match=WEIGHTS):
        open_named(str(vit))


def test_an_architecture_with_a_file_is_a_model(small_architecture: tuple[str, Path]) -> None:
    name, folder = small_architecture
    alone = folder.parent / "elsewhere" / "mine.pt"
    alone.parent.mkdir()
    torch.save(load_file(folder / WEIGHTS), alone)
    found = open_named(f"{name}:{alone}")
    assert found.space.model == f"{name}:{alone}"
    assert found.space.digest == open_named(str(folder)).space.digest


def test_a_bare_file_is_refused_with_the_architectures_that_fit(
    small_architecture: tuple[str, Path], tmp_path: Path
) -> None:
    _, folder = small_architecture
    (tmp_path / "alone").mkdir()
    path = shutil.move(folder / WEIGHTS, tmp_path / "alone" / "mine.safetensors")
    with pytest.raises(WeightsError, match=rf"fit Tiny-ViT\. .*--model Tiny-ViT:{path}"):
        open_named(str(path))


def test_a_file_that_two_architectures_fit_is_not_guessed(
    small_architecture: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, folder = small_architecture
    config = folder.parent / "configs" / "Tiny-ViT-quickgelu.json"
    config.write_text(json.dumps(model_config("vit_bpe") | {"quick_gelu": True}))
    monkeypatch.setitem(architectures(), "Tiny-ViT-quickgelu", config)
    (folder / "open_clip_config.json").unlink()
    with pytest.raises(WeightsError, match=r"Tiny-ViT, Tiny-ViT-quickgelu\. Which one cannot be"):
        open_named(str(folder / WEIGHTS))


def test_a_bare_file_that_nothing_fits_says_so(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=r"None of open_clip's.*ARCHITECTURE:"):
        open_named(str(tmp_path / "x.safetensors"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViT-B-32", r"without weights.*ViT-B-32:FILE"),
        ("ViT-B32:x.pt", r"no architecture.*Did you mean ViT-B-32"),
        ("ViT-B-32:missing.pt", r"no file missing.pt"),
        ("ViT-B-32:./missing", r"no file ./missing"),
        ("no/such/folder", r"hf-hub:ORG|no folder or file"),
        ("org/name", r"For the hub write hf-hub:org/name"),
        ("model.safetensors", r"no folder or file"),
        ("vit-b-32-openai", r"Did you mean"),
        ("embedded_cone", r"Did you mean embedded_conse"),
        ("zzz", r"There are: .*embedded_conse.*hf-hub:ORG/NAME"),
    ],
)
def test_a_name_of_nothing_says_what_could_be_meant(name: str, said: str) -> None:
    with pytest.raises(UnknownNameError, match=said):
        named_model(name, get_catalog())


def test_an_unknown_checkpoint_of_open_clips_lists_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"'openia' of RN50.*Did you mean openai.*yfcc15m"):
        open_named("RN50:openia")


@pytest.mark.parametrize(
    "name",
    [
        "hf-hub:",
        "hf-hub:name",
        "hf-hub:../x",
        "hf-hub:a/b/c",
        "hf-hub:a/b@",
        "hf-hub:a/b@../c",
        "hf-hub:/etc/passwd",
    ],
)
def test_a_wrong_name_on_the_hub_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="ORG/NAME"):
        named_model(name, get_catalog())


def test_an_address_is_no_name() -> None:
    with pytest.raises(UsageError, match="hf-hub:ORG/NAME"):
        named_model("https://huggingface.co/org/name", get_catalog())


def test_a_folder_without_configuration_and_a_file_of_another_kind_are_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match=r"open_clip_config.json.*ARCHITECTURE:FILE"):
        named_model(str(tmp_path), get_catalog())
    with pytest.raises(UsageError, match="must end in"):
        named_model(str(tmp_path / "notes.txt"), get_catalog())


def test_a_registry_name_goes_before_a_folder_of_that_name(
    vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(vit, tmp_path / "embedded_conse")
    catalog = get_catalog()
    assert named_model("embedded_conse", catalog).name == "embedded_conse"
    assert lasting_name("embedded_conse", catalog) == "embedded_conse"
    assert named_model("./embedded_conse", catalog).name == "local_model"
    assert lasting_name("./embedded_conse", catalog) == str(tmp_path / "embedded_conse")


def test_an_empty_folder_of_the_name_does_not_hide_that_there_is_no_such_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mymodel").mkdir()
    with pytest.raises(UnknownNameError, match=r"folder of that name has no open_clip_config"):
        named_model("mymodel", get_catalog())


def test_lasting_names_are_absolute(
    vit: Path, small_architecture: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(vit.parent)
    catalog = get_catalog()
    assert lasting_name("vit", catalog) == str(vit)
    assert lasting_name(f"vit/{WEIGHTS}", catalog) == str(vit / WEIGHTS)
    assert lasting_name(f"Tiny-ViT:vit/{WEIGHTS}", catalog) == f"Tiny-ViT:{vit / WEIGHTS}"
    for name in ("hf-hub:org/name@main", "RN50:openai", "embedded_conse", "nothing"):
        assert lasting_name(name, catalog) == name


def test_a_registered_hub_name_brings_its_record(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, {"name": "mine", "settings": {"hub": "org/name"}})
    record = named_model("hf-hub:org/name", catalog)
    assert (record.name, record.scope, record.licence) == ("mine", ("photo",), "MIT")
    assert named_model("hf-hub:org/name@v2", catalog).settings["revision"] == "v2"
    assert named_model("hf-hub:org/other", catalog).scope == ("any",)


def test_a_hub_repository_of_several_registered_models_is_not_chosen_from(tmp_path: Path) -> None:
    records = [
        {"name": name, "settings": {"architecture": "RN50"},
         "files": {"weights": {"hub": "org/all", "path": f"{name}.pt"}}}
        for name in ("one", "two")
    ]  # fmt: skip
    with pytest.raises(AmbiguousNameError, match="one, two"):
        named_model("hf-hub:org/all", catalog_of(tmp_path, *records))


def test_registry_records_of_each_kind_are_built(
    vit: Path, small_architecture: tuple[str, Path], tmp_path: Path
) -> None:
    name, hub = small_architecture
    weights = {"file": str(hub / WEIGHTS)}
    catalog = catalog_of(
        tmp_path,
        {"name": "by_folder", "settings": {"folder": "vit"}},
        {"name": "by_file", "settings": {"architecture": name}, "files": {"weights": weights}},
        {
            "name": "squashed",
            "settings": {"folder": "vit", "preprocess": {"resize_mode": "squash"}},
        },
    )
    by_folder = open_named("by_folder", catalog)
    assert by_folder.space.model == "by_folder"
    assert by_folder.space.digest == open_named(str(vit)).space.digest
    assert open_named("by_file", catalog).space.digest == open_named(str(hub)).space.digest
    squashed = open_named("squashed", catalog)
    assert squashed.contract.resize == "squash"
    assert squashed.space.digest != by_folder.space.digest


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "must name one of"),
        ({"folder": "x", "hub": "a/b"}, "must name one of"),
        ({"folder": "x", "colour": 1}, "colour"),
        ({"architecture": "RN50"}, "no weights"),
        ({"folder": "vit", "preprocess": "squash"}, "mapping"),
    ],
)
def test_a_record_that_names_no_model_is_refused(
    settings: dict[str, Any], said: str, vit: Path, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match=said):
        open_named("mine", catalog_of(tmp_path, {"name": "mine", "settings": settings}))


def test_a_renamed_or_copied_folder_is_the_same_space(vit: Path, tmp_path: Path) -> None:
    before = open_named(str(vit)).space.digest
    shutil.copytree(vit, tmp_path / "copy")
    (tmp_path / "copy" / "README.md").write_text("a file more")
    assert open_named(str(tmp_path / "copy")).space.digest == before


def test_any_change_of_weights_tokenizer_or_configuration_is_another_space(
    vit: Path, tmp_path: Path
) -> None:
    digests = [open_named(str(vit)).space.digest]
    write_checkpoint(vit, model_config("vit"), seed=1)
    digests.append(open_named(str(vit)).space.digest)
    content = json.loads((vit / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (vit / "tokenizer.json").write_text(json.dumps(content))
    digests.append(open_named(str(vit)).space.digest)
    config = json.loads((vit / "open_clip_config.json").read_text())
    config["model_cfg"]["quick_gelu"] = True
    (vit / "open_clip_config.json").write_text(json.dumps(config))
    digests.append(open_named(str(vit)).space.digest)
    config["preprocess_cfg"]["interpolation"] = "bilinear"
    (vit / "open_clip_config.json").write_text(json.dumps(config))
    digests.append(open_named(str(vit)).space.digest)
    assert len(set(digests)) == 5


def test_siglip_files_take_siglips_preprocessing_not_openais() -> None:
    from fieldguide.models.openclip_files import usual_preprocess

    assert usual_preprocess("ViT-B-16-SigLIP")["mean"] == [0.5, 0.5, 0.5]
    assert usual_preprocess("ViT-B-16-SigLIP")["resize_mode"] == "squash"


def test_a_tokenizer_that_an_architecture_names_is_looked_for_beside_the_file(
    small_architecture: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = model_config("vit") | {"embed_dim": 32}
    config["text_cfg"]["hf_tokenizer_name"] = "some-org/words"
    architectures()["Tiny-ViT"].write_text(json.dumps(config))
    folder = write_checkpoint(tmp_path / "siglip_like", config)
    alone = tmp_path / "alone"
    (alone / "words").mkdir(parents=True)
    shutil.copy(folder / WEIGHTS, alone / "w.safetensors")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=rf"some-org/words/.*tokenizer.json[\s\S]*{alone}/words"):
        open_named(f"Tiny-ViT:{alone / 'w.safetensors'}")
    write_character_tokenizer(alone / "words", 100)
    found = open_named(f"Tiny-ViT:{alone / 'w.safetensors'}")
    assert found.space.digest == open_named(str(folder)).space.digest


def test_a_text_tower_that_is_missing_offline_is_said_with_file_and_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = write_checkpoint(tmp_path / "bert", model_config("bert"))
    shutil.move(folder / "tiny-bert" / "config.json", tmp_path / "config.json")
    url = "https://huggingface.co/some-org/tiny-bert/resolve/main/config.json"
    with pytest.raises(WeightsError, match=rf"{url}[\s\S]*mkdir -p {folder}/tiny-bert"):
        open_named(str(folder))
    shutil.copy(tmp_path / "config.json", folder / "config.json")
    in_folder = open_named(str(folder)).space.digest
    shutil.move(folder / "config.json", folder / "tiny-bert" / "config.json")
    assert open_named(str(folder)).space.digest == in_folder


def test_a_folder_as_biomedclips_is_runs_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = write_checkpoint(tmp_path / "BiomedCLIP", model_config("bert"))
    expected = open_named(str(folder)).encode_texts(["a tile"]).vectors
    saved_with_it = {"text.transformer.embeddings.position_ids": torch.arange(64)[None]}
    state = load_file(folder / WEIGHTS) | saved_with_it  # transformers before 4.31
    (folder / WEIGHTS).unlink()
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    assert (open_named(str(folder)).encode_texts(["a tile"]).vectors == expected).all()


def test_a_config_json_of_another_kind_of_model_is_not_taken_for_the_text_tower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = write_checkpoint(tmp_path / "bert", model_config("bert"))
    shutil.rmtree(folder / "tiny-bert")
    (folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(WeightsError, match="tiny-bert"):
        open_named(str(folder))
