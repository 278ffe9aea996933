"""Where the files of a checkpoint lie, as a registry names them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from fieldguide.specs import Record, stays_inside

FILE_KINDS = ("package", "resource", "core", "file", "hub")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
HubName = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
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


class HubFile(Record):
    """A file of a repository on the Hugging Face hub, downloaded when it is first used."""

    hub: HubName
    path: Relative
    revision: str | None = Field(default=None, description="a commit, for files that may change")
    sha256: Sha256 | None = Field(default=None, description="None: not known, so not checked")


def _kind_of_file(value: Any) -> str | None:
    """Return the key that says of which kind a weight file is, so that only its faults show."""
    given = value if isinstance(value, dict) else vars(value) if isinstance(value, Record) else {}
    return next((kind for kind in FILE_KINDS if kind in given), None)


WeightFile = Annotated[
    Annotated[PackageFile, Tag("package")]
    | Annotated[ResourceFile, Tag("resource")]
    | Annotated[CoreFile, Tag("core")]
    | Annotated[LocalFile, Tag("file")]
    | Annotated[HubFile, Tag("hub")],
    Discriminator(
        _kind_of_file,
        custom_error_type="weight_file",
        custom_error_message=f"a file needs one of the keys {', '.join(FILE_KINDS)}",
    ),
]
