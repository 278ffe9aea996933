"""Tables of images in the form of BioCLIP's evaluation: metadata.csv with filepath and class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.benchmarks.named_set import Listing
from fieldguide.benchmarks.published_files import absent
from fieldguide.data.files import exists
from fieldguide.data.manifests import read_table
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class TableListing:
    """Finds a table and the folder of its images under a root.

    Attributes:
        name: of the data set's record.
        title: of the data set.
        places: of the table, the usual one first; paths in it are relative to its folder.
    """

    name: str
    title: str
    places: tuple[str, ...]

    def __call__(self, root: Path) -> Listing:
        """Return the listing.

        Raises:
            UsageError: there is no table.
        """
        file = next((root / place for place in self.places if exists(root / place)), None)
        if file is None:
            expected = f"{self.places[0]} beside its images"
            raise UsageError(absent(root, self.title, expected, self.name))
        return Listing(file, file.parent, read_table(file))
