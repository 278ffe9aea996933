"""A public set with a Pascal VOC file an image, for benchmarks of counting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.benchmarks.published_files import absent, incomplete, names_in
from fieldguide.captions.boxes import Annotations
from fieldguide.captions.voc import read_voc
from fieldguide.data.files import exists, is_folder
from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.captions.boxes import AnnotatedImage


@dataclass(frozen=True)
class VocImages:
    """A data set whose objects are boxes of one XML file an image; see ``count_objects.BoxedSet``.

    Attributes:
        name: of its record in the registry; its benchmark's name begins with it.
        title: as its papers write it.
        places: folders of annotations and of images under the root, the usual ones first.
        images: how many images the set has whose boxes can all be used.
        unusable: how many of the published files cannot, because of a fault of their own.
        names: what the boxes' labels are called in sentences; others stay as they are.
    """

    name: str
    title: str
    places: tuple[tuple[str, str], ...]
    images: int
    unusable: int
    names: Mapping[str, str]

    def find(self, root: Path, *, whole: bool) -> Annotations:
        """Return the images that are there, with their boxes under the names of ``names``.

        Args:
            root: the folder.
            whole: whether an image that is missing is an error.

        Raises:
            UsageError: the set is not there or not as it was published.
        """
        boxes, folder = self._place(root)
        found = Annotations()
        for name in sorted(names_in(boxes)):
            if name.lower().endswith(".xml"):
                self._add(found, boxes / name, folder)
        missing = [image.path for image in found.images if not exists(Path(image.path))]
        found.images = [image for image in found.images if image.path not in set(missing)]
        have, faulty = len(found.images), len(found.skipped)
        more = have + len(missing) > self.images or faulty > self.unusable
        if more or not have or (whole and have != self.images):
            text = f"{have} of {self.images} images, {faulty} with boxes that cannot be used"
            raise UsageError(incomplete(root, self.title, text, missing, more=more))
        return found

    def _add(self, found: Annotations, file: Path, folder: Path) -> None:
        try:
            own = read_voc(file, images=folder)
        except LoadError as error:
            raise UsageError(f"{file}: {error} Get the published file again.") from error
        found.images += [self._named(image) for image in own.images]
        found.skipped += own.skipped

    def _named(self, image: AnnotatedImage) -> AnnotatedImage:
        boxes = (replace(box, label=self.names.get(box.label, box.label)) for box in image.boxes)
        return replace(image, boxes=tuple(boxes))

    def _place(self, root: Path) -> tuple[Path, Path]:
        for boxes, folder in self.places:
            if is_folder(root / boxes) and is_folder(root / folder):
                return root / boxes, root / folder
        boxes, folder = self.places[0]
        expected = f"{boxes}/ with an XML file an image, and {folder}/"
        raise UsageError(absent(root, self.title, expected, self.name))
