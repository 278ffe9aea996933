"""The user's own registry, over those of the core and the plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from fieldguide.errors import RegistryError
from fieldguide.plugins import build_catalog
from fieldguide.registry import USER_VARIABLE, read_core_registry, user_registry_path

if TYPE_CHECKING:
    from pathlib import Path

MODEL: dict[str, Any] = {
    "name": "my_model",
    "summary": "x",
    "architecture": "open_clip",
    "embed_dim": 8,
    "image_size_px": 8,
    "scope": ["photo"],
    "licence": "MIT",
}


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(USER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The path of the user's registry, which FIELDGUIDE_REGISTRY names."""
    path = tmp_path / "own" / "registry.yaml"
    path.parent.mkdir()
    monkeypatch.setenv(USER_VARIABLE, str(path))
    return path


def write(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"version": 1, **content}), "utf-8")


def test_the_user_may_add_a_model_and_make_it_the_default(own: Path) -> None:
    write(own, models=[MODEL], defaults={"photo": "my_model"})

    registry = build_catalog(found=()).registry

    assert registry.defaults["photo"] == "my_model"
    assert registry.model("my_model").origin == str(own.parent)
    assert registry.model("embedded_conse")


def test_the_user_may_replace_a_model_of_the_core(own: Path) -> None:
    write(own, models=[MODEL | {"name": "embedded_conse"}])

    registry = build_catalog(found=()).registry

    assert registry.model("embedded_conse").architecture == "open_clip"
    names = [record.name for record in registry.models]
    assert names == [record.name for record in read_core_registry().models]


def test_the_user_may_refer_to_records_of_the_core(own: Path) -> None:
    core = read_core_registry().datasets[0].name
    write(own, models=[MODEL | {"trained_on": [core]}], defaults={"photo": "embedded_conse"})

    registry = build_catalog(found=()).registry

    assert registry.model("my_model").trained_on == (core,)


def test_the_users_file_is_looked_for_in_the_configuration_folder(tmp_path: Path) -> None:
    path = tmp_path / "config" / "fieldguide" / "registry.yaml"
    assert user_registry_path() == path

    write(path, models=[MODEL])

    assert build_catalog(found=()).registry.model("my_model")


def test_without_a_file_of_the_user_the_records_are_the_cores() -> None:
    assert read_core_registry().with_user_overlay() == read_core_registry()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"models: [", "is not YAML"),
        (b"\xff\xfe", "is not YAML"),
        (b"", "must start with 'version: 1'"),
        (b"version: 1\nmodels: [{name: x}]", "models.0.summary: Field required"),
        (b"version: 1\ndefaults: {photo: no_model}", "'no_model'"),
        (b"!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_a_broken_file_of_the_user_is_named_with_what_to_do(
    own: Path, content: bytes, said: str
) -> None:
    own.write_bytes(content)

    with pytest.raises(RegistryError) as caught:
        build_catalog(found=())

    assert str(own) in str(caught.value)
    assert said in str(caught.value)
    assert "Edit the file." in str(caught.value) or "start with" in str(caught.value)


def test_a_replacement_that_no_longer_fits_its_default_is_an_error_of_the_file(own: Path) -> None:
    write(own, models=[MODEL | {"name": "embedded_conse", "scope": ["radiograph"]}])

    with pytest.raises(RegistryError, match="does not hold 'photo'") as caught:
        build_catalog(found=())

    assert str(own) in str(caught.value)


def test_a_named_file_that_is_not_there_is_an_error(own: Path) -> None:
    with pytest.raises(RegistryError, match=f"Correct or unset {USER_VARIABLE}") as caught:
        build_catalog(found=())

    assert str(own) in str(caught.value)


def test_a_folder_in_place_of_the_file_is_an_error(own: Path) -> None:
    own.mkdir()

    with pytest.raises(RegistryError, match="cannot be read"):
        build_catalog(found=())
