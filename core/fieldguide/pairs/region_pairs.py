"""Regions with the sentences that are about them, out of images whose text is about all of them.

A row of the manifest is a region: a window of a picture, an organ, a slice, a tile. Rows of one
group are of one image or study, whose text and attributes they have in common. Which region an
attribute belongs to is learned; see ``data.region_attributes`` (Varma et al. 2023,
arXiv:2308.11194).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fieldguide.benchmarks.vectors import encode_all
from fieldguide.captions.sentences import report_sentences
from fieldguide.data.files import atomic_path
from fieldguide.data.inputs import filter_row
from fieldguide.data.manifest_windows import COLUMNS
from fieldguide.data.region_attributes import RegionAttributeMapper, Regions
from fieldguide.errors import LoadError, UsageError
from fieldguide.pairs.domain_pairs import manifest_row
from fieldguide.pairs.keywords import phrase_pattern
from fieldguide.tuning.rows import CAPTIONS, attribute_number, one_text, texts_of
from fieldguide.zeroshot.class_sets import bare, load_class_set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide

GROUP = "path"
"""Rows that are windows of one file are of one image, where no other column says so."""


@dataclass(frozen=True)
class RegionColumns:
    """Which columns say what.

    Attributes:
        attributes: 1 where the image has it, -1 where it lacks it, else 0 or empty.
        captions: the text of the image, in one of its rows or in all.
        group: the image or study that a region is of.
    """

    attributes: tuple[str, ...]
    captions: str = CAPTIONS
    group: str = GROUP


@dataclass(frozen=True)
class RegionPair:
    """A region and what is said of it.

    Attributes:
        item: the region.
        attributes: those that were given to it.
        captions: their sentences; where none names one, its name.
    """

    item: Item
    attributes: tuple[str, ...]
    captions: tuple[str, ...]


@dataclass(frozen=True)
class RegionPairs:
    """What a mapping of a manifest gives.

    Attributes:
        pairs: regions with an attribute, in the order of the rows.
        regions: how many were looked at.
        images: how many they are of.
        loss: of the heads in the last twenty steps, in nats.
        faults: rows that could not be used, and why.
        hidden: columns that are not written: the groups of a private domain may name patients.
    """

    pairs: tuple[RegionPair, ...]
    regions: int
    images: int
    loss: float
    faults: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write a manifest in JSON Lines, for ``fieldguide tune``; paths are relative to it.

        Raises:
            StoreError: it cannot be written.
        """
        folder = path.absolute().parent
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            for pair in self.pairs:
                about = {CAPTIONS: list(pair.captions), "attributes": list(pair.attributes)}
                row = {k: v for k, v in manifest_row(pair.item, folder).items()
                       if k not in self.hidden} | about  # fmt: skip
                stream.write(json.dumps(row, default=str) + "\n")


def map_regions(
    guide: Guide,
    manifest: str | Path,
    columns: RegionColumns,
    classes: str | None = None,
    mapper: RegionAttributeMapper | None = None,
) -> RegionPairs:
    """Give each attribute of an image to some of its regions, with its sentences.

    Args:
        guide: whose model, which stays as it is, sees the regions and reads the attributes.
        manifest: CSV or JSON Lines; each row a region.
        columns: of the manifest.
        classes: a class set whose labels are the attributes, for other names of theirs; by default
            an attribute is called as its column.
        mapper: by default with the paper's settings.

    Raises:
        UsageError: a column is not there, or no row can be used.
        TuningError: no attribute is in some images and not in others.
    """
    names = attribute_names(guide, columns.attributes, classes)
    shown = (*columns.attributes, columns.captions, columns.group, *COLUMNS)
    items = guide.find(manifest, shown=shown)
    _check(items, columns)
    numbers: dict[str, int] = {}
    usable, faults, values = [], [], []
    for item in items:
        try:
            if item.fault is not None:
                raise LoadError(item.fault)
            values.append([attribute_number(item.metadata, name) for name in columns.attributes])
            usable.append(item)
        except LoadError as error:
            faults.append((item.name, str(error)))
    encoded = encode_all(guide, usable)
    faults += [(row["path"], row["reason"]) for row in encoded.failed]
    seen = [usable[row] for row in encoded.rows]
    images = [numbers.setdefault(_group(item, columns), len(numbers)) for item in seen]
    about = _merged(np.array(values)[list(encoded.rows)], images, len(numbers))
    texts = [encoded.encoder.encode_texts(own).vectors.mean(axis=0) for own in names.values()]
    regions = Regions(
        torch.from_numpy(encoded.embeddings.vectors),
        torch.tensor(images),
        torch.from_numpy(about > 0),
        torch.from_numpy(_lacking(about)),
        torch.from_numpy(np.stack(texts)),
    )
    mapping = (mapper or RegionAttributeMapper()).map(regions)
    sentences = _sentences(seen, images, columns.captions)
    pairs = [
        _pair(item, sentences[image], names, own)
        for item, image, own in zip(seen, images, mapping.assigned.tolist(), strict=True)
        if any(own)
    ]
    return RegionPairs(
        pairs=tuple(pairs),
        regions=len(seen),
        images=len(numbers),
        loss=float(np.mean(mapping.losses[-20:])),
        faults=tuple(faults),
        hidden=() if guide.private is None else (columns.group,),
    )


