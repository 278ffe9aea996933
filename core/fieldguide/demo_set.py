"""What a domain brings to ``fieldguide demo``: pictures with known truth and one search query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class DemoImage:
    """One picture of the demo.

    Attributes:
        path: the file, written below the folder that the demo was given.
        truth: what it shows, by construction or by its source; None when it must be refused.
        origin: where it comes from, with its licence.
    """

    path: Path
    truth: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class DemoSet:
    """Pictures of one modality that are classified, indexed and searched together.

    Attributes:
        title: heading in the report.
        modality: name of the modality, or None when the guide is to find it by the files.
        images: the pictures.
        labels: what the classifier chooses from.
        query: a text to search the index with.
        note: one or two sentences on what is shown and what it does not prove.
    """

    title: str
    modality: str | None
    images: tuple[DemoImage, ...]
    labels: tuple[str, ...]
    query: str
    note: str
