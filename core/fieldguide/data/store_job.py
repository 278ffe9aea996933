"""The job that fills a store with vectors: incremental, resumable, interruptible."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fieldguide.data.files import exists, utf8_text
from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Batch, Row
from fieldguide.errors import EmptyError, LoadError
from fieldguide.models.embeddings import Embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROWS_PER_COMMIT = 256
SECONDS_PER_COMMIT = 20.0


NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class VectorSink(Protocol):
    """Where vectors go: an embedding file or an index."""

    def known(self) -> Mapping[str, str]:
        """Return the fingerprint of every stored row by id."""
        ...

    def add(self, rows: Sequence[Row], fingerprints: Sequence[str], vectors: Embeddings) -> None:
        """Commit rows in one step; a row whose id is there takes its place."""
        ...


@dataclass
class Filled:
    """What a job did: how many rows it added, kept and found empty, and the rows that failed."""

    added: int = 0
    kept: int = 0
    empty: int = 0
    failed: list[Row] = field(default_factory=list)

    def add(self, rows: Sequence[Row]) -> None:
        """Take in rows without a vector: empty ones are counted, others recorded."""
        failed = [row for row in rows if row.status != EmptyError.status]
        self.empty += len(rows) - len(failed)
        self.failed += [replace(row, thumbnail=None) for row in failed]


@dataclass
class _Pending:
    batches: list[tuple[list[Row], Embeddings]] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    @property
    def is_due(self) -> bool:
        rows = sum(len(rows) for rows, _ in self.batches)
        return rows >= ROWS_PER_COMMIT or time.monotonic() - self.since > SECONDS_PER_COMMIT


def choose_new(
    items: Sequence[Item], sink: VectorSink, options: Mapping[str, Any] = NO_OPTIONS
) -> tuple[list[Item], dict[str, str], Filled]:
    """Return the items to embed, their fingerprints by id, and the count of those kept.

    An item is kept when the sink has its id with the same fingerprint. The fingerprint is taken
    before the file is read, so a file that changes meanwhile is embedded again next time; and it
    holds the options that files are read by, so that other options embed them again.
    """
    known, read_by = sink.known(), options_fingerprint(options)
    todo: list[Item] = []
    prints: dict[str, str] = {}
    report = Filled()
    for item in items:
        try:
            prints[item.id] = "" if item.fault else item.fingerprint() + read_by
        except LoadError as error:
            report.failed.append(Row(item, error.status, str(error), dict(item.metadata)))
            continue
        if known.get(utf8_text(item.id)) == prints[item.id]:
            report.kept += 1
        else:
            todo.append(item)
    return todo, prints, report


def options_fingerprint(options: Mapping[str, Any]) -> str:
    """Return what changes when options do, or a file that one of them names; empty for none."""
    if not options:
        return ""
    known = {
        name: [str(value), Item("", "", Path(value)).fingerprint()]
        if isinstance(value, str) and exists(Path(value))
        else repr(value)
        for name, value in sorted(options.items())
    }
    return ";" + hashlib.sha256(json.dumps(known).encode()).hexdigest()


def fill(
    sink: VectorSink,
    items: Sequence[Item],
    encode: Callable[[Sequence[Item]], Iterator[Batch]],
    options: Mapping[str, Any] = NO_OPTIONS,
) -> Filled:
    """Embed what the sink does not have yet.

    What is finished is committed every few seconds, and at an interrupt before it is passed on.

    Args:
        sink: where the vectors go.
        items: all inputs of the job.
        encode: loads and embeds items, in batches.
        options: of the domain, by which items are read.
    """
    todo, prints, report = choose_new(items, sink, options)
    pending = _Pending()
    try:
        for batch in encode(todo):
            report.add(batch.failed)
            if batch.embeddings is not None:
                pending.batches.append((batch.encoded, batch.embeddings))
            if pending.batches and pending.is_due:
                report.added += _commit(sink, pending, prints)
                pending = _Pending()
    finally:
        if pending.batches:
            report.added += _commit(sink, pending, prints)
    return report


def _commit(sink: VectorSink, pending: _Pending, prints: Mapping[str, str]) -> int:
    rows = [row for batch, _ in pending.batches for row in batch]
    parts = [vectors for _, vectors in pending.batches]
    stacked = Embeddings(np.concatenate([part.vectors for part in parts]), parts[0].space)
    sink.add(rows, [prints[row.item.id] for row in rows], stacked)
    return len(rows)
