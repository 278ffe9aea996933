"""Data sets with a folder a class, found in the layout in which their owners give them away."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from fieldguide.benchmarks.published_files import NAMED, absent, incomplete, names_in
from fieldguide.data.files import is_folder
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import bare, load_class_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fieldguide.plugins import Catalog
    from fieldguide.zeroshot.class_sets import ClassSet

LABEL, GROUP = "label", "group"
TEST = "test"


@dataclass(frozen=True)
class LabelledImages:
    """Images with one label each, as they lie in a folder.

    Attributes:
        items: N images, by class and then by name; their metadata hold the label as "label", and
            the group as "group" where there are groups.
        labels: (N,) the label of each.
        whole: how many images the whole set has.
        splits: (N,) "train", "val" or "test", as the set's owners have them; () where they give no
            splits.
        whole_test: how many of the whole set are of "test".
        groups: (N,) what belongs together, such as the patches of one slide; () where each image
            stands alone. Groups are resampled whole.
        names: where the set itself says what its classes are called, what stands for each label in
            prompts, by kind of text, such as "scientific"; of all classes, with images or without.
        divisions: where the set's owners divide its classes, the division of each label.
    """

    items: tuple[Item, ...]
    labels: tuple[str, ...]
    whole: int
    splits: tuple[str, ...] = ()
    whole_test: int = 0
    groups: tuple[str, ...] = ()
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    divisions: Mapping[str, str] = field(default_factory=dict)

    def reported(self) -> LabelledImages:
        """Return what zero-shot figures are of: the test split; all where there are no splits."""
        if not self.splits:
            return self
        rows = [row for row, split in enumerate(self.splits) if split == TEST]
        return replace(
            self,
            items=tuple(self.items[row] for row in rows),
            labels=tuple(self.labels[row] for row in rows),
            whole=self.whole_test,
            splits=(TEST,) * len(rows),
            groups=tuple(self.groups[row] for row in rows) if self.groups else (),
        )


class LabelledSet(Protocol):
    """A public set of images with one label each, in whatever layout.

    Attributes:
        name: of its record in the registry; its benchmarks' names begin with it.
    """

    @property
    def name(self) -> str:
        """Of its record in the registry."""
        ...

    def find(self, root: Path, catalog: Catalog) -> LabelledImages:
        """Return all images of the set.

        Raises:
            UsageError: it is not there, or it is not whole.
        """
        ...

    def find_subset(self, root: Path, catalog: Catalog) -> LabelledImages:
        """Return the images of the set that are there.

        Raises:
            UsageError: none is there, or there are more than the set has.
        """
        ...


@dataclass(frozen=True)
class ClassFolders:
    """A data set with a folder a class.

    Attributes:
        name: of its record in the registry; its benchmarks' names begin with it.
        title: as its papers write it.
        class_set: name of the class set whose aliases are the names of the folders.
        places: where the class folders may lie under the root the user names, the usual one first;
            "." is the root itself.
        counts: images by label, or of each class where all have as many.
        suffixes: endings of the images, lower case.
    """

    name: str
    title: str
    class_set: str
    places: tuple[str, ...]
    counts: Mapping[str, int] | int
    suffixes: tuple[str, ...] = (".jpg",)

    def expected(self, labels: Iterable[str]) -> dict[str, int]:
        """Return how many images of each label the whole set has."""
        if isinstance(self.counts, int):
            return dict.fromkeys(labels, self.counts)
        return {label: self.counts[label] for label in labels}

    def find(self, root: Path, catalog: Catalog) -> LabelledImages:
        """Return all images of the set.

        Raises:
            UsageError: it is not there, or it is not whole.
        """
        found, expected = self._look(root, catalog)
        have = {label: len(paths) for label, paths in found.items()}
        if have != expected:
            raise UsageError(self._incomplete(root, have, expected))
        return _images(found, sum(expected.values()))

    def find_subset(self, root: Path, catalog: Catalog) -> LabelledImages:
        """Return the images of the set that are there.

        Raises:
            UsageError: none is there, or a class has more images than the set.
        """
        found, expected = self._look(root, catalog)
        have = {label: len(paths) for label, paths in found.items()}
        if any(have[label] > expected[label] for label in expected):
            raise UsageError(self._incomplete(root, have, expected))
        return _images(found, sum(expected.values()))

    def _look(self, root: Path, catalog: Catalog) -> tuple[dict[str, list[Path]], dict[str, int]]:
        """Return the images of each label, and how many there should be.

        Raises:
            UsageError: there is no folder of any class.
        """
        class_set = load_class_set(self.class_set, catalog)
        some = self._folders_with_images(root, class_set)
        found = {label: some.get(label, []) for label in class_set.labels}
        return found, self.expected(class_set.labels)

    def _folders_with_images(self, root: Path, class_set: ClassSet) -> dict[str, list[Path]]:
        by_alias = class_set.by_alias()
        for place in self.places:
            found: dict[str, list[Path]] = {}
            for folder in sorted(_folders(root / place)):
                label = by_alias.get(bare(folder.name))
                if label is not None:
                    found.setdefault(label, []).extend(_files(folder, self.suffixes))
            if any(found.values()):
                return found
        expected = f"{self.places[0]}/ with a folder a class"
        raise UsageError(absent(root, self.title, expected, self.name))

    def _incomplete(self, root: Path, have: Mapping[str, int], expected: Mapping[str, int]) -> str:
        wrong = [
            f"{label} {have[label]} of {n}" for label, n in expected.items() if have[label] != n
        ]
        text = f"{sum(have.values())} of {sum(expected.values())} images ("
        text += ", ".join(wrong[:NAMED]) + (" ...)" if len(wrong) > NAMED else ")")
        more = any(have[label] > expected[label] for label in expected)
        return incomplete(root, self.title, text, more=more)


def _images(found: Mapping[str, list[Path]], whole: int) -> LabelledImages:
    pairs = [(path, label) for label, paths in found.items() for path in paths]
    items = [
        Item(path.absolute().as_posix(), path.as_posix(), path, metadata={LABEL: label})
        for path, label in pairs
    ]
    return LabelledImages(tuple(items), tuple(label for _, label in pairs), whole)


def _folders(folder: Path) -> list[Path]:
    return [folder / name for name in names_in(folder) if is_folder(folder / name)]


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the images of one class, by name; numbers in names do not count as numbers."""
    return [
        folder / name
        for name in sorted(names_in(folder))
        if name.lower().endswith(suffixes) and not name.startswith(".")
    ]
