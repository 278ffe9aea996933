"""What a record says of its use: whether it can run here, its licence, and what it stated."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from fieldguide.contract import InputContract
from fieldguide.errors import UsageError, WeightsError
from fieldguide.models.openclip_names import LOCAL

if TYPE_CHECKING:
    from fieldguide.models.embeddings import Encoder
    from fieldguide.registry import ModelRecord

RESEARCH_VARIABLE = "FIELDGUIDE_RESEARCH_WEIGHTS"
TOLERANCE = 1e-4
"""Relative difference of means and deviations that only comes from rounding in a record."""


def check_runnable(record: ModelRecord) -> None:
    """Raise UsageError for a model whose code is elsewhere, before anything is downloaded."""
    if record.unsupported:
        raise UsageError(
            f"The model {record.name!r} does not run in this release: {record.unsupported} "
            f"Run: fieldguide models {record.name}"
        )


def check_research(record: ModelRecord) -> None:
    """Raise WeightsError for weights that the user switched off by ``RESEARCH_VARIABLE``."""
    if record.research_only and os.environ.get(RESEARCH_VARIABLE) == "refuse":
        raise WeightsError(
            f"The weights of the model {record.name!r} are for research use only, and "
            f"{RESEARCH_VARIABLE}=refuse is set. Name another --model, or unset it."
        )


def licence_line(record: ModelRecord) -> str | None:
    """Return what to say before the first use, in one line; None for free weights that ship."""
    if record.availability == "ready" and not (record.research_only or record.licence_limits):
        return None
    if record.name == LOCAL:  # a user's own model says nothing, or its base does
        return None
    parts = [f"licence {record.licence}"]
    if record.research_only:
        parts.append("weights for research use only")
    if record.licence_limits:
        parts.append(f"limits: {record.licence_limits}")
    where = f"see 'fieldguide models {record.name}'"
    return f"{record.name}: {'; '.join(parts)}; {where}{f', {record.source}' * bool(record.source)}"


def check_stated(record: ModelRecord, encoder: Encoder) -> None:
    """Compare a loaded model with what its record states of it.

    Raises:
        WeightsError: they differ; both values are told. Other weights than the named ones came.
    """
    found: dict[str, tuple[Any, Any]] = {}
    if record.embed_dim is not None and record.embed_dim != encoder.space.dim:
        found["embed_dim"] = (record.embed_dim, encoder.space.dim)
    size_px = encoder.contract.size_px
    if record.image_size_px is not None and record.image_size_px not in size_px:
        found["image_size_px"] = (record.image_size_px, size_px)
    if record.contract is not None and isinstance(encoder.contract, InputContract):
        found |= contract_differences(record.contract, encoder.contract)
    if found:
        told = "; ".join(
            f"{name} {stated} where the loaded model has {own}"
            for name, (stated, own) in found.items()
        )
        raise WeightsError(
            f"The record of the model {record.name!r} states {told}. The files are not those of "
            "the record, or the record is wrong: correct it in your registry, or name the model "
            "by its folder: --model FOLDER"
        )


def contract_differences(stated: InputContract, own: InputContract) -> dict[str, tuple[Any, Any]]:
    """Return the fields in which two contracts differ, with both values; rounding is none."""
    left, right = stated.model_dump(), own.model_dump()
    return {name: (left[name], right[name]) for name in left if not _same(left[name], right[name])}


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, float) or isinstance(right, float):
        return left is not None and right is not None and math.isclose(
            left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE
        )  # fmt: skip
    return bool(left == right)
