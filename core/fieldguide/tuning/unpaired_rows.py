"""A file of texts that belong to no image: a row has a text, and attributes such as findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fieldguide.data.manifests import FAULT, MANIFEST_SUFFIXES, read_table
from fieldguide.errors import FieldguideError, LoadError, UsageError
from fieldguide.tuning.rows import attribute_number, summary, texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.tuning.rows import Columns, Converter


@dataclass(frozen=True, eq=False)
class UnpairedRows:
    """Texts with their attributes.

    Attributes:
        texts: M texts; one that stands in rows with other attributes is there again.
        attributes: (M, L) from -1 to 1, of each text; not all of them 0.
        faults: rows that were left out, and why.
    """

    texts: tuple[str, ...]
    attributes: Tensor
    faults: tuple[tuple[str, str], ...] = ()


def read_unpaired(path: Path, columns: Columns, converter: Converter | None = None) -> UnpairedRows:
    """Read the texts of a CSV or JSON Lines file; it needs no column of paths.

    Every text of a row has the row's attributes. An empty attribute is 0: nothing is said of it.

    Args:
        path: of the file.
        columns: names of the texts' column and of the attributes.
        converter: makes the texts from each row instead.

    Raises:
        UsageError: no attribute column is named, the file cannot be read, or no row can be used.
    """
    if not columns.attributes:
        raise UsageError(
            "--texts are joined to images by attributes that both have, such as findings. Name "
            "their columns: --attribute-column effusion --attribute-column nodule"
        )
    if path.suffix.lower() not in MANIFEST_SUFFIXES:
        raise UsageError(f"{path} is no CSV or JSON Lines file. Name one: --texts reports.csv")
    rows = read_table(path)
    if absent := sorted(set(columns.attributes) - {name for _, row in rows for name in row}):
        raise UsageError(
            f"{path} has no column {', '.join(map(repr, absent))}. Images and texts need the same "
            "attribute columns."
        )
    found: dict[tuple[str, tuple[float, ...]], None] = {}
    faults: list[tuple[str, str]] = []
    for number, row in rows:
        try:
            about = tuple(attribute_number(_filled(row), name) for name in columns.attributes)
            for text in _texts(row, columns, converter, about):
                found.setdefault((text, about))
        except LoadError as error:
            faults.append((f"texts:{number}", str(error)))
    if not found:
        raise UsageError(f"No row of {path} can be used. {summary(faults)}")
    return UnpairedRows(
        tuple(text for text, _ in found), torch.tensor([about for _, about in found]), tuple(faults)
    )


def _texts(
    row: Mapping[str, Any],
    columns: Columns,
    converter: Converter | None,
    about: tuple[float, ...],
) -> Sequence[str]:
    """Return the texts of a row.

    Raises:
        LoadError: it has none, or nothing is said of it.
    """
    if fault := row.get(FAULT):
        raise LoadError(str(fault))
    if not any(about):
        raise LoadError("all its attributes are empty or 0, so it is near nothing. Fill one.")
    if converter is None:
        texts = texts_of(row.get(columns.captions), columns.captions)
    else:
        try:
            texts = texts_of(list(_listed(converter(row))), "text of the converter")
        except FieldguideError as error:
            raise LoadError(str(error)) from error
    if not texts:
        raise LoadError(f"its {columns.captions!r} is empty. Fill it, or name --caption-column.")
    return texts


def _listed(texts: str | Sequence[str]) -> Sequence[str]:
    return [texts] if isinstance(texts, str) else texts


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells that are not empty."""
    return {name: value for name, value in row.items() if value not in (None, "")}
