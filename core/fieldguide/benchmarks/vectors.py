"""Frozen vectors of labelled images, and the parts a protocol trains, chooses and reports on."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.benchmarks.measured import failures
from fieldguide.errors import UsageError
from fieldguide.models.embeddings import Embeddings
from fieldguide.tuning.adapter_choice import require_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.benchmarks.labelled import LabelledImages
    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Row
    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import Encoder, Vectors

TRAIN_SHARE, VAL_SHARE = 0.6, 0.2


@dataclass(frozen=True)
class Encoded:
    """The vectors of the items that could be used.

    Attributes:
        rows: which items have a vector, ascending.
        embeddings: N vectors.
        encoder: the model.
        provenance: of the guide's job.
        failed: path, status and reason of the others.
    """

    rows: tuple[int, ...]
    embeddings: Embeddings
    encoder: Encoder
    provenance: Mapping[str, Any]
    failed: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class Part:
    """Some labelled vectors.

    Attributes:
        vectors: (N, D) unit length.
        labels: (N,) the label of each.
        groups: (N,) what belongs together; None where each stands alone.
    """

    vectors: Vectors
    labels: NDArray[np.str_]
    groups: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        """Return N."""
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> Part:
        """Return some of the rows."""
        return Part(self.vectors[rows], self.labels[rows])

    def joined(self, other: Part) -> Part:
        """Return both, this one first."""
        return Part(
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.labels, other.labels]),
        )


@dataclass(frozen=True)
class Parts:
    """A labelled set in three: to train on, to choose by and to report."""

    train: Part
    val: Part
    test: Part


def encode_all(guide: Guide, items: Sequence[Item]) -> Encoded:
    """Return the vectors of items by the guide's model.

    Raises:
        UsageError: none of them could be used, or the guide's adapter is a probe.
    """
    require_vectors(guide.adapter)
    plan = guide.planner.plan(items, thumbnails=False)
    found: list[Embeddings] = []
    rows: list[int] = []
    failed: list[Row] = []
    start = 0
    for batch in guide.encode(items, plan):
        rows += [start + place for place in batch.places]
        failed += batch.failed
        start += len(batch.rows)
        if batch.embeddings is not None:
            found.append(batch.embeddings)
    if plan.encoder is None or not found:
        reason = f" The first: {failed[0].reason}" if failed else ""
        raise UsageError(f"None of the images could be used, so nothing is measured.{reason}")
    vectors = Embeddings(np.concatenate([part.vectors for part in found]), found[0].space)
    facts = guide.provenance(plan)
    return Encoded(tuple(rows), vectors, plan.encoder, facts, failures(failed))


def split_of(
    items: Sequence[Item], labels: Sequence[str], groups: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return "train", "val" or "test" of each item: 60, 20 and 20 % of each class.

    The images of a class are put in the order of the SHA-256 of their file's name; the first
    60 % are trained on, the next 20 % are chosen by. So a split depends on the files alone. Where
    there are groups, those of a class are put in the order of the SHA-256 of their name, and
    each goes whole to where its middle lies.

    Args:
        items: N items with paths.
        labels: (N,) the label of each.
        groups: (N,) what belongs together; () where each image stands alone.
    """
    names = [item.path.name if item.path else item.name for item in items]
    owners = groups or names
    keys = [(_hash(owner), owner, _hash(name)) for owner, name in zip(owners, names, strict=True)]
    by_label: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        by_label.setdefault(label, []).append(row)
    parts = [""] * len(items)
    for rows in by_label.values():
        rows.sort(key=keys.__getitem__)
        first = round(TRAIN_SHARE * len(rows))
        second = first + round(VAL_SHARE * len(rows))
        middles = _middles([owners[row] if groups else row for row in rows])
        for row, middle in zip(rows, middles, strict=True):
            parts[row] = "train" if middle < first else "val" if middle < second else "test"
    return tuple(parts)


def _middles(owners: Sequence[str | int]) -> list[float]:
    """Return the middle of each run of equal owners, once for each place in it.

    >>> _middles(["a", "a", "a", "b"])
    [1.5, 1.5, 1.5, 3.5]
    """
    runs = [len(list(run)) for _, run in itertools.groupby(owners)]
    ends = itertools.accumulate(runs)
    return [end - size / 2 for size, end in zip(runs, ends, strict=True) for _ in range(size)]


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()


def splits_of(images: LabelledImages) -> tuple[str, ...]:
    """Return the split of each image: the owners', or :func:`split_of` where they give none.

    Where the owners' have no val, the last fifth of train by the order of :func:`split_of` is it.
    """
    if not images.splits:
        return split_of(images.items, images.labels, images.groups)
    if "val" in images.splits:
        return images.splits
    train = [row for row, split in enumerate(images.splits) if split == "train"]
    made = split_of(
        [images.items[row] for row in train],
        [images.labels[row] for row in train],
        [images.groups[row] for row in train] if images.groups else (),
    )
    parts = list(images.splits)
    for row, part in zip(train, made, strict=True):
        parts[row] = "val" if part == "test" else "train"
    return tuple(parts)


def encode_parts(guide: Guide, images: LabelledImages) -> tuple[Encoded, Parts]:
    """Return the vectors of labelled images, and the three parts of them.

    Each part of ours has images of every class. Of the owners' parts train has; val and test may
    lack some, which are then neither chosen by nor reported.

    Raises:
        UsageError: a part has no image of some class, or none could be used.
    """
    encoded = encode_all(guide, images.items)
    used = list(encoded.rows)
    splits = np.array(splits_of(images))[used]
    labels = np.array(images.labels, dtype=str)[used]
    groups = np.array(images.groups, dtype=str)[used] if images.groups else None
    parts = []
    for name in ("train", "val", "test"):
        own = splits == name
        part = Part(encoded.embeddings.vectors[own], labels[own],
                    None if groups is None else groups[own])  # fmt: skip
        missing = sorted(set(images.labels) - set(part.labels.tolist()))
        if not len(part) or (missing and (name == "train" or not images.splits)):
            raise UsageError(
                f"There are too few images for the part {name!r}: none is left of "
                f"{', '.join(missing[:5])}. Give 5 or more of each class."
            )
        parts.append(part)
    return encoded, Parts(*parts)
