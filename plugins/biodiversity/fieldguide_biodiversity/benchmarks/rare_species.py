"""Rare Species: 400 species of the Red List (Stevens et al. 2023, "BioCLIP", arXiv:2311.18803).

The table is that of the authors' evaluation (github.com/Imageomics/bioclip-2,
data/annotation/rare_species/metadata.csv): seven ranks, common name, filepath and class.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.named_set import Listing, NamedRow, NamedSet
from fieldguide.benchmarks.published_files import names_in
from fieldguide.data.files import exists, is_folder
from fieldguide_biodiversity.benchmarks.protocols import (
    COMMON,
    SCIENTIFIC,
    TAXONOMIC_COMMON,
    trained,
    zero_shot,
)
from fieldguide_biodiversity.benchmarks.tables import TableListing
from fieldguide_biodiversity.captions import names_of
from fieldguide_biodiversity.text_types import taxon_com

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME, TITLE = "rare_species", "Rare Species"
IMAGE_FOLDERS = ("dataset", ".")
TRAPS = (
    "Two pairs of species have one common name each, so by common names there are 398 classes.",
    "Five species have fewer than 30 images, because some were found to be there twice: 11,983 in "
    "all, not 12,000.",
)


def read_row(cells: Mapping[str, Any]) -> NamedRow:
    """Return what a row of metadata.csv says.

    Raises:
        KeyError: a column is not there.
    """
    names = names_of(cells)
    return NamedRow(
        path=str(cells["filepath"]),
        label=str(cells["class"]),
        names={
            COMMON: names.common or names.scientific,
            SCIENTIFIC: names.scientific,
            TAXONOMIC_COMMON: taxon_com(names),
        },
        division=str(cells["cls"]),
    )


def find_listing(root: Path) -> Listing:
    """Return the table, with each image where it lies.

    The hub gives the images away in a folder a species, the table names folders of the authors':
    an image that is not where the table says is looked for by its name in the folders of species.

    Raises:
        UsageError: there is no table.
    """
    found = TableListing(NAME, TITLE, ("metadata.csv",))(root)
    by_name = dict(_images(root))
    return Listing(found.file, found.folder, [
        (number, _moved(root, cells, by_name)) for number, cells in found.rows
    ])  # fmt: skip


def _moved(root: Path, cells: Mapping[str, Any], by_name: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the cells with the path under which the image is there, if it is."""
    path = str(cells.get("filepath", ""))
    name = PurePosixPath(path).name
    if name not in by_name or exists(root / path):
        return cells
    return {**cells, "filepath": by_name[name]}


def _images(root: Path) -> Iterator[tuple[str, str]]:
    """Yield name and path of every file in a folder of a species."""
    place = next(place for place in IMAGE_FOLDERS if place == "." or is_folder(root / place))
    for folder in sorted(names_in(root / place)):
        if is_folder(root / place / folder):
            for name in names_in(root / place / folder):
                yield name, (PurePosixPath(place) / folder / name).as_posix()


DATA = NamedSet(NAME, TITLE, {"": 11_983}, find_listing, read_row)

rare_species_zero_shot = zero_shot(DATA, TAXONOMIC_COMMON, traps=TRAPS)
rare_species_zero_shot_sci = zero_shot(DATA, SCIENTIFIC, "zero_shot_sci", traps=TRAPS)
rare_species_zero_shot_com = zero_shot(DATA, COMMON, "zero_shot_com", traps=TRAPS)
rare_species_simple_shot, rare_species_knn, rare_species_linear_probe = trained(DATA, TRAPS)
