"""iNaturalist 2021, validation: 10,000 species, ten images each (Van Horn et al. 2021).

"Benchmarking Representation Learning for Natural World Image Collections", arXiv:2103.16483. The
annotations are JSON in the form of COCO with seven ranks a category, as
github.com/visipedia/inat_comp/tree/master/2021 documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.named_set import Listing, NamedRow, NamedSet
from fieldguide.benchmarks.published_files import absent, read_json
from fieldguide.benchmarks.simple_shot import SimpleShot
from fieldguide.data.files import exists
from fieldguide.errors import UsageError
from fieldguide_biodiversity.benchmarks.protocols import (
    COMMON,
    SCIENTIFIC,
    TAXONOMIC_COMMON,
    zero_shot,
)
from fieldguide_biodiversity.captions import names_of
from fieldguide_biodiversity.text_types import taxon_com

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NAME, TITLE = "inat2021", "iNaturalist 2021, validation"
FILES = ("val.json", "2021/val.json")
MAX_BYTES = 512 * 2**20
ONE_TEMPLATE = ("a photo of {}.",)
TRAPS = (
    "BioCLIP was trained on iNaturalist 2021's training images, of the same 10,000 species.",
    "Several species have one common name: by common names there are fewer classes.",
)


def find_listing(root: Path) -> Listing:
    """Return the images of val.json with the cells of their category.

    Raises:
        UsageError: it is not there, or is no such JSON.
    """
    file = next((root / name for name in FILES if exists(root / name)), None)
    if file is None:
        raise UsageError(absent(root, TITLE, f"{FILES[0]} beside the folder val/", NAME))
    content = read_json(file, MAX_BYTES)
    try:
        rows = list(_rows(content))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{file} is no annotation file of iNaturalist 2021: it has not what it should: "
            f"{error!r}. Get the published file again: fieldguide benchmark {NAME} --how-to-get"
        ) from error
    return Listing(file, file.parent, rows)


def _rows(content: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield number and cells of each annotation."""
    categories = {category["id"]: category for category in content["categories"]}
    files = {image["id"]: image["file_name"] for image in content["images"]}
    for number, annotation in enumerate(content["annotations"], start=1):
        category = categories[annotation["category_id"]]
        yield number, {**category, "file_name": files[annotation["image_id"]]}


def read_row(cells: Mapping[str, Any]) -> NamedRow:
    """Return what an image's category says.

    Raises:
        KeyError: it lacks a field.
    """
    label = str(cells["name"])
    names = names_of(cells)
    return NamedRow(
        path=str(cells["file_name"]),
        label=label,
        names={
            SCIENTIFIC: names.scientific or label,
            COMMON: names.common or label,
            TAXONOMIC_COMMON: taxon_com(names) or label,
        },
        division=str(cells["supercategory"]),
    )


DATA = NamedSet(NAME, TITLE, {"": 100_000}, find_listing, read_row)

inat2021_zero_shot = zero_shot(DATA, TAXONOMIC_COMMON, templates=ONE_TEMPLATE, traps=TRAPS)
inat2021_zero_shot_sci = zero_shot(DATA, SCIENTIFIC, "zero_shot_sci", ONE_TEMPLATE, TRAPS)
inat2021_zero_shot_com = zero_shot(DATA, COMMON, "zero_shot_com", ONE_TEMPLATE, TRAPS)
inat2021_simple_shot = LabelledBenchmark(DATA, SimpleShot(), TRAPS)
