"""Replay: rows of a general set in every batch, so that the base's knowledge is kept in use.

After experience replay (Rolnick et al. 2019, arXiv:1811.11682) as domain models use it: BioCLIP 2
trains on general pairs beside those of species (Gu et al. 2025, arXiv:2505.23883). The general
rows have streams of texts of their own; domain images have none of those texts, and the general
ones none of the domain's, so each is only ever a negative of the other's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fieldguide.errors import TuningError, UsageError
from fieldguide.tuning.draws import Pool
from fieldguide.tuning.splits import TRAIN
from fieldguide.tuning.texts import MISSING, ClassTexts, PairedTexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import ItemReader, Row
    from fieldguide.tuning.examples import Examples
    from fieldguide.tuning.texts import Stream

REPLAY = "replay"


@dataclass(frozen=True)
class Replayed:
    """Domain rows with general ones behind them.

    Attributes:
        examples: the domain's rows as they were, then the replayed ones, which have no label and
            no captions of the domain, and are of the split "train".
        pools: of the domain's train rows and of the replayed ones; their numbers in a batch add up
            to the batch's size.
    """

    examples: Examples
    pools: tuple[Pool, Pool]


@dataclass(frozen=True)
class ReplayReader:
    """Reads replayed pictures as what they are, and all others as the domain's.

    Attributes:
        domain: reader of the domain.
        general: reader of the replayed ones.
        replayed: their items' ids.
    """

    domain: ItemReader
    general: ItemReader
    replayed: frozenset[str]

    def read(self, item: Item) -> tuple[Row, NDArray[np.uint8] | None]:
        """Return the row and (H, W, C) pixels of an item, or None in their place."""
        reader = self.general if item.id in self.replayed else self.domain
        return reader.read(item)


def with_replay(
    examples: Examples, general: Examples, *, share: float, batch_size: int, weight: float = 1.0
) -> Replayed:
    """Put the train rows of a general set behind those of the domain.

    Args:
        examples: of the domain.
        general: read likewise; its rows of "train" are replayed, the others measure.
        share: of each batch, 0 to 1 without the ends.
        batch_size: images a step.
        weight: of the replayed texts' loss beside the domain's.

    Raises:
        UsageError: the share leaves one of the two without a place in the batch.
        TuningError: nothing can be replayed, or the loss compares attributes.
    """
    replayed_count = round(share * batch_size)
    if not 0 < share < 1 or not 0 < replayed_count < batch_size:
        raise UsageError(
            f"A replay share of {share:g} in batches of {batch_size} leaves no place for one of "
            "the two sets. Name one between 0 and 1, or larger batches."
        )
    if examples.attributes is not None:
        raise TuningError(
            "Replayed pictures have none of the attributes that the domain's have. Leave out "
            "--replay or the attribute columns."
        )
    known = {item.id for item in examples.items}
    rows = [
        row
        for row in general.rows(TRAIN).tolist()
        if general.items[row].id not in known and (general.labels[row] or general.captions[row])
    ]
    if not rows:
        raise TuningError(
            "The general set has no row to replay: none of its rows is of the split 'train', has "
            "a label or caption, and is not in the domain's set. Correct its column 'split'."
        )
    added = general.take(torch.tensor(rows))
    streams = [
        *(_beside(stream, 0, len(rows), stream.name, stream.weight) for stream in examples.streams),
        *(
            _beside(stream, len(examples), 0, f"{REPLAY}_{stream.name}", weight)
            for stream in added.streams
        ),
    ]
    merged = replace(
        examples,
        items=(*examples.items, *added.items),
        splits=(*examples.splits, *((TRAIN,) * len(rows))),
        labels=(*examples.labels, *(("",) * len(rows))),
        groups=(*examples.groups, *(f"{REPLAY}:{group}" for group in added.groups)),
        captions=(*examples.captions, *(((),) * len(rows))),
        streams=tuple(streams),
    )
    last = torch.arange(len(examples), len(examples) + len(rows))
    domain = Pool(examples.rows(TRAIN), batch_size - replayed_count)
    return Replayed(merged, (domain, Pool(last, replayed_count)))


def _beside(stream: Stream, before: int, after: int, name: str, weight: float) -> Stream:
    """Return a stream beside more images, which have none of its texts."""
    if isinstance(stream, PairedTexts):
        same = None if stream.same is None else _framed(stream.same, before, after)
        return replace(
            stream,
            name=name,
            weight=weight,
            choices=_framed(stream.choices, before, after),
            same=same,
        )
    if isinstance(stream, ClassTexts):
        keys = _framed(stream.image_keys, before, after)
        return replace(stream, name=name, weight=weight, image_keys=keys)
    raise TuningError(
        f"The texts of the stream {stream.name!r} cannot be mixed with replayed ones. Leave out "
        "--replay."
    )


def _framed(keys: Tensor, before: int, after: int) -> Tensor:
    """Return (before + N + after, ...) with -1 around the keys of N images."""

    def empty(count: int) -> Tensor:
        return torch.full((count, *keys.shape[1:]), MISSING, dtype=keys.dtype)

    return torch.cat([empty(before), keys, empty(after)])


def replay_reader(domain: ItemReader, general: ItemReader, items: Sequence[Item]) -> ReplayReader:
    """Return the reader of merged examples.

    Args:
        domain: reader of the domain.
        general: reader of the replayed pictures.
        items: the replayed ones.
    """
    return ReplayReader(domain, general, frozenset(item.id for item in items))
