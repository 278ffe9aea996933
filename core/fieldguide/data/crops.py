"""Several objects in one image: each box of a detector or an annotation is an input of its own.

Boxes are read from what annotators and detectors write: COCO, Pascal VOC, YOLO, DOTA, and the
formats of plugins. They are in pixels of the upright picture, which is what detectors see.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.captions.boxes import USUAL_CONFIDENCE, AnnotatedImage, Box, annotated_image
from fieldguide.data.box_files import absolute, read_boxes, root_of
from fieldguide.data.crop_geometry import USUAL_MARGIN, check_margin, crop_window
from fieldguide.data.images import image_size_px
from fieldguide.data.in_memory import fingerprint_in_memory, sample_in_memory
from fieldguide.data.inputs import Item, find_items
from fieldguide.data.manifest_windows import BOX_COLUMNS, columns_of
from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fieldguide.specs import LoaderSpec

UNNAMED = "object"
"""Label of a box in memory that has none."""
_EDGES = 4


@dataclass(frozen=True)
class Cutting:
    """Which boxes are cut out, and how.

    Attributes:
        confidence: from which a detector's box counts; those that people drew always do.
        margin: on each side, as a share of the longer side of a box.
        labels: of the boxes that count; empty for those that the format means.

    Raises:
        UsageError: a confidence or margin that makes no sense.
    """

    confidence: float = USUAL_CONFIDENCE
    margin: float = USUAL_MARGIN
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse settings that would cut nothing or anything."""
        if not 0 <= self.confidence <= 1:
            raise UsageError(f"The confidence {self.confidence} of boxes is not between 0 and 1.")
        check_margin(self.margin)

    def counts(self, box: Box, meant: Sequence[str]) -> bool:
        """Return whether a box is cut out."""
        labels = self.labels or tuple(meant)
        return box.counts(self.confidence) and (not labels or box.label in labels)

    def why_nothing(self, boxes: Sequence[Box], meant: Sequence[str]) -> str:
        """Return why none of an image's boxes is cut out."""
        others = Counter(box.label for box in boxes if box.counts(self.confidence))
        if not others:
            return f"no detection above {self.confidence:g}"
        found = ", ".join(f"{count} x {label}" for label, count in others.items())
        labels = " or ".join(map(repr, self.labels or meant))
        return f"no {labels} above {self.confidence:g}, but {found}"


@dataclass(frozen=True)
class Crops:
    """The boxes of a file, as inputs of a guide; made by :func:`crops`.

    Attributes:
        boxes: the file or folder of boxes.
        images: inputs that hold the images, or None for those that the boxes are of.
        cutting: which boxes are cut out, and how.
        format: of the boxes; None to tell it by the file.
    """

    boxes: Path
    images: Any
    cutting: Cutting
    format: str | None

    def as_items(self, loaders: Sequence[LoaderSpec], roots: Sequence[Path]) -> list[Item]:
        """Return one item a box, and one for each image without any or with a fault.

        Raises:
            UsageError: there is no such box file, or it is of none of the images.
        """
        found = read_boxes(self.boxes, root_of(self.images), self.format)
        items = [_named(path) for path in found.images]
        if self.images is not None:
            items = find_items(self.images, loaders, roots)
            if items and not any(absolute(item.path) in found.images for item in items):
                self._complain(found.images, items)
        known = {absolute(item.path) for item in items}
        cut = [each for item in items for each in self._of(item, found.images, found.faults)]
        lost = [
            Item(name, name, fault=reason)
            for name, reason in found.faults.items()
            if absolute(Path(name)) not in known
        ]
        return cut + lost

    def _of(
        self, item: Item, images: dict[str, tuple[AnnotatedImage, ...]], faults: dict[str, str]
    ) -> Iterator[Item]:
        """Yield the items of one image."""
        place = absolute(item.path)
        known = images.get(place, ())
        reason = faults.get(place)
        if item.fault is not None or item.window is not None:
            yield item
        elif len(known) > 1:
            yield replace(item, fault=f"{len(known)} entries of {self.boxes} are of it. Make one.")
        elif not known:
            nothing = f"{self.boxes} has no entry of it. Run the detector on it too."
            yield replace(item, fault=reason or nothing)
        else:
            yield from cut_out(item, known[0], self.cutting)

    def _complain(self, images: Iterable[str], items: Sequence[Item]) -> None:
        """Say that names do not fit the inputs."""
        first = next(iter(images), None)
        example = "It has no image that can be used." if first is None else f"It has {first}."
        raise UsageError(
            f"{self.boxes} has no boxes of these {len(items)} inputs. {example} Its names are "
            "relative to the folder that is given as input: name that folder."
        )


