"""Schema and reader of registry.yaml: checkpoints, data sets and defaults; never code.

Three files overlay each other: the core's, one a plugin (named by its DomainSpec), and the
user's own, ``$FIELDGUIDE_REGISTRY`` or ``~/.config/fieldguide/registry.yaml``. A plugin may not
redefine a name; the user may.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from fieldguide.errors import RegistryError, UnknownNameError
from fieldguide.specs import Name, Record, list_faults, stays_inside

RECORD_KINDS = ("models", "architectures", "datasets")
USER_VARIABLE = "FIELDGUIDE_REGISTRY"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
Licence = Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*$")]


Relative = Annotated[str, AfterValidator(stays_inside)]


class PackageFile(Record):
    """A file inside an installed package of the package index, at one exact version."""

    package: str
    version: str
    path: Relative = Field(description="inside site-packages")
    sha256: Sha256


class ResourceFile(Record):
    """A file that ships beside a plugin's registry."""

    resource: Relative = Field(description="relative to the registry file")
    sha256: Sha256


class CoreFile(Record):
    """A file inside the core's package, wherever the registry lies."""

    core: Relative = Field(description="relative to the package fieldguide")
    sha256: Sha256


class CoreText(Record):
    """A text inside the core's package, wherever the registry lies: a card."""

    core: Relative = Field(description="relative to the package fieldguide")


class LocalFile(Record):
    """A file of the user's, relative to the registry file or absolute."""

    file: str
    sha256: Sha256 | None = None


def _kind_of_file(value: Any) -> str | None:
    """Return the key that says of which kind a weight file is, so that only its faults show."""
    given = value if isinstance(value, dict) else vars(value) if isinstance(value, Record) else {}
    return next((kind for kind in ("package", "resource", "core", "file") if kind in given), None)


WeightFile = Annotated[
    Annotated[PackageFile, Tag("package")]
    | Annotated[ResourceFile, Tag("resource")]
    | Annotated[CoreFile, Tag("core")]
    | Annotated[LocalFile, Tag("file")],
    Discriminator(
        _kind_of_file,
        custom_error_type="weight_file",
        custom_error_message="a file needs one of the keys package, resource, core, file",
    ),
]


class ModelRecord(Record):
    """One checkpoint.

    Attributes:
        architecture: name of a ModelSpec.
        scope: modalities it was made for; "any" for a user's own model that does not say.
        files: weights by role, as the architecture names them.
        settings: what the architecture needs to know beside the weights.
        research_only: True when the training data allow research use only.
        card: a text that says what it is, where from and how good; beside the registry, or
            ``{core: path}`` inside the core's package.
    """

    name: Name
    summary: str
    architecture: Name
    embed_dim: int = Field(ge=1)
    image_size_px: int = Field(ge=1)
    scope: tuple[Name, ...] = Field(min_length=1)
    licence: Licence
    licence_file: Relative | None = None
    research_only: bool = False
    source: Url | None = None
    card: Relative | CoreText | None = None
    trained_on: tuple[Name, ...] = ()
    files: dict[str, WeightFile] = Field(default={})
    settings: dict[str, Any] = Field(default={})
    origin: str = Field(default="", description="folder of the registry file; set by the reader")

    @model_validator(mode="after")
    def _research_weights_carry_their_licence(self) -> Self:
        if self.research_only and self.licence_file is None:
            raise ValueError("research_only weights need a licence_file")
        return self


class ArchitectureRecord(Record):
    """A network without weights, as the configuration that its ModelSpec reads."""

    name: Name
    summary: str
    spec: Name = Field(description="name of a ModelSpec")
    config: dict[str, Any]


class DatasetRecord(Record):
    """One data set: where it comes from and under which licence."""

    name: Name
    summary: str
    licence: str
    source: Url
    modality: Name
    classes: int | None = Field(default=None, ge=1)
    splits: dict[str, int] = Field(default={})


