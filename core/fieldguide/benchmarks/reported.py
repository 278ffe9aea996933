"""Images with one text each, such as scans with their reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.data.inputs import Item


@dataclass(frozen=True)
class PairedImages:
    """Images and their texts.

    Attributes:
        items: N images.
        texts: (N,) the text of each.
        whole: how many pairs the whole set has.
        groups: (N,) what belongs together, such as a patient; () where each stands alone.
    """

    items: tuple[Item, ...]
    texts: tuple[str, ...]
    whole: int
    groups: tuple[str, ...] = ()


class PairedSet(Protocol):
    """A public set of images with one text each, in whatever layout."""

    @property
    def name(self) -> str:
        """Of its record in the registry."""
        ...

    def find(self, root: Path, *, whole: bool) -> PairedImages:
        """Return the pairs that are there.

        Args:
            root: the folder.
            whole: whether a pair that is missing is an error.

        Raises:
            UsageError: the set is not there, or not as it was published.
        """
        ...
