"""Models that are made from another one by a few lines: what ``--model FILE.yaml`` means.

The same words stand in the settings of a registry record and in such a file. Each architecture of
this kind has a key of its own, by which its files are known: ``bands``, ``pooling``, ``inflate``.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fieldguide.errors import AmbiguousNameError, UsageError
from fieldguide.models.load import is_registered, load_encoder, named_model
from fieldguide.models.openclip_names import LOCAL
from fieldguide.models.terms import check_research
from fieldguide.plain_yaml import load_yaml
from fieldguide.plugins import get_catalog
from fieldguide.registry import LocalFile

if TYPE_CHECKING:
    import torch

    from fieldguide.models.embeddings import Encoder
    from fieldguide.plugins import Catalog
    from fieldguide.registry import ModelRecord
    from fieldguide.specs import ModelSpec

SUFFIXES = (".yaml", ".yml")
RECIPE = "recipe"
"""Role of the YAML file among the files of a record."""


def recipe_model(path: Path, catalog: Catalog) -> ModelRecord:
    """Return the record of a YAML file; scope and licence are those of the model it names.

    Raises:
        UsageError: it cannot be read, or describes no model.
        UnknownNameError: the model it is made from is not here.
    """
    content = _content(path)
    spec = _spec_of(content, path, catalog)
    settings: dict[str, Any] = spec.import_target(str(spec.recipe))(content, str(path))
    base = base_model_of(settings["base"], path.parent, catalog)
    changes = {
        "name": LOCAL,
        "summary": f"{base.summary}, changed as {path.name} says",
        "architecture": spec.name,
        "contract": None,
        "card": None,
        "files": {RECIPE: LocalFile(file=str(path))},
        "settings": settings,
    }
    return base.model_copy(update=changes)


def base_model_of(base: str, folder: Path, catalog: Catalog) -> ModelRecord:
    """Return the record of the model that another one is made from.

    Args:
        base: as ``--model`` names it, or a path relative to the file.
        folder: of that file or registry.
        catalog: whose registry knows models.

    Raises:
        UsageError: it is made from another one itself.
        UnknownNameError: it is not here.
    """
    beside = folder / Path(base).expanduser()
    is_beside = not is_registered(base, catalog) and beside.exists()
    is_file = Path(base).suffix.lower() in SUFFIXES
    record = None if is_file else named_model(str(beside) if is_beside else base, catalog)
    if record is None or record.architecture in {spec.name for spec in _recipes(catalog)}:
        raise UsageError(
            f"The base {base} is made from another model already. Name the model that it was made "
            "from."
        )
    return record


def base_encoder(record: ModelRecord, device: torch.device) -> tuple[Encoder, str]:
    """Return the encoder that a record's model is made from, and that model's lasting name.

    Raises:
        UsageError: it is made from another one itself.
        UnknownNameError: it is not here.
        WeightsError: its weights are missing or changed, or were switched off.
    """
    catalog = get_catalog()
    file = record.files.get(RECIPE)
    recipe = Path(file.file) if isinstance(file, LocalFile) else None
    folder = Path(record.origin) if recipe is None else recipe.parent
    base = base_model_of(record.settings["base"], folder, catalog)
    check_research(base)
    return load_encoder(base, catalog, device), record.name if recipe is None else str(recipe)


def _recipes(catalog: Catalog) -> list[ModelSpec]:
    found = []
    for name in catalog.models:
        with suppress(AmbiguousNameError):  # a name that two plugins offer, and nobody asked for
            found.append(catalog.models[name])
    return [spec for spec in found if spec.recipe is not None]


def _content(path: Path) -> Any:
    try:
        return load_yaml(path)
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as YAML: {error}. Edit the file.") from error


def _spec_of(content: Any, path: Path, catalog: Catalog) -> ModelSpec:
    recipes = sorted(_recipes(catalog), key=lambda spec: str(spec.recipe_key))
    given = content if isinstance(content, dict) else {}
    found = [spec for spec in recipes if spec.recipe_key in given]
    if len(found) == 1:
        return found[0]
    keys = " or ".join(f"{spec.recipe_key!r}" for spec in recipes)
    raise UsageError(
        f"{path} describes no model: it must have 'base' and {keys}, one of them. "
        "docs/multispectral.md and docs/volumes.md show such files."
    )
