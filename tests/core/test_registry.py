"""What a registry file may hold: its shape, and the references inside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.errors import RegistryError, UnknownNameError
from fieldguide.registry import (
    Registry,
    parse_registry,
    read_core_registry,
)
from fieldguide.specs import DomainSpec, ModalitySpec

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL: dict[str, Any] = {
    "name": "my_model",
    "summary": "x",
    "architecture": "open_clip",
    "embed_dim": 8,
    "image_size_px": 8,
    "scope": ["photo"],
    "licence": "MIT",
}
DATASET = {
    "name": "my_set",
    "summary": "x",
    "licence": "mine",
    "source": "https://example.org",
    "modality": "photo",
}
ZEROS = "0" * 64


def parse(**content: Any) -> Registry:
    return parse_registry({"version": 1, **content}, "file.yaml", Path("/folder"))


def faults_of(**content: Any) -> str:
    with pytest.raises(RegistryError) as caught:
        parse(**content)
    assert str(caught.value).startswith("file.yaml is not valid: ")
    assert str(caught.value).endswith("Edit the file.")
    return str(caught.value)


def model_with_file(**file: Any) -> dict[str, Any]:
    return MODEL | {"files": {"vision": file}}


# The shape.


def test_every_fault_of_a_file_is_listed_with_its_place_and_nothing_else() -> None:
    faults = faults_of(
        models=[
            MODEL | {"embed_dim": 0, "colour": "red"},
            model_with_file(package="p", version="1", path="../w", sha256="zz"),
        ],
        datasets=[DATASET | {"source": "ftp://x"}],
    )

    listed = faults.removeprefix("file.yaml is not valid: ").split("; ")
    assert [fault.partition(": ")[0] for fault in listed] == [
        "models.0.embed_dim",
        "models.0.colour",
        "models.1.files.vision.package.path",
        "models.1.files.vision.package.sha256",
        "datasets.0.source",
    ]


@pytest.mark.parametrize("content", [None, [], "text", 5])
def test_a_file_that_holds_no_mapping_is_refused(content: Any) -> None:
    with pytest.raises(RegistryError, match="must start with 'version: 1'"):
        parse_registry(content, "file.yaml", Path("/folder"))


@pytest.mark.parametrize("models", [5, "text", {"name": "x"}, None, [5], [None]])
def test_models_of_another_type_are_refused(models: Any) -> None:
    assert "models" in faults_of(models=models)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_of_the_format_is_refused(version: Any) -> None:
    assert "version" in faults_of(version=version)


@pytest.mark.parametrize("path", ["/etc/passwd", "../w", "a/../../w", "..", "a\\..\\w", ""])
@pytest.mark.parametrize("key", ["resource", "core"])
def test_a_weight_file_cannot_lie_outside_its_folder(key: str, path: str) -> None:
    faults = faults_of(models=[model_with_file(**{key: path, "sha256": ZEROS})])
    assert "stay inside its folder" in faults


@pytest.mark.parametrize("path", ["/etc/passwd", "../card.md"])
@pytest.mark.parametrize("field", ["card", "licence_file"])
def test_a_text_of_a_model_cannot_lie_outside_its_folder(field: str, path: str) -> None:
    assert "stay inside its folder" in faults_of(models=[MODEL | {field: path}])


@pytest.mark.parametrize("resource", ["pkg:../x.yaml", "pkg:/x.yaml", "pkg:a/../../x.yaml"])
@pytest.mark.parametrize("field", ["registry", "class_sets"])
def test_a_resource_of_a_domain_cannot_lie_outside_its_package(field: str, resource: str) -> None:
    photo = ModalitySpec(name="p", summary="x", loader=("image",))
    value = resource if field == "registry" else (resource,)
    with pytest.raises(ValueError, match=r"stay inside its folder|should match pattern"):
        DomainSpec.model_validate(
            {"name": "d", "summary": "x", "modalities": (photo,), field: value}
        )


@pytest.mark.parametrize("digest", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, 0])
def test_a_checksum_is_64_lower_case_hexadecimal_digits(digest: Any) -> None:
    assert "sha256" in faults_of(models=[model_with_file(resource="w", sha256=digest)])


def test_a_weight_file_names_its_kind_by_one_of_five_keys() -> None:
    faults = faults_of(models=[model_with_file(url="https://example.org", sha256=ZEROS)])
    assert "a file needs one of the keys package, resource, core, file, hub" in faults


@pytest.mark.parametrize("hub", ["name", "/org/name", "org/name/x", "https://h/o/n", "org name/x"])
def test_a_hub_is_named_by_organisation_and_name(hub: str) -> None:
    assert "hub" in faults_of(models=[model_with_file(hub=hub, path="w.safetensors")])


@pytest.mark.parametrize("licence", ["MIT", "CC-BY-4.0", "Apache-2.0 WITH LLVM-exception",
                                     "MIT OR Apache-2.0", "LicenseRef-research"])  # fmt: skip
def test_a_licence_is_an_spdx_expression(licence: str) -> None:
    assert parse(models=[MODEL | {"licence": licence}]).models[0].licence == licence


@pytest.mark.parametrize("licence", ["", "free for research", "MIT or BSD", "MIT OR", "MIT/BSD"])
def test_a_licence_in_prose_is_refused(licence: str) -> None:
    assert "licence" in faults_of(models=[MODEL | {"licence": licence}])


def test_weights_for_research_only_need_a_licence_file() -> None:
    research = MODEL | {"research_only": True}

    assert "need a licence_file" in faults_of(models=[research])
    assert parse(models=[research | {"licence_file": "LICENSE.txt"}]).models[0].research_only


def test_weights_for_research_only_on_the_hub_need_a_source() -> None:
    on_hub = {"hub": "org/name", "path": "w.safetensors"}
    beside = {"resource": "w.safetensors", "sha256": ZEROS}
    research = MODEL | {"research_only": True, "files": {"weights": on_hub}}
    sourced = research | {"source": "https://example.org"}

    assert "or a source when all their files are on the hub" in faults_of(models=[research])
    assert parse(models=[sourced]).models[0].research_only
    mixed = sourced | {"files": {"weights": on_hub, "join": beside}}
    assert "need a licence_file" in faults_of(models=[mixed])


def test_only_a_model_that_cannot_run_may_be_made_for_no_modality() -> None:
    nowhere = MODEL | {"scope": []}

    assert "scope is empty" in faults_of(models=[nowhere])
    assert parse(models=[nowhere | {"unsupported": "needs other code"}]).models[0].scope == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "ready"),
        ({"settings": {"folder": "/models/mine"}}, "ready"),
        ({"files": {"weights": {"file": "w.pt"}}}, "ready"),
        ({"settings": {"hub": "org/name"}}, "downloads"),
        ({"settings": {"architecture": "ViT-B-32", "pretrained": "openai"}}, "downloads"),
        ({"files": {"weights": {"hub": "org/name", "path": "w.pt"}}}, "downloads"),
        ({"settings": {"hub": "org/name"}, "unsupported": "needs other code"}, "unsupported"),
    ],
)
def test_a_record_says_whether_it_is_ready_downloads_or_cannot_run(
    change: dict[str, Any], expected: str
) -> None:
    assert parse(models=[MODEL | change]).models[0].availability == expected


def test_a_size_that_an_architecture_needs_and_the_record_lacks_is_an_error() -> None:
    record = parse(models=[MODEL | {"embed_dim": None}]).models[0]

    assert record.stated("image_size_px") == MODEL["image_size_px"]
    with pytest.raises(RegistryError, match=r"needs the field embed_dim\. Edit your registry"):
        record.stated("embed_dim")


def test_a_record_knows_the_folder_of_its_file_whatever_the_file_says() -> None:
    assert parse(models=[MODEL | {"origin": "/elsewhere"}]).models[0].origin == "/folder"


def test_the_schema_for_editors_lists_the_fields_of_every_record() -> None:
    schema = Registry.model_json_schema()

    assert set(schema["properties"]) == {
        "version", "models", "adapters", "architectures", "datasets", "results", "defaults",
        "recommended",
    }  # fmt: skip
    assert "sha256" in schema["$defs"]["PackageFile"]["properties"]


# References inside the file.


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("models", MODEL),
        ("datasets", DATASET),
        ("architectures", {"name": "a", "summary": "x", "spec": "open_clip", "config": {}}),
    ],
)
def test_a_name_occurs_once_among_records_of_a_kind(kind: str, record: dict[str, Any]) -> None:
    faults = faults_of(**{kind: [record, record]})
    assert f"{kind} has the same name twice: {record['name']}" in faults


@pytest.mark.parametrize("choice", ["defaults", "recommended"])
def test_a_default_names_a_model_of_the_file(choice: str) -> None:
    faults = faults_of(models=[MODEL], **{choice: {"photo": "no_model"}})
    assert "'photo' names the model 'no_model'; models has ['my_model']" in faults


@pytest.mark.parametrize("choice", ["defaults", "recommended"])
def test_a_default_model_was_made_for_its_modality(choice: str) -> None:
    faults = faults_of(models=[MODEL], **{choice: {"radiograph": "my_model"}})
    assert "does not hold 'radiograph'" in faults


@pytest.mark.parametrize("choice", ["defaults", "recommended"])
def test_a_default_model_can_run(choice: str) -> None:
    other = MODEL | {"unsupported": "needs other code"}
    assert "cannot run" in faults_of(models=[other], **{choice: {"photo": "my_model"}})


@pytest.mark.parametrize(
    ("name", "said"),
    [("embeded_conse", "Did you mean 'embedded_conse'"), ("xyz", "There are: embedded_conse, ")],
)
def test_an_unknown_model_is_told_near_names_or_all(name: str, said: str) -> None:
    with pytest.raises(UnknownNameError, match=said):
        read_core_registry().model(name)


def test_a_model_is_trained_on_data_sets_of_the_file() -> None:
    trained = MODEL | {"trained_on": ["my_set"]}

    assert "is trained_on ['my_set']" in faults_of(models=[trained])
    assert parse(models=[trained], datasets=[DATASET]).models[0].trained_on == ("my_set",)


@pytest.mark.parametrize("find", [Registry.model, Registry.architecture])
def test_an_unknown_record_is_an_error_that_names_those_there_are(
    find: Callable[[Registry, str], Any],
) -> None:
    core = read_core_registry()
    known = core.models[0] if find is Registry.model else core.architectures[0]

    assert find(core, known.name) == known
    with pytest.raises(UnknownNameError, match=known.name):
        find(core, "no_such_record")
