"""Models of CT volumes that are made from a model of pictures, as a user's YAML file says.

base: ./my-clip
contract: chest_slices
pooling: mean              # or attention, or {top: 8}

base: ./my-clip
contract: {like: chest_slices, size: [224, 224, 96]}
inflate: mean              # or centre, or {kernel: mean, patch_depth: 8}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError

from fieldguide.errors import UsageError
from fieldguide.specs import Record, list_faults
from fieldguide_medical.contract_files import FORM, volume_contract

if TYPE_CHECKING:
    import torch

    from fieldguide.models.slice_pooling import SlicePooling
    from fieldguide.models.volume_encoder import VolumeEncoder
    from fieldguide.registry import ModelRecord

Kernel = Literal["mean", "centre"]


class Top(Record):
    """The slices that excite the tower most.

    Attributes:
        top: how many.
    """

    top: int = Field(ge=1, le=4096)


class Inflate(Record):
    """How kernels are given depth.

    Attributes:
        kernel: the same in every layer, or in the middle one alone.
        patch_depth: slices that a patch takes; None for its side.
    """

    kernel: Kernel = "mean"
    patch_depth: int | None = Field(default=None, ge=1, le=512)


class SlicePooled(Record):
    """A model of pictures whose vectors of slices are pooled.

    Attributes:
        base: as ``--model`` names it; a path may be relative to the file.
        contract: see :mod:`fieldguide_medical.contract_files`.
        pooling: of the slices.
    """

    base: Annotated[str, Field(min_length=1)]
    contract: str | dict[str, Any]
    pooling: Literal["mean", "attention"] | Top


class Inflated(Record):
    """A model of pictures whose network was given depth.

    Attributes:
        base: as ``--model`` names it; a path may be relative to the file.
        contract: see :mod:`fieldguide_medical.contract_files`.
        inflate: how.
    """

    base: Annotated[str, Field(min_length=1)]
    contract: str | dict[str, Any]
    inflate: Kernel | Inflate


def slice_pooled_settings(content: Any, where: str) -> dict[str, Any]:
    """Return the checked content of a YAML file as settings of a record.

    Raises:
        UsageError: it does not fit; every fault is listed.
    """
    settings = _checked(SlicePooled, content, where)
    volume_contract(settings["contract"], where)
    return settings


def inflated_settings(content: Any, where: str) -> dict[str, Any]:
    """Return the checked content likewise; see :func:`slice_pooled_settings`."""
    settings = _checked(Inflated, content, where)
    volume_contract(settings["contract"], where)
    return settings


def build_slice_pooled(record: ModelRecord, device: torch.device) -> VolumeEncoder:
    """Build the model that a record pools slices of.

    Raises:
        UsageError: the settings describe no such model, or its base cannot take volumes.
        UnknownNameError: the base is not here.
        WeightsError: the base's weights are missing or changed, or were switched off.
    """
    from fieldguide.models.recipes import base_encoder
    from fieldguide.models.volume_encoder import pool_slices

    where = f"the model {record.name!r}"
    told = SlicePooled.model_validate(slice_pooled_settings(record.settings, where))
    contract = volume_contract(told.contract, where).for_pictures()
    base, name = base_encoder(record, device)
    return pool_slices(base, _pooling(told, base.space.dim), contract, name)


def build_inflated(record: ModelRecord, device: torch.device) -> VolumeEncoder:
    """Build the model that a record inflates; see :func:`build_slice_pooled`."""
    from fieldguide.models.inflate import KERNELS, Inflation
    from fieldguide.models.recipes import base_encoder
    from fieldguide.models.volume_encoder import inflated

    where = f"the model {record.name!r}"
    told = Inflated.model_validate(inflated_settings(record.settings, where))
    contract = volume_contract(told.contract, where).for_pictures()
    how = Inflate(kernel=told.inflate) if isinstance(told.inflate, str) else told.inflate
    inflation = Inflation(KERNELS[how.kernel], how.kernel, how.patch_depth)
    base, name = base_encoder(record, device)
    return inflated(base, inflation, contract, name)


def _pooling(told: SlicePooled, width: int) -> SlicePooling:
    from fieldguide.models.slice_pooling import AttentionPooling, MeanPooling, TopKPooling

    if isinstance(told.pooling, Top):
        return TopKPooling(told.pooling.top)
    return MeanPooling() if told.pooling == "mean" else AttentionPooling(width)


def _checked(kind: type[Record], content: Any, where: str) -> dict[str, Any]:
    try:
        return kind.model_validate(content).model_dump(exclude_none=True)
    except ValidationError as error:
        raise UsageError(f"{where} describes no model of volumes: {list_faults(error)}. {FORM}."
                         ) from error  # fmt: skip
