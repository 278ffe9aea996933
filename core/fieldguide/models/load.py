"""From a name, a folder or a modality's default to an encoder."""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fieldguide.errors import ScopeError, UsageError, WeightsError
from fieldguide.registry import ModelRecord

if TYPE_CHECKING:
    import torch

    from fieldguide.models.embeddings import Encoder
    from fieldguide.plugins import Catalog
    from fieldguide.specs import ModalitySpec

logger = logging.getLogger(__name__)

ANY = "any"
RESEARCH_VARIABLE = "FIELDGUIDE_RESEARCH_WEIGHTS"
OPEN_CLIP_CONFIG = "open_clip_config.json"


def covers(record: ModelRecord, modality: ModalitySpec) -> bool:
    """Return whether a model was made for a modality, or for the wider one it belongs to."""
    return bool({ANY, modality.name, modality.broader} & set(record.scope))


def default_model(modality: ModalitySpec, catalog: Catalog) -> ModelRecord | None:
    """Return the model that the registry names for a modality, or None."""
    defaults = catalog.registry.defaults
    name = defaults.get(modality.name) or defaults.get(modality.broader or "")
    return None if name is None else catalog.registry.model(name)


def named_model(name: str, catalog: Catalog) -> ModelRecord:
    """Return the record of a registry name or of a local open_clip folder.

    Raises:
        UnknownNameError: neither.
        UsageError: a hub name; hubs are not read by this release.
    """
    folder = Path(name).expanduser()
    if (folder / OPEN_CLIP_CONFIG).is_file():
        return _local_record(folder)
    if folder.is_dir():
        raise UsageError(
            f"{name} has no {OPEN_CLIP_CONFIG}. Name a folder as open_clip saves it for a hub."
        )
    if name.startswith(("hf-hub:", "hf://", "http")):
        raise UsageError(
            f"{name}: hubs are not read by this release. Download the model's folder and give its "
            "path: --model FOLDER"
        )
    return catalog.registry.model(name)


def lasting_name(name: str) -> str:
    """Return a model's name as a store can keep it: a folder as its absolute path."""
    folder = Path(name).expanduser()
    return str(folder.resolve()) if (folder / OPEN_CLIP_CONFIG).is_file() else name


def pick_model(modality: ModalitySpec, catalog: Catalog, *, out_of_scope: bool = False,
               name: str | None = None) -> ModelRecord:  # fmt: skip
    """Return the model for a modality: the named one or the default.

    Raises:
        ScopeError: there is none, or the named one was made for something else and
            ``out_of_scope`` is not set.
        WeightsError: its weights are for research only and the user switched those off.
    """
    record = default_model(modality, catalog) if name is None else named_model(name, catalog)
    if record is None:
        raise ScopeError(
            f"no installed model was made for {modality.summary} ({modality.name}). "
            "Name one that was: --model NAME_OR_FOLDER; 'fieldguide models' lists them with scope."
        )
    if not covers(record, modality) and not out_of_scope:
        raise ScopeError(
            f"the model {record.name!r} was made for {', '.join(record.scope)}, not for "
            f"{modality.summary} ({modality.name}). Name another --model, or take its word all the "
            "same with --out-of-scope, which marks every row."
        )
    if record.research_only and os.environ.get(RESEARCH_VARIABLE) == "refuse":
        raise WeightsError(
            f"The model {record.name!r} was trained on data for research use only, and "
            f"{RESEARCH_VARIABLE}=refuse is set. Name another --model, or unset it."
        )
    return record


def load_encoder(record: ModelRecord, catalog: Catalog, device: torch.device) -> Encoder:
    """Build the encoder of a record by the architecture it names.

    Raises:
        UnknownNameError: no plugin offers the architecture.
        MissingExtraError: its packages are not installed.
        WeightsError: its weights are missing or changed.
    """
    build = catalog.models[record.architecture].load()
    if record.research_only:
        say_licence(record.name)
    return cast("Encoder", build(record, device))


@functools.cache
def say_licence(name: str) -> None:
    """Say once a process that a model's weights may be used for research only."""
    logger.warning("%s: weights for research use only; see 'fieldguide models %s'", name, name)


def _local_record(folder: Path) -> ModelRecord:
    return ModelRecord(
        name="local_model",
        summary=f"open_clip model in {folder}",
        architecture="open_clip",
        embed_dim=1,
        image_size_px=1,
        scope=(ANY,),
        licence="LicenseRef-unknown",
        settings={"folder": str(folder.resolve())},
    )
