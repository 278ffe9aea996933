"""The adapter that a user names for a job: read, allowed, and with the base model it needs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from fieldguide.errors import AdapterError, UnknownNameError, UsageError, WeightsError
from fieldguide.models.load import lasting_name, load_encoder, named_model, say_licence
from fieldguide.models.terms import RESEARCH_VARIABLE
from fieldguide.tuning.adapter import Adapter
from fieldguide.tuning.adapter_files import load_adapter
from fieldguide.tuning.attach import require_tunable

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.models.tunable import Tunable
    from fieldguide.plugins import Catalog


def choose_adapter(
    named: str | Path | Adapter | None, strength: float | None, catalog: Catalog
) -> Adapter | None:
    """Return the adapter of a job, at its strength.

    Args:
        named: a registry name, folder, zip or an adapter that was read; None for none.
        strength: 0 to 1; None for the picked one.
        catalog: whose registry knows adapters.

    Raises:
        UsageError: a strength without an adapter, or not 0 to 1.
        AdapterError: it is damaged.
        WeightsError: it is for research only and the user switched that off.
    """
    if named is None:
        if strength is not None:
            raise UsageError("--strength is that of an adapter. Name one: --adapter A")
        return None
    adapter = named if isinstance(named, Adapter) else load_adapter(named, catalog)
    check_terms(adapter)
    return adapter if strength is None else adapter.with_strength(strength)


def base_model(adapter: Adapter, catalog: Catalog) -> str:
    """Return the name of an adapter's base model.

    Raises:
        AdapterError: there is no such model here.
    """
    name = adapter.config.base.model
    try:
        named_model(name, catalog)
    except UnknownNameError as error:
        raise AdapterError(
            f"The adapter {adapter.config.name!r} changes the model {name}, which is not here. "
            "Say where that model is now: --model NAME_OR_FOLDER"
        ) from error
    return name


def lasting_base(adapter: Adapter, catalog: Catalog) -> str:
    """Return the name of an adapter's base model, as it holds in every folder.

    Raises:
        AdapterError: there is no such model here.
    """
    return lasting_name(base_model(adapter, catalog), catalog)


def check_terms(adapter: Adapter) -> None:
    """Say the licence once, or refuse what the user switched off by ``RESEARCH_VARIABLE``."""
    config = adapter.config
    if config.research_only and os.environ.get(RESEARCH_VARIABLE) == "refuse":
        raise WeightsError(
            f"The adapter {config.name!r} is for research use only, and {RESEARCH_VARIABLE}=refuse "
            "is set. Leave --adapter out, or unset it."
        )
    if config.research_only or config.licence_limits:
        parts = [f"licence {config.licence}"]
        parts += ["for research use only"] if config.research_only else []
        parts += [f"limits: {config.licence_limits}"] if config.licence_limits else []
        say_licence(f"adapter {config.name}: {'; '.join(parts)}")


def require_vectors(adapter: Adapter | None) -> None:
    """Raise UsageError for a probe where vectors are wanted: its vectors are those of the base."""
    if adapter is not None and adapter.classifier is not None:
        raise UsageError(
            f"The adapter {adapter.config.name!r} is a probe: it names its labels and changes no "
            "vector, so there is nothing of it to store or to search with. Leave --adapter out; "
            "'fieldguide classify --adapter' uses it."
        )


def load_base(adapter: Adapter, catalog: Catalog, model: str | None = None) -> Tunable:
    """Return the base model of an adapter, on the CPU.

    Args:
        adapter: that changes it.
        catalog: whose registry knows models.
        model: where it is, when not where the adapter says.

    Raises:
        AdapterError: there is no such model here, or it takes no adapters.
    """
    record = named_model(model or base_model(adapter, catalog), catalog)
    return require_tunable(load_encoder(record, catalog, torch.device("cpu")))
