"""What became of each source of a job that classifies by windows: one row a source."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.results import Prediction, Predictions, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class SourceRun:
    """One source and what it took.

    Attributes:
        path: as the user wrote it.
        status: "ok", "out_of_scope", "skipped" (unreadable or without data) or "refused".
        windows: how many it was cut into; 0 where it was not opened.
        empty: how many of them hold too little data.
        failed: how many could not be read.
        embedded: how many were embedded in this run; the others were there from before.
        seconds: of this run.
        reason: why it is not ok, which windows failed, or which repairs were made.
    """

    path: str
    status: str
    windows: int = 0
    empty: int = 0
    failed: int = 0
    embedded: int = 0
    seconds: float = 0.0
    reason: str = ""


class RunReport(Rows[SourceRun]):
    """One row a source, in the order of the inputs."""

    kind = "run_report"

    def records(self) -> list[dict[str, Any]]:
        """Return one row a source."""
        return [asdict(row) for row in self._rows]


class WindowPredictions(Predictions):
    """Predictions of sources that were classified by their windows.

    Attributes:
        report: what became of each source.
    """

    def __init__(
        self,
        rows: Sequence[Prediction],
        runs: Sequence[SourceRun],
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__(rows, provenance)
        self.report = RunReport(runs, provenance)
