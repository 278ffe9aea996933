"""What jobs return: small records with ``to_pandas()`` and ``write(path)``."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fieldguide.data.manifest_windows import place_columns
from fieldguide.errors import UsageError
from fieldguide.plugins import get_catalog
from fieldguide.writers import write_result

if TYPE_CHECKING:
    import pandas as pd

    from fieldguide.taxonomy.taxon import Taxon

RowT = TypeVar("RowT")

NOTEBOOK_ROWS = 20
NONE_OF_THESE = "none of these"
"""The answer where no label fits well enough."""


class Result:
    """Rows of one kind, with the record of how they were made.

    Attributes:
        kind: "predictions", "matches", "regions" ...; ``writers.tables.COLUMNS`` has them all.
        provenance: versions, model, space, contract and counts.
    """

    kind: ClassVar[str]
    provenance: Mapping[str, Any]

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as they are written into tables."""
        raise NotImplementedError

    def tally(self) -> dict[str, int]:
        """Return what the record beside an output counts; nothing by default."""
        return {}

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a data frame.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas as pd  # not a dependency: only this method needs it
        except ModuleNotFoundError as error:
            raise UsageError("This needs pandas. Run: pip install pandas") from error
        return pd.DataFrame.from_records(self.records())

    def write(self, path: str | Path) -> Path:
        """Write to a file whose suffix names the format, with a provenance record beside it.

        Raises:
            UsageError: no writer has that suffix.
            StoreError: the file cannot be written.
        """
        return write_result(self, Path(path), get_catalog())

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        rows = self.records()[:NOTEBOOK_ROWS]
        if not rows:
            return "<p>no rows</p>"
        head = "".join(f"<th>{html.escape(str(name))}</th>" for name in rows[0])
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(v))}</td>" for v in row.values()) + "</tr>"
            for row in rows
        )
        return f"<table><tr>{head}</tr>{body}</table>"


@dataclass(frozen=True, slots=True)
class Guess:
    """One label with its probability.

    "none of these" has no probability: it is not one of the labels.

    Attributes:
        probability: over the labels that were offered; of a finding, that it is there.
        threshold: from which probability this finding counts as present, where a calibration says.
        taxon: where the label is a taxon of a tree.
        without_prior: the probability before place, season or another prior had their say.
        why: of a taxon, why the answer stops at it.
    """

    label: str
    probability: float | None
    threshold: float | None = None
    taxon: Taxon | None = None
    without_prior: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the classifier says of one input; no guesses when it was not classified."""

    path: str
    guesses: tuple[Guess, ...]
    status: str
    reason: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    thumbnail: bytes | None = field(default=None, repr=False)

    @property
    def label(self) -> str | None:
        """The best label, or None."""
        return self.guesses[0].label if self.guesses else None


class Rows(Result, Sequence[RowT]):
    """A result that is a sequence of rows."""

    def __init__(self, rows: Sequence[RowT], provenance: Mapping[str, Any]) -> None:
        self._rows = list(rows)
        self.provenance = provenance

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        """Return the row at a place."""
        return self._rows[place]

    def __iter__(self) -> Iterator[RowT]:
        """Iterate over the rows."""
        return iter(self._rows)


class Predictions(Rows[Prediction]):
    """The predictions of one job, in the order of the inputs."""

    kind = "predictions"

    def tally(self) -> dict[str, int]:
        """Return how many rows have each status, and how many answers are "none of these"."""
        none = sum(row.label == NONE_OF_THESE for row in self._rows)
        statuses = Counter(row.status for row in self._rows)
        return {"inputs": len(self._rows), **statuses, **({NONE_OF_THESE: none} if none else {})}

    def records(self) -> list[dict[str, Any]]:
        """Return one row a guess, best first: path, rank, label, probability, status, reason.

        Where a calibration has thresholds of findings, they are a column ``threshold``. Taxa have
        columns ``taxon_rank``, ``why``, ``common_name``, ``taxon_id`` and one for each rank of
        their lineage; a prior brings ``probability_without_prior``. Rows that
        mean a part of a file say which one, and around which box.
        """
        rows: list[dict[str, Any]] = []
        for prediction in self._rows:
            about = {"status": prediction.status, "reason": prediction.reason}
            about |= place_columns(prediction.metadata)
            path = {"path": prediction.path}
            if not prediction.guesses:
                rows.append({**path, "rank": None, "label": None, "probability": None, **about})
            for rank, guess in enumerate(prediction.guesses, start=1):
                found = {"rank": rank, "label": guess.label, "probability": guess.probability}
                rows.append({**path, **found, **_more_of(guess), **about, **_lineage_of(guess)})
        return rows


def _more_of(guess: Guess) -> dict[str, Any]:
    """Return the columns that only some jobs have."""
    more: dict[str, Any] = {}
    if guess.threshold is not None:
        more["threshold"] = guess.threshold
    if guess.taxon is not None:
        more["taxon_rank"] = guess.taxon.rank
    if guess.without_prior is not None:
        more["probability_without_prior"] = guess.without_prior
    if guess.why:
        more["why"] = guess.why
    return more


def _lineage_of(guess: Guess) -> dict[str, Any]:
    """Return the lineage of a taxon; names of ranks that results have themselves are left out."""
    if guess.taxon is None:
        return {}
    taken = ("path", "rank", "label", "probability", "status", "reason", "why")
    lineage = {rank: name for rank, name in guess.taxon.lineage if rank not in taken}
    return {"common_name": guess.taxon.common_name, "taxon_id": guess.taxon.id, **lineage}


@dataclass(frozen=True, slots=True)
class Match:
    """One row of an index that fits a query.

    Attributes:
        similarity: cosine with the query, -1 to 1; the score of a query of several parts.
        terms: what the score of a query of several parts was made of, by the name of a column.
    """

    rank: int
    path: str
    id: str
    similarity: float
    metadata: Mapping[str, Any] = field(default_factory=dict)
    thumbnail: bytes | None = field(default=None, repr=False)
    terms: Mapping[str, float] = field(default_factory=dict)


class Matches(Rows[Match]):
    """The answers to one query, best first."""

    kind = "matches"

    def __init__(self, query: str, rows: Sequence[Match], provenance: Mapping[str, Any]) -> None:
        super().__init__(rows, provenance)
        self.query = query

    def records(self) -> list[dict[str, Any]]:
        """Return rank, path, similarity, terms and metadata of each match; its own columns win."""
        own = [
            {"rank": m.rank, "path": m.path, "similarity": m.similarity, **m.terms}
            for m in self._rows
        ]
        return [row | {**m.metadata, **row} for row, m in zip(own, self._rows, strict=True)]


@dataclass(frozen=True, slots=True)
class StoreReport(Result):
    """What a job that stores vectors did.

    Attributes:
        added: rows embedded in this run.
        kept: rows that were there and unchanged.
        failed: path, status and reason of each input that could not be used.
        total: rows now in the store.
        empty: how many inputs have nothing to look at, which is no failure.
    """

    kind = "embeddings"

    target: str
    added: int
    kept: int
    total: int
    failed: tuple[Mapping[str, str], ...]
    provenance: Mapping[str, Any]
    empty: int = 0

    def records(self) -> list[dict[str, Any]]:
        """Return one row for each input that failed."""
        return [dict(row) for row in self.failed]
