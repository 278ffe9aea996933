"""Captioned data sets in the JSON form of Karpathy and Fei-Fei 2015 (arXiv:1412.2306).

``{"images": [{"filename": ..., "split": ..., "sentences": [{"raw": ...}, ...]}, ...]}``
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.published_files import find_beside, incomplete, read_json
from fieldguide.data.files import exists, leads_out
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

MAX_JSON_BYTES = 256 * 2**20
TEST = "test"


@dataclass(frozen=True)
class CaptionedImages:
    """Images with their captions.

    Attributes:
        items: N images, in the order of the file.
        captions: (N,) tuples of one or more captions, as they are written, doubled ones too.
        whole: how many images the split has.
    """

    items: tuple[Item, ...]
    captions: tuple[tuple[str, ...], ...]
    whole: int


@dataclass(frozen=True)
class CaptionFile:
    """The test split of a captioned data set.

    Attributes:
        name: of its record in the registry; its benchmark's name begins with it.
        title: as its papers write it.
        files: names under which the captions are found in the root, the usual one first.
        folders: where the images may lie under the root.
        images: how many the test split has.
        captions_each: how many captions every image has.
    """

    name: str
    title: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    images: int
    captions_each: int = 5

    def find(self, root: Path) -> CaptionedImages:
        """Return the whole test split.

        Raises:
            UsageError: it is not there, not whole, or the file is not of this form.
        """
        found, missing = self._look(root)
        if missing or len(found.items) != self.images:
            raise UsageError(self._incomplete(root, found, missing))
        return found

    def find_subset(self, root: Path) -> CaptionedImages:
        """Return what is there of the test split.

        Raises:
            UsageError: nothing is, or more than the split has.
        """
        found, missing = self._look(root)
        if not found.items or len(found.items) > self.images:
            raise UsageError(self._incomplete(root, found, missing))
        return found

    def _look(self, root: Path) -> tuple[CaptionedImages, list[str]]:
        """Return the images of the test split that are there, and the names of those that are not.

        Raises:
            UsageError: there is no caption file or no folder of images, or it is not of this form.
        """
        file, folder = find_beside(root, self.files, self.folders, self.title, self.name)
        items, captions, missing = [], [], []
        for name, sentences in read_split(file, TEST):
            path = folder / name
            if not exists(path):
                missing.append(name)
                continue
            self._check_captions(file, name, sentences)
            items.append(Item(path.absolute().as_posix(), path.as_posix(), path))
            captions.append(sentences)
        return CaptionedImages(tuple(items), tuple(captions), self.images), missing

    def _check_captions(self, file: Path, name: str, sentences: Sequence[str]) -> None:
        if len(sentences) != self.captions_each:
            raise UsageError(
                f"{file} has {len(sentences)} captions of {name}; the protocol has "
                f"{self.captions_each} an image. Get the published file: fieldguide benchmark "
                f"{self.name} --how-to-get"
            )

    def _incomplete(self, root: Path, found: CaptionedImages, missing: Sequence[str]) -> str:
        text = f"{len(found.items)} of {self.images} images of the split {TEST!r}"
        return incomplete(root, self.title, text, missing, more=len(found.items) > self.images)


def read_split(file: Path, split: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return file name and captions of each image of one split.

    Args:
        file: JSON in the form of this module.
        split: its name.

    Raises:
        UsageError: the file cannot be read, is not of this form, or an image has no caption, is
            there twice, or lies outside its folder.
    """
    rows: dict[str, tuple[str, ...]] = {}
    for entry in _images(file):
        if not isinstance(entry, Mapping) or entry.get("split") != split:
            continue
        name, sentences = entry.get("filename"), entry.get("sentences")
        if not isinstance(name, str) or not isinstance(sentences, list):
            raise _misshapen(file, f"an image has no 'filename' or no 'sentences': {name!r}")
        if leads_out(name):
            raise _misshapen(file, f"{name!r} leads out of the folder of the images")
        if name in rows:
            raise _misshapen(file, f"{name!r} is there twice")
        texts = tuple(s.get("raw") for s in sentences if isinstance(s, Mapping))
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise _misshapen(file, f"{name!r} has no caption or an empty one")
        rows[name] = tuple(map(str, texts))
    return list(rows.items())


def _images(file: Path) -> list[Any]:
    content = read_json(file, MAX_JSON_BYTES)
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        raise _misshapen(file, "it has no list 'images'")
    return images


def _misshapen(file: Path, fault: str) -> UsageError:
    return UsageError(
        f"{file} is no caption file of the form of Karpathy's splits: {fault}. Get the published "
        "file again."
    )
