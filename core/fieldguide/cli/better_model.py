"""The one line that names a larger model where an embedded one was used by default."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import click

from fieldguide.cli.model_texts import size_text

if TYPE_CHECKING:
    from fieldguide.plugins import Catalog
    from fieldguide.registry import ModelRecord, Registry
    from fieldguide.specs import ModalitySpec


def say_better_model(
    catalog: Catalog, modality: str | None, model: str | None, *, by: str = "--model"
) -> None:
    """Say once a process which model the registry recommends in place of the embedded one.

    Nothing is said when the user chose a model, or where nothing can be downloaded.

    Args:
        catalog: whose registry recommends.
        modality: what the job's images are; None when there were none.
        model: the model that was used.
        by: how the user names another one.
    """
    from fieldguide.doctor.network import why_offline  # only when a command has run

    if modality is None or why_offline(os.environ, offline=False):
        return
    specs = (m for domain in catalog.domains.usable() for m in domain.modalities)
    spec = next((spec for spec in specs if spec.name == modality), None)
    better = None if spec is None else better_model(catalog.registry, spec, model)
    if better is not None:
        _say(f"A larger model: {by} {better.name} ({describe(better)})")


def better_model(
    registry: Registry, modality: ModalitySpec, used: str | None
) -> ModelRecord | None:
    """Return the recommended model of a modality if its embedded default was used, else None."""
    from fieldguide.registry import PackageFile  # pydantic: not on the way to --help

    place = modality.name if modality.name in registry.defaults else modality.broader or ""
    name = registry.recommended.get(modality.name) or registry.recommended.get(place)
    if name is None or used is None or registry.defaults.get(place) != used:
        return None
    weights = registry.model(used).files.values()
    is_embedded = any(isinstance(weight, PackageFile) for weight in weights)  # not the user's own
    return registry.model(name) if is_embedded else None


def describe(record: ModelRecord) -> str:
    """Return what a model is, how much is downloaded and under which licence, in one line."""
    licence = record.licence + (", research use only" if record.research_only else "")
    return f"{record.summary}; {size_text(record.size_bytes)}, {licence}"


@functools.cache
def _say(line: str) -> None:
    click.echo(line, err=True)
