"""CUB-200-2011 and NABirds, which are given away as lists in text files.

Wah et al. 2011, "The Caltech-UCSD Birds-200-2011 Dataset" (CNS-TR-2011-001); Van Horn et al. 2015,
"Building a bird recognition app and large scale dataset with citizen scientists" (CVPR 2015).
Each line of ``images.txt``, ``image_class_labels.txt``, ``train_test_split.txt`` and
``classes.txt`` begins with the number or name of the image or class that it is of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.named_set import Listing, NamedRow, NamedSet
from fieldguide.benchmarks.published_files import absent
from fieldguide.data.files import exists, read_bounded
from fieldguide.errors import LoadError, UsageError
from fieldguide_biodiversity.benchmarks.protocols import AS_IS, COMMON, trained, zero_shot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_BYTES = 64 * 2**20
IMAGES, LABELS, SPLITS, CLASSES = (
    "images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt",
)  # fmt: skip
SPLIT_NAMES = {"1": "train", "0": "test"}


@dataclass(frozen=True)
class BirdLists:
    """Finds the four lists under a root.

    Attributes:
        name: of the data set's record.
        title: of the data set.
        folder: that its archive makes.
    """

    name: str
    title: str
    folder: str

    def __call__(self, root: Path) -> Listing:
        """Return the images with their class and split.

        Raises:
            UsageError: a list is not there, cannot be read, or names an image that another lacks.
        """
        place = next((p for p in (root / self.folder, root) if exists(p / IMAGES)), None)
        if place is None:
            raise UsageError(absent(root, self.title, f"{self.folder}/{IMAGES}", self.name))
        return Listing(place / IMAGES, place / "images", list(self._rows(place)))

    def _rows(self, place: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
        labels, splits, classes = (
            self._read(place / name) for name in (LABELS, SPLITS, CLASSES)
        )  # fmt: skip
        for number, (image, path) in enumerate(self._read(place / IMAGES).items(), start=1):
            label = classes.get(labels.get(image, ""))
            yield number, {"path": path, "class": label, "split": splits.get(image)}

    def _read(self, file: Path) -> dict[str, str]:
        """Return what stands behind the first word of each line.

        Raises:
            UsageError: it cannot be read.
        """
        try:
            text = read_bounded(file, MAX_BYTES).decode("utf-8-sig")
        except (LoadError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{file} cannot be read: {error} It is part of {self.title}: fieldguide benchmark "
                f"{self.name} --how-to-get"
            ) from error
        pairs = (line.strip().partition(" ") for line in text.splitlines() if line.strip())
        return {key: value.strip() for key, _, value in pairs}


def read_row(cells: Mapping[str, Any]) -> NamedRow:
    """Return what the lists say of an image.

    Raises:
        KeyError: it has no such split.
        ValueError: it has no class or split.
    """
    if not cells["class"] or not cells["split"]:
        raise ValueError("the other lists have no class or no split for this image")
    written = str(cells["class"])
    return NamedRow(
        path=str(cells["path"]),
        label=written,
        names={AS_IS: written, COMMON: bird_name(written)},
        split=SPLIT_NAMES[str(cells["split"])],
    )


def bird_name(written: str) -> str:
    """Return the common name in the name of a class.

    >>> bird_name("001.Black_footed_Albatross"), bird_name("Oak Titmouse")
    ('Black footed Albatross', 'Oak Titmouse')
    """
    number, dot, name = written.partition(".")
    return (name if dot and number.isdigit() else written).replace("_", " ").strip()


BIRD_TEMPLATES = ("a photo of a {}, a type of bird.",)
"""Of CLIP's authors for sets of birds (Radford et al. 2021, arXiv:2103.00020)."""
CUB_TRAPS = (
    "Some images of CUB-200-2011 are in ImageNet's training set, as its owners say.",
    "All 11,788 images or the 5,794 of test alone: published zero-shot figures are of either. Here "
    "it is test.",
)
NABIRDS_TRAPS = (
    "Here it is the test part; BioCLIP 2's figures are of all 48,562 images.",
    "555 classes: several are one species by sex, age or plumage, as in 'Mallard (Female)'.",
)
CUB = NamedSet(
    name="cub_200_2011",
    title="CUB-200-2011",
    counts={"train": 5994, "test": 5794},
    find_listing=BirdLists("cub_200_2011", "CUB-200-2011", "CUB_200_2011"),
    read=read_row,
)
NABIRDS = NamedSet(
    name="nabirds",
    title="NABirds",
    counts={"train": 23_929, "test": 24_633},
    find_listing=BirdLists("nabirds", "NABirds", "nabirds"),
    read=read_row,
)

cub_200_2011_zero_shot = zero_shot(CUB, COMMON, templates=BIRD_TEMPLATES, traps=CUB_TRAPS)
cub_200_2011_simple_shot, cub_200_2011_knn, cub_200_2011_linear_probe = trained(CUB, CUB_TRAPS)
nabirds_zero_shot = zero_shot(NABIRDS, COMMON, templates=BIRD_TEMPLATES, traps=NABIRDS_TRAPS)
nabirds_simple_shot, nabirds_knn, nabirds_linear_probe = trained(NABIRDS, NABIRDS_TRAPS)
