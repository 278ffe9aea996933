"""What a training is given: images in splits, their labels, and the texts beside them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fieldguide.data.inputs import filter_row
from fieldguide.errors import UsageError
from fieldguide.retrieval.where import matches, parse_where
from fieldguide.tuning.label_prompts import label_prompts
from fieldguide.tuning.row_splits import divide, split_rows
from fieldguide.tuning.rows import (
    CAPTIONS,
    LABEL,
    SPLIT,
    Columns,
    Row,
    Rows,
    find_rows,
    require_some,
    summary,
)
from fieldguide.tuning.splits import TRAIN
from fieldguide.tuning.streams import beside_texts, make_streams
from fieldguide.tuning.texts import ClassTexts, PairedTexts, Stream
from fieldguide.tuning.unpaired_rows import read_unpaired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide

__all__ = ["ClassTexts", "Examples", "PairedTexts", "Stream", "read_examples"]


@dataclass(frozen=True, eq=False)
class Examples:
    """Images in splits, with what is known of them.

    Attributes:
        items: N images.
        splits: (N,) "train", "val" or "test".
        labels: (N,) the class, "" where it is not known.
        groups: (N,) what must not be divided; every image's own id where no column says so.
        streams: the texts to train with; "captions" where there are captions, "classes" where
            there are labels.
        attributes: (N, L) float from -1 to 1, or None.
        attribute_names: L columns.
        prompts: of each label, in the order of the class set or of the alphabet.
        captions: (N,) all texts of each image.
        group_column: the column of ``groups``, or None.
        made: the splits that were made here, not read, and their shares.
        split_source: where the splits come from, in words.
        faults: rows that were left out, and why.
        no_caption: images of which a converter could make no caption, and why.
        columns: all columns that the manifest has beside its path and id.
    """

    items: tuple[Item, ...]
    splits: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    streams: tuple[Stream, ...]
    prompts: Mapping[str, tuple[str, ...]]
    captions: tuple[tuple[str, ...], ...]
    attributes: Tensor | None = None
    attribute_names: tuple[str, ...] = ()
    group_column: str | None = None
    made: Mapping[str, float] = field(default_factory=dict)
    split_source: str = ""
    faults: tuple[tuple[str, str], ...] = ()
    no_caption: tuple[tuple[str, str], ...] = ()
    columns: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.items)

    def rows(self, split: str) -> Tensor:
        """Return the rows of a split, (R,) int64."""
        return torch.tensor([r for r, name in enumerate(self.splits) if name == split]).long()

    def row_subset(self, split: str) -> Examples:
        """Return the rows of one split, beside the same texts."""
        return self.take(self.rows(split))

    def take(self, rows: Tensor) -> Examples:
        """Return some rows in that order, beside the same texts."""
        places = rows.tolist()
        return replace(
            self,
            items=tuple(self.items[row] for row in places),
            splits=tuple(self.splits[row] for row in places),
            labels=tuple(self.labels[row] for row in places),
            groups=tuple(self.groups[row] for row in places),
            captions=tuple(self.captions[row] for row in places),
            streams=tuple(stream.take(rows) for stream in self.streams),
            attributes=None if self.attributes is None else self.attributes[rows],
        )

    def keep_together(self, groups: Sequence[object], seed: int) -> Examples:
        """Return the examples with those splits made anew that were made here.

        Args:
            groups: (N,) rows of one are to be in one split, beside those of ``self.groups``.
            seed: of the random order.
        """
        joined = _joined(self.groups, groups)
        return self.with_splits(divide(self.splits, self.labels, joined, self.made, seed))

    def with_splits(self, splits: Sequence[str]) -> Examples:
        """Return the examples in other splits, (N,)."""
        trained = torch.tensor([split == TRAIN for split in splits], dtype=torch.bool)
        streams = tuple(
            stream.trained_on(trained) if isinstance(stream, ClassTexts) else stream
            for stream in self.streams
        )
        return replace(self, splits=tuple(splits), streams=streams)

    def stream(self, name: str) -> Stream | None:
        """Return a stream by name, or None."""
        return next((stream for stream in self.streams if stream.name == name), None)


def read_examples(  # noqa: PLR0913 - the front door: each is one thing a user may say
    guide: Guide,
    manifest: Any,
    *,
    label_column: str = LABEL,
    caption_column: str = CAPTIONS,
    converter: str | None = None,
    group_column: str | None = None,
    split_column: str = SPLIT,
    attribute_columns: Sequence[str] = (),
    positive_columns: Sequence[str] = (),
    texts: str | Path | None = None,
    where: str | None = None,
    classes: str | None = None,
    templates: Sequence[str] | None = None,
    seed: int = 0,
) -> Examples:
    """Read what a training is given.

    Args:
        guide: of the domain whose images they are.
        manifest: CSV or JSON Lines with a path in each row, several rows an image allowed; or a
            folder with one folder a class.
        label_column: holds the class.
        caption_column: holds a text or a list of texts.
        converter: name of a caption converter that makes the texts from each row instead; with
            ``texts`` from each row of that file.
        group_column: rows that share its value stay in one split.
        split_column: holds train, val or test; where there is none, splits are made.
        attribute_columns: hold numbers from -1 to 1, for losses with soft targets.
        positive_columns: rows that agree in all of these are positives of each other's captions.
        texts: a file of texts that belong to no image, with the same attribute columns.
        where: only rows that fit, such as ``year > 2019``.
        classes: a class set with names and prompts of the labels.
        templates: prompts around a label, each with one ``{}``.
        seed: of splits that are made.

    Raises:
        UsageError: no row can be used, there is neither a label nor a caption, a split has an
            unknown name, or two labels have the same prompt.
        UnknownNameError: no such converter or class set.
    """
    columns = Columns(
        label_column, caption_column, group_column, split_column,
        tuple(attribute_columns), tuple(positive_columns),
    )  # fmt: skip
    if guide.private is not None:
        manifest = guide.private.typed(manifest)
        texts = guide.private.typed(texts)
    items = find_rows(guide, manifest)
    if where is not None:
        condition = parse_where(where)
        items = [i for i in items if i.fault is not None or matches(condition, filter_row(i))]
    _check_columns(items, columns)
    load = None if converter is None else guide.catalog.caption_converters[converter].load()
    loose = None if texts is None else read_unpaired(Path(texts), columns, load)
    rows = Rows(columns, load if loose is None else None, private=guide.private)
    rows.add_all(items)
    require_some(rows, manifest)
    kept = list(rows.kept.values())
    if loose is None:
        _check_texts(rows, kept, items)
    splits = split_rows(kept, columns, seed)
    labels = tuple(row.label for row in kept)
    items = [row.item for row in kept]
    prompts = label_prompts(guide, labels, items, classes, templates)
    attributes = torch.tensor([row.attributes for row in kept]) if columns.attributes else None
    return Examples(
        items=tuple(items),
        splits=splits.names,
        labels=labels,
        groups=tuple(row.group or row.item.id for row in kept),
        streams=beside_texts(
            make_streams(kept, splits.names, prompts, attributes), loose, attributes, seed
        ),
        prompts=prompts,
        captions=tuple(tuple(row.captions) for row in kept),
        attributes=attributes,
        attribute_names=columns.attributes,
        group_column=columns.group,
        made=splits.fractions,
        split_source=splits.source,
        columns=frozenset(column for item in items for column in item.metadata),
        faults=(*rows.faults, *(() if loose is None else loose.faults)),
        no_caption=tuple(rows.no_caption),
    )


def _check_columns(items: Sequence[Item], columns: Columns) -> None:
    """Raise UsageError when a column that the user named is in no row."""
    known = {name for item in items for name in item.metadata}
    named = {
        "--label-column": (columns.label, LABEL),
        "--caption-column": (columns.captions, CAPTIONS),
        "--split-column": (columns.split, SPLIT),
        "--group-column": (columns.group, None),
    }
    if any(columns.group in filter_row(item) for item in items):  # its path is one, too
        del named["--group-column"]
    for option, (column, default) in named.items():
        if column not in (default, None) and column not in known:
            raise _no_column(option, str(column), known)
    for option, names in (("--attribute-column", columns.attributes),
                          ("--positive-column", columns.same)):  # fmt: skip
        for column in names:
            if column not in known:
                raise _no_column(option, column, known)


def _no_column(option: str, column: str, known: set[str]) -> UsageError:
    there = ", ".join(sorted(known)) or "none"
    return UsageError(f"No row has a column {column!r}. There are: {there}. Correct {option}.")


def _check_texts(rows: Rows, kept: Sequence[Row], items: Sequence[Item]) -> None:
    """Raise UsageError when there is nothing to learn from."""
    if any(row.label or row.captions for row in kept):
        return
    if rows.no_caption:
        raise UsageError(f"The converter made no caption of any row. {summary(rows.no_caption)}")
    known = ", ".join(sorted({name for item in items for name in item.metadata})) or "none"
    raise UsageError(
        f"No row has a {rows.columns.label!r} or {rows.columns.captions!r} to learn from; other "
        f"columns are: {known}. Name one: --label-column or --caption-column."
    )


def _joined(one: Sequence[object], other: Sequence[object]) -> list[str]:
    """Return groups of rows that share either, directly or through others."""
    parent: dict[tuple[int, object], tuple[int, object]] = {}

    def root(node: tuple[int, object]) -> tuple[int, object]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in zip(one, other, strict=True):
        parent[root((0, a))] = root((1, b))
    names: dict[tuple[int, object], str] = {}
    return [names.setdefault(root((0, a)), f"{len(names):09d}") for a in one]
