"""From a name, a folder or a modality's default to an encoder."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fieldguide.errors import ScopeError
from fieldguide.models.openclip_names import ANY, lasting_path, unregistered_model
from fieldguide.models.terms import check_research, check_runnable, check_stated, licence_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from fieldguide.models.embeddings import Encoder
    from fieldguide.plugins import Catalog
    from fieldguide.registry import ModelRecord
    from fieldguide.specs import ModalitySpec

logger = logging.getLogger(__name__)


def covers(record: ModelRecord, modality: ModalitySpec) -> bool:
    """Return whether a model was made for a modality, or for the wider one it belongs to."""
    return bool({ANY, modality.name, modality.broader} & set(record.scope))


def default_model(modality: ModalitySpec, catalog: Catalog) -> ModelRecord | None:
    """Return the model that the registry names for a modality, or None."""
    defaults = catalog.registry.defaults
    name = defaults.get(modality.name) or defaults.get(modality.broader or "")
    return None if name is None else catalog.registry.model(name)


def named_model(name: str, catalog: Catalog) -> ModelRecord:
    """Return the record of a registry name, or of an open_clip model that a user names.

    A registry name goes first: a folder of the same name is meant by ``./NAME``. The other forms
    are those of ``fieldguide.models.openclip_names``, and a YAML file that makes a model from
    another one, see ``fieldguide.models.recipes``.

    Raises:
        UnknownNameError: the name is none of these, or names nothing.
        AmbiguousNameError: several registered models lie in the hub repository.
        UsageError: a folder or file from which no model can be made.
    """
    if is_registered(name, catalog):
        return catalog.registry.model(name)
    path = Path(name).expanduser()
    if path.suffix.lower() in (".yaml", ".yml") and path.is_file():
        from fieldguide.models.recipes import recipe_model  # it names models by this module

        return recipe_model(path.resolve(), catalog)
    return unregistered_model(name, catalog.registry)


def lasting_name(name: str, catalog: Catalog) -> str:
    """Return a model's name as a store can keep it: folders and files by absolute paths."""
    return name if is_registered(name, catalog) else lasting_path(name)


def is_registered(name: str, catalog: Catalog) -> bool:
    """Return whether a registry has a model of this name."""
    return any(record.name == name for record in catalog.registry.models)


def pick_model(modality: ModalitySpec, catalog: Catalog, *, out_of_scope: bool = False,
               name: str | None = None, scope: Sequence[str] | None = None
               ) -> ModelRecord:  # fmt: skip
    """Return the model for a modality: the named one or the default.

    Args:
        modality: of the images.
        catalog: whose registry knows models.
        out_of_scope: whether it may be one that was made for something else.
        name: of the model; None for the modality's default.
        scope: in place of the model's own: that of an adapter on it.

    Raises:
        ScopeError: there is none, or the named one was made for something else and
            ``out_of_scope`` is not set.
        UsageError: this release cannot run it.
        WeightsError: its weights are for research only and the user switched those off.
    """
    record = default_model(modality, catalog) if name is None else named_model(name, catalog)
    if record is None:
        raise ScopeError(
            f"no installed model was made for {modality.summary} ({modality.name}). "
            "Name one that was: --model NAME_OR_FOLDER; 'fieldguide models' lists them with scope."
        )
    check_runnable(record)
    if scope is not None:
        record = record.model_copy(update={"scope": tuple(scope)})
    if not covers(record, modality) and not out_of_scope:
        raise ScopeError(
            f"the model {record.name!r} was made for {', '.join(record.scope)}, not for "
            f"{modality.summary} ({modality.name}). Name another --model, or take its word all the "
            "same with --out-of-scope, which marks every row."
        )
    check_research(record)
    return record


def load_encoder(record: ModelRecord, catalog: Catalog, device: torch.device) -> Encoder:
    """Build the encoder of a record by the architecture it names.

    Raises:
        UnknownNameError: no plugin offers the architecture.
        MissingExtraError: its packages are not installed.
        UsageError: this release cannot run it.
        WeightsError: its weights are missing or changed, or are not what the record states.
    """
    check_runnable(record)
    build = catalog.models[record.architecture].load()
    if line := licence_line(record):
        say_licence(line)  # before anything is downloaded
    encoder = cast("Encoder", build(record, device))
    check_stated(record, encoder)
    return encoder


@functools.cache
def say_licence(line: str) -> None:
    """Say once a process under which licence a model's weights are, and what it forbids."""
    logger.warning("%s", line)