def attribute_names(
    guide: Guide, attributes: Sequence[str], classes: str | None
) -> dict[str, tuple[str, ...]]:
    """Return how each attribute is called, its usual name first.

    Raises:
        UsageError: there is no attribute, or the class set does not have one.
        UnknownNameError: there is no such class set.
    """
    if not attributes:
        raise UsageError("Name the columns of attributes: --attribute-column effusion")
    plain: dict[str, tuple[str, ...]] = {
        name: (name.replace("_", " ").strip(),) for name in attributes
    }
    if classes is None:
        return plain
    known = {bare(each.label): each for each in load_class_set(classes, guide.catalog).classes}
    if missing := [name for name in attributes if bare(name) not in known]:
        raise UsageError(
            f"The class set {classes!r} has no {', '.join(map(repr, missing))}. Name another one, "
            "or leave --classes out."
        )
    return {
        name: tuple(dict.fromkeys([*known[bare(name)].names, *own])) for name, own in plain.items()
    }


def sentences_about(sentences: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the sentences that name something, as whole words in any case; its name for none.

    >>> sentences_about(["Heart size is normal.", "Small nodules."], ["lung nodule", "nodule"])
    ('Small nodules.',)
    """
    found = tuple(filter(phrase_pattern(names).search, sentences))
    return found or (names[0],)


def _pair(
    item: Item, sentences: Sequence[str], names: Mapping[str, Sequence[str]], own: Sequence[bool]
) -> RegionPair:
    given = tuple(name for name, has in zip(names, own, strict=True) if has)
    texts = [text for name in given for text in sentences_about(sentences, names[name])]
    return RegionPair(item, given, tuple(dict.fromkeys(texts)))


def _check(items: Sequence[Item], columns: RegionColumns) -> None:
    known = {name for item in items for name in filter_row(item)}
    for option, name in [*(("--attribute-column", each) for each in columns.attributes),
                         ("--group-column", columns.group)]:  # fmt: skip
        if name not in known:
            there = ", ".join(sorted(known - {"id", "path"})) or "none"
            raise UsageError(f"No row has a column {name!r}. There are: {there}. Correct {option}.")


def _group(item: Item, columns: RegionColumns) -> str:
    if columns.group == GROUP:
        return str(item.path)
    return one_text(filter_row(item), columns.group) or item.id


def _merged(values: Any, images: Sequence[int], count: int) -> Any:
    """Return (N, A) of images: 1 where any of its rows says so, else -1 where any does, else 0."""
    high, low = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    np.maximum.at(high, images, values)
    np.minimum.at(low, images, values)
    return np.where(high > 0, high, low)


def _lacking(about: Any) -> Any:
    """Return (N, A) bool: -1 says so; where an attribute is never -1, 0 does."""
    is_said = (about < 0).any(axis=0, keepdims=True)
    return np.where(is_said, about < 0, about == 0)


def _sentences(
    items: Sequence[Item], images: Sequence[int], column: str
) -> dict[int, tuple[str, ...]]:
    """Return the sentences of each image's text, from all of its rows."""
    found: dict[int, dict[str, None]] = {image: {} for image in images}
    for item, image in zip(items, images, strict=True):
        for text in texts_of(item.metadata.get(column), column):
            found[image].update(dict.fromkeys(report_sentences(text, 1)))
    return {image: tuple(own) for image, own in found.items()}
