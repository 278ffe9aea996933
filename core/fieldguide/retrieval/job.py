"""What an index notes of the job that made it, so that it can be opened with the same model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fieldguide.errors import StoreError
from fieldguide.specs import list_faults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Job(BaseModel):
    """The domain, modality, model and adapter of an index.

    Attributes:
        adapter: a registry name or an absolute path; None for the model as it is.
        strength: of the adapter.
        options: the domain's options, which become keywords of its loaders.
        out_of_scope: whether its model's word was taken on images it was not made for.
        names: what its rows are called by: "ids" where sources are private, else "paths".
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    domain: str
    modality: str | None = None
    model: str | None = None
    adapter: str | None = None
    strength: float | None = None
    options: dict[str, str | bool | int | float] = {}
    out_of_scope: bool = False
    names: Literal["ids", "paths"] = "paths"


def read_job(about: Mapping[str, Any], folder: Path) -> Job:
    """Return the job that an index notes.

    Raises:
        StoreError: what it notes is not what fieldguide writes.
    """
    try:
        return Job.model_validate(dict(about))
    except ValidationError as error:
        raise StoreError(
            f"{folder} does not say how it was made: {list_faults(error)}. Index the images again."
        ) from error