class Registry(Record):
    """The records of one file, or of several merged."""

    version: Literal[1]
    models: tuple[ModelRecord, ...] = ()
    architectures: tuple[ArchitectureRecord, ...] = ()
    datasets: tuple[DatasetRecord, ...] = ()
    defaults: dict[Name, Name] = Field(default={}, description="modality: model")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for label in RECORD_KINDS:
            names = [record.name for record in getattr(self, label)]
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise ValueError(f"{label} has the same name twice: {', '.join(doubled)}")
        return self

    @model_validator(mode="after")
    def _references_exist(self, info: ValidationInfo) -> Self:
        base: Registry | None = (info.context or {}).get("base")
        known = (self,) if base is None else (base, self)
        models = {record.name: record for registry in known for record in registry.models}
        for modality, name in self.defaults.items():
            if name not in models:
                raise ValueError(
                    f"defaults: {modality!r} names the model {name!r}; models has {sorted(models)}"
                )
            if modality not in models[name].scope:
                raise ValueError(
                    f"defaults: the scope of {name!r} is {models[name].scope}, "
                    f"which does not hold {modality!r}"
                )
        datasets = {record.name for registry in known for record in registry.datasets}
        for record in self.models:
            if unknown := set(record.trained_on) - datasets:
                raise ValueError(
                    f"model {record.name!r} is trained_on {sorted(unknown)}; "
                    f"datasets has {sorted(datasets)}"
                )
        return self

    def model(self, name: str) -> ModelRecord:
        """Return the model record of that name, or raise UnknownNameError."""
        for record in self.models:
            if record.name == name:
                return record
        names = ", ".join(record.name for record in self.models)
        raise UnknownNameError(
            f"No model is named {name!r}. There are: {names}.\nRun 'fieldguide models'."
        )

    def architecture(self, name: str) -> ArchitectureRecord:
        """Return the architecture record of that name, or raise UnknownNameError."""
        for record in self.architectures:
            if record.name == name:
                return record
        names = ", ".join(record.name for record in self.architectures)
        raise UnknownNameError(f"No architecture is named {name!r}. There are: {names}.")

    def with_user_overlay(self) -> Registry:
        """Return this registry with the user's own records on top; same names are replaced."""
        path = user_registry_path()
        if not path.exists() and not os.environ.get(USER_VARIABLE):
            return self
        try:
            return overlay(self, _read(path, str(path), base=self))
        except OSError as error:
            raise RegistryError(
                f"{path} cannot be read: {error.strerror}. Correct or unset {USER_VARIABLE}."
            ) from error
        except ValidationError as error:  # each file is valid; together they are not
            raise RegistryError(
                f"{path} does not fit the records it replaces: {list_faults(error)}. Edit the file."
            ) from error


def user_registry_path() -> Path:
    """Return where the user's own registry is looked for."""
    if named := os.environ.get(USER_VARIABLE):
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "fieldguide" / "registry.yaml"


def read_core_registry() -> Registry:
    """Read the core's registry.yaml: in the package of a wheel, at the top of a checkout."""
    package = Path(str(files("fieldguide")))
    for path in (package / "registry.yaml", package.parents[1] / "registry.yaml"):
        if path.is_file():
            return _read(path, str(path))
    raise RegistryError(
        "registry.yaml is missing from the installation. Run: pip install --force-reinstall "
        "fieldguide"
    )


def read_resource(resource: str, owner: str, base: Registry | None = None) -> Registry:
    """Read a plugin's registry.

    Args:
        resource: ``package:path``.
        owner: the plugin's name.
        base: the core's records, which it may refer to.

    Raises:
        RegistryError: it is not valid.
        OSError: it cannot be read.
    """
    package, _, relative = resource.partition(":")
    return _read(Path(str(files(package))) / relative, f"{owner}'s {relative}", base)


def merge_registries(base: Registry, added: Registry) -> Registry:
    """Return both; a name in both is a RegistryError."""
    for label in RECORD_KINDS:
        ours = {record.name for record in getattr(base, label)}
        theirs = {record.name for record in getattr(added, label)}
        if both := ours & theirs:
            raise RegistryError(f"its registry redefines {label}: {', '.join(sorted(both))}.")
    if both := set(base.defaults) & set(added.defaults):
        raise RegistryError(f"its registry redefines defaults: {', '.join(sorted(both))}.")
    return overlay(base, added)


def overlay(base: Registry, top: Registry) -> Registry:
    """Return both, the top's records in place of the base's with the same name."""
    records: dict[str, Any] = {}
    for label in RECORD_KINDS:
        both = (*getattr(base, label), *getattr(top, label))
        records[label] = tuple({record.name: record for record in both}.values())
    return Registry(version=1, **records, defaults={**base.defaults, **top.defaults})


def parse_registry(
    content: Any, where: str, folder: Path, base: Registry | None = None
) -> Registry:
    """Check the content of one file.

    Args:
        content: the parsed YAML.
        where: the file's name for messages.
        folder: the folder against which its relative paths are read.
        base: records that this one may refer to without repeating them.

    Raises:
        RegistryError: the content does not fit the schema; every fault is listed.
    """
    if not isinstance(content, dict):
        raise RegistryError(f"{where} is not a registry: it must start with 'version: 1'.")
    models = content.get("models")
    for record in models if isinstance(models, list) else ():
        if isinstance(record, dict):
            record["origin"] = str(folder)
    try:
        return Registry.model_validate(content, context={"base": base})
    except ValidationError as error:
        raise RegistryError(
            f"{where} is not valid: {list_faults(error)}. Edit the file."
        ) from error


def _read(path: Path, where: str, base: Registry | None = None) -> Registry:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RegistryError(f"{where} is not YAML: {error}. Edit the file.") from error
    return parse_registry(content, where, path.parent, base)
