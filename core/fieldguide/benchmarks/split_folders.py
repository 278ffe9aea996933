"""Data sets with a folder a split, in it a folder a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.benchmarks.labelled import TEST, LabelledImages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fieldguide.benchmarks.labelled import ClassFolders
    from fieldguide.plugins import Catalog


@dataclass(frozen=True)
class SplitFolders:
    """Several :class:`~fieldguide.benchmarks.labelled.ClassFolders`, each of them a split.

    Attributes:
        parts: by split; "test" is one of them.
    """

    parts: Mapping[str, ClassFolders]

    @property
    def name(self) -> str:
        """Of the record in the registry."""
        return self.parts[TEST].name

    def find(self, root: Path, catalog: Catalog) -> LabelledImages:
        """See ``LabelledSet``."""
        return self._joined(lambda part: part.find(root, catalog))

    def find_subset(self, root: Path, catalog: Catalog) -> LabelledImages:
        """See ``LabelledSet``; some of each split must be there."""
        return self._joined(lambda part: part.find_subset(root, catalog))

    def _joined(self, find: Callable[[ClassFolders], LabelledImages]) -> LabelledImages:
        found = {split: find(part) for split, part in self.parts.items()}
        return LabelledImages(
            items=tuple(item for images in found.values() for item in images.items),
            labels=tuple(label for images in found.values() for label in images.labels),
            whole=sum(images.whole for images in found.values()),
            splits=tuple(split for split, images in found.items() for _ in images.items),
            whole_test=found[TEST].whole,
        )