def crops(
    boxes: str | Path,
    images: Any = None,
    *,
    confidence: float = USUAL_CONFIDENCE,
    margin: float = USUAL_MARGIN,
    labels: Sequence[str] = (),
    format: str | None = None,
) -> Crops:
    """Return the boxes of a file as inputs: ``guide.classify(crops("md.json"), labels)``.

    Each box is one input that keeps its place: ``row_px``, ``column_px``, ``height_px`` and
    ``width_px`` are what is cut out, ``box_...`` what was drawn. An image without any box is a
    row of status "empty", one that the detector failed on is "skipped" with its reason.

    Args:
        boxes: a file or folder of a format that ``fieldguide captions`` reads.
        images: the folder, files or manifest with the images; names in the box file are relative
            to the folder. By default the images that the boxes are of, beside their file.
        confidence: from which a detector's box counts.
        margin: on each side, as a share of the longer side of a box.
        labels: only boxes with these; by default those that the format means, such as "animal".
        format: of the boxes, where it cannot be told by the file.

    Raises:
        UsageError: a confidence or margin that makes no sense.
    """
    cutting = Cutting(confidence, margin, tuple(labels))
    return Crops(Path(boxes), images, cutting, format)


@dataclass(frozen=True)
class CropsOf:
    """Boxes of an image in memory, as inputs of a guide; made by :func:`crops_of`."""

    image: Any
    annotated: AnnotatedImage
    margin: float

    def as_items(self, loaders: Sequence[LoaderSpec], roots: Sequence[Path]) -> list[Item]:
        """Return one item a box; their ids change with the content of the image."""
        name = self.annotated.path
        identity = f"memory:{name}:{fingerprint_in_memory(self.image)[:16]}"
        whole = Item(identity, name, image=self.image)
        return list(_box_items(whole, self.annotated, self.annotated.boxes, self.margin))


def crops_of(
    image: Any,
    boxes: Iterable[Box | Sequence[float]],
    *,
    margin: float = USUAL_MARGIN,
    name: str = "image",
) -> CropsOf:
    """Return boxes of an image in memory as inputs, which keep their place.

    Args:
        image: a Pillow image, array or Sample.
        boxes: each a :class:`Box`, or left, top, right and lower edge in pixels of the upright
            image.
        margin: on each side, as a share of the longer side of a box.
        name: what rows call the image.

    Raises:
        LoadError: a box has no size or lies outside, or the image cannot be read.
        UsageError: the margin or a box makes no sense.
    """
    check_margin(margin)
    height, width = sample_in_memory(image).size_px
    drawn = annotated_image(name, (width, height), map(_box, boxes), name)
    return CropsOf(image, drawn, margin)


def _box(box: Box | Sequence[float]) -> Box:
    if isinstance(box, Box):
        return box
    if len(box) != _EDGES:
        raise UsageError(f"A box of {len(box)} numbers. Give left, top, right and lower edge.")
    left, top, right, bottom = (float(edge) for edge in box)
    return Box(UNNAMED, left, top, right, bottom)


def cut_out(item: Item, image: AnnotatedImage, cutting: Cutting) -> Iterator[Item]:
    """Yield the boxes of an image that count; a reason where there is none, and its faults.

    Args:
        item: the image.
        image: its boxes.
        cutting: which boxes, and how.
    """
    if (fault := _other_size(item, image)) is not None:
        yield replace(item, fault=fault)
        return
    kept = [box for box in image.boxes if cutting.counts(box, image.meant)]
    if kept:
        yield from _box_items(item, image, kept, cutting.margin)
    faults = [each for each in image.faults if each.counts(cutting.confidence)]
    for number, each in enumerate(faults):
        yield replace(item, id=f"{item.id}:{number}", fault=each.reason)
    if not kept and not faults:
        yield replace(item, nothing=cutting.why_nothing(image.boxes, image.meant))


def _box_items(
    item: Item, image: AnnotatedImage, boxes: Sequence[Box], margin: float
) -> Iterator[Item]:
    """Yield one item a box; of boxes that are the same, the surest one."""
    surest: dict[object, Box] = {}
    for box in boxes:
        same = surest.setdefault((box.label, box.pixels), box)
        if (box.confidence or 0) > (same.confidence or 0):
            surest[box.label, box.pixels] = box
    ids: defaultdict[str, int] = defaultdict(int)
    for index, box in enumerate(surest.values()):
        left, top, right, bottom = box.pixels
        window = crop_window(box.pixels, (image.height_px, image.width_px), margin)
        values = (box.label, box.confidence, index, top, left, bottom - top + 1, right - left + 1)
        about = dict(zip(BOX_COLUMNS, values, strict=True)) | columns_of(window)
        own = f"{item.id}#{left},{top},{right},{bottom},{round(1000 * margin)}"
        ids[own] += 1
        own += f":{ids[own]}" if ids[own] > 1 else ""
        known = {name: value for name, value in about.items() if value is not None}
        yield replace(item, id=own, window=window, metadata={**item.metadata, **known})


def _other_size(item: Item, image: AnnotatedImage) -> str | None:
    """Return what is wrong where boxes were drawn on a picture of another size than the file's."""
    if item.path is None:
        return None
    try:
        size = image_size_px(item.path)
    except LoadError:
        return None  # not a plain picture, or none at all: its own reader tells
    drawn = (image.width_px, image.height_px)
    if size == drawn:
        return None
    turned = " It was not turned upright by its EXIF orientation." if size == drawn[::-1] else ""
    return (
        f"its boxes were drawn on {drawn[0]} x {drawn[1]} pixels, and it has {size[0]} x "
        f"{size[1]}.{turned} Draw them on the picture as it is."
    )


def _named(path: str) -> Item:
    return Item(path, path, Path(path))
