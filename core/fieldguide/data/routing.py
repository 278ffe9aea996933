"""Which modality, and so which loader, checks and model, each item belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import is_folder, require_file
from fieldguide.data.inputs import Item, loader_of
from fieldguide.data.loader_choice import loader_for
from fieldguide.errors import AmbiguousNameError, LoadError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from fieldguide.data.pipeline import Reader, Row
    from fieldguide.plugins import Catalog
    from fieldguide.specs import DomainSpec, LoaderSpec, ModalitySpec

IN_MEMORY_LOADER = "image"


def find_modality(domain: DomainSpec, name: str) -> ModalitySpec:
    """Return a modality of a domain by name.

    Raises:
        UnknownNameError: the domain has none of that name.
    """
    for modality in domain.modalities:
        if modality.name == name:
            return modality
    names = ", ".join(modality.name for modality in domain.modalities)
    raise UnknownNameError(f"The domain {domain.name!r} has the modalities {names}, not {name!r}.")


def fitting(item: Item, domain: DomainSpec, catalog: Catalog) -> list[ModalitySpec]:
    """Return the modalities whose loaders read such a file, without those used only by name."""
    found = [
        modality
        for modality in domain.modalities
        if modality.fits_by_suffix and _fits(item, loader_specs(modality, catalog))
    ]
    return found if len(found) < 2 else _fitting_content(item, found, catalog)


def _fitting_content(
    item: Item, found: Sequence[ModalitySpec], catalog: Catalog
) -> list[ModalitySpec]:
    """Return those whose loader knows the file by its content, else those that do not ask.

    Of the latter a special kind gives way to the wider one that it belongs to.
    """
    known, unasked = [], []
    for modality in found:
        spec = loader_of(item, loader_specs(modality, catalog))
        if spec is None or spec.recognizes is None or item.path is None:
            unasked.append(modality)
        elif _is_there(item.path) and spec.import_target(spec.recognizes)(item.path):
            known.append(modality)
    names = {modality.name for modality in unasked}
    return known or [modality for modality in unasked if modality.broader not in names]


def _is_there(path: Path) -> bool:
    try:
        if not is_folder(path):
            require_file(path)  # a pipe would be waited for
    except LoadError:
        return False
    return True


def loader_specs(modality: ModalitySpec, catalog: Catalog) -> list[LoaderSpec]:
    """Return the loaders of a modality."""
    return [catalog.loaders[name] for name in modality.loader]


def _fits(item: Item, specs: Sequence[LoaderSpec]) -> bool:
    if item.image is not None:
        return any(spec.name == IN_MEMORY_LOADER for spec in specs)
    if item.path is None:
        return False
    if is_folder(item.path):
        return any(spec.unit == "folder" for spec in specs)
    return loader_for(item.path, specs) is not None


def group_by_modality(
    items: Sequence[Item], domain: DomainSpec, catalog: Catalog
) -> dict[str, list[Item]]:
    """Return the items of each modality; items that fit none are under the empty name.

    Raises:
        AmbiguousNameError: an item fits several modalities; the user has to name one.
    """
    groups: dict[str, list[Item]] = {}
    for item in items:
        found = fitting(item, domain, catalog)
        if len(found) > 1:
            names = " or ".join(modality.name for modality in found)
            raise AmbiguousNameError(
                f"{item.name} can be {names}. Say which: --modality {found[0].name}"
            )
        groups.setdefault(found[0].name if found else "", []).append(item)
    return groups


def make_loaders(
    items: Iterable[Item], specs: Sequence[LoaderSpec], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the loaders that some items need, made with the domain options they take.

    Raises:
        MissingExtraError: a loader that is needed lacks a package; the others need not be there.
    """
    needed = {spec.name: spec for item in items if (spec := loader_of(item, specs))}
    return {
        name: spec.load()(**{k: options[k] for k in spec.options if k in options})
        for name, spec in needed.items()
    }


@dataclass(frozen=True)
class RoutedReader:
    """Reads each item by the reader of its own modality."""

    readers: Mapping[str, Reader]
    modality_of: Mapping[str, str]

    def read(self, item: Item) -> tuple[Row, NDArray[np.uint8] | None]:
        """Read one item."""
        return self.readers[self.modality_of[item.id]].read(item)

    def close(self) -> None:
        """Close the files of which parts were read."""
        for reader in self.readers.values():
            reader.sources.close()
