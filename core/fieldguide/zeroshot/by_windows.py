"""Classifies slides and other large sources by their windows; resumable, a source at a time.

The vectors of windows are those that a text search keeps, so that either goes on where the other
ended. Processes may share a list: a source that another one works on is left to it and taken up
when it is done.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.data.windows import open_whole
from fieldguide.errors import BusyError, FieldguideError, InputError, ScopeError, UsageError
from fieldguide.localization.encode import WindowEncoder, reader_of
from fieldguide.localization.grid import MAX_OVERLAP
from fieldguide.localization.store import EMBEDDED, EMPTY, FAILED
from fieldguide.localization.stored_windows import (
    Source,
    embed_missing,
    make_grids,
    nothing_embedded,
)
from fieldguide.localization.window_size import window_sizes_px
from fieldguide.models.embeddings import Embeddings
from fieldguide.progress import progress_bar
from fieldguide.results import Prediction
from fieldguide.tuning.adapter_choice import require_vectors
from fieldguide.zeroshot.classify import answer_of
from fieldguide.zeroshot.run_report import SourceRun, WindowPredictions
from fieldguide.zeroshot.top_k_pooling import Pooling, TopK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide
    from fieldguide.localization.store import WindowStore
    from fieldguide.planning import Plan
    from fieldguide.zeroshot.choose import Classifier

NO_OVERLAP = 0.0
"""As in MI-Zero: the best ten windows are then ten places."""
SECONDS_BETWEEN_TRIES = 0.5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cut:
    """How sources are cut into windows, and how the scores of windows become one.

    Attributes:
        window: side of a window, such as 224 or "112um"; None for what the model takes.
        overlap: of neighbouring windows, as a part of their side.
        pool: makes one score a class.
        folder: in which ``FILE.windows`` keeps vectors; None for the current one.
    """

    window: str | int | None = None
    overlap: float = NO_OVERLAP
    pool: Pooling = field(default_factory=TopK)
    folder: Path | None = None

    @property
    def windows(self) -> tuple[str | int, ...]:
        """As a text search names them."""
        return () if self.window is None else (self.window,)


@dataclass(frozen=True)
class WindowJob:
    """One job.

    Attributes:
        guide: how it runs.
        plan: of the items.
        classifier: None where every item is refused.
        cut: into which windows, and how they are pooled.
        top: at most how many labels are kept; see ``classify_batches``.
        threshold: below this best probability "none of these" comes first; see there.
    """

    guide: Guide
    plan: Plan
    classifier: Classifier | None
    cut: Cut
    top: int | None
    threshold: float

    def run(self, items: Sequence[Item]) -> WindowPredictions:
        """Classify each item, and record those that cannot be.

        Raises:
            UsageError: a window or overlap that makes no sense for any source.
            StoreError: the vectors cannot be written.
        """
        require_vectors(self.guide.adapter)
        self._check()
        found = self._all(items)
        labels = [] if self.classifier is None else list(self.classifier.labels)
        facts = self.guide.provenance(
            self.plan, labels=labels, threshold=self.threshold, pooling=dict(self.cut.pool.about),
            window=self.cut.window, overlap=self.cut.overlap,
            windows=sum(run.windows for _, run in found),
            empty_windows=sum(run.empty for _, run in found),
            failed_windows=sum(run.failed for _, run in found),
        )  # fmt: skip
        predictions, runs = [row for row, _ in found], [run for _, run in found]
        return WindowPredictions(predictions, runs, facts)

    def _check(self) -> None:
        """Refuse a window that no source could be cut into, before the work."""
        sides = str(self.cut.window).count("x") + 1
        window_sizes_px(self.cut.windows, (1e-9,) * sides, (1,) * sides)
        if not 0 <= self.cut.overlap <= MAX_OVERLAP:
            raise UsageError(
                f"An overlap of {self.cut.overlap} is not between 0 and {MAX_OVERLAP}."
            )

    def _all(self, items: Sequence[Item]) -> list[tuple[Prediction, SourceRun]]:
        """Return what became of each item; those that another process works on come last."""
        found: dict[int, tuple[Prediction, SourceRun]] = {}
        waiting = deque(range(len(items)))
        in_vain = 0
        with progress_bar(len(items), "source", shown=self.guide.runtime.progress) as bar:
            while waiting:
                place = waiting.popleft()
                try:
                    found[place] = self._classify(items[place])
                except BusyError:
                    waiting.append(place)
                    in_vain += 1
                    if in_vain >= len(waiting):
                        _wait(items[place], len(waiting))
                        in_vain = 0
                else:
                    in_vain = 0
                    bar.update()
        return [found[place] for place in range(len(items))]

    def _classify(self, item: Item) -> tuple[Prediction, SourceRun]:
        """Return the answer for one source, or why there is none.

        Raises:
            BusyError: another process works on it.
        """
        start = time.monotonic()
        run = SourceRun(item.name, reader_of(self.plan, item).mark)
        guesses: tuple[Any, ...] = ()
        metadata: Mapping[str, Any] = item.metadata
        try:
            pooled, run, metadata = self._pool(item, run)
        except InputError as error:
            run = replace(run, status=error.status, reason=str(error))
        except UsageError as error:  # such as micrometres where the source knows no scale
            run = replace(run, status="refused", reason=str(error))
        except FieldguideError:  # no other source would fare better
            raise
        except Exception as error:  # noqa: BLE001 - one bad file must never stop a job
            reason = f"unexpected {type(error).__name__}: {error}"
            run = replace(run, status="skipped", reason=reason)
        else:
            guesses = self._guesses(pooled)
        if self.guide.private is not None:
            run = replace(run, reason=self.guide.private.scrub(run.reason))
        run = replace(run, seconds=round(time.monotonic() - start, 3))
        return Prediction(item.name, guesses, run.status, run.reason, metadata), run

    def _pool(
        self, item: Item, run: SourceRun
    ) -> tuple[NDArray[np.float64], SourceRun, Mapping[str, Any]]:
        """Return the pooled score (C,) of each class, what it took, and what the source says."""
        reader = reader_of(self.plan, item)
        if reader.refusal is not None:
            raise ScopeError(reader.refusal)
        source = Source(self.guide, self.plan, item, self.cut.folder)
        with open_whole(item, reader) as opened:
            (grid,) = make_grids(reader, opened, self.cut.windows, self.cut.overlap)
            encoder = WindowEncoder(self.guide, self.plan, item, opened)
            with source.store(grid) as store:
                new = embed_missing(encoder, grid, store)
                states = store.states()
                if not (states == EMBEDDED).any():
                    raise nothing_embedded(store.faults())
                scores = self._scores(store, states)
                reason = _reason(store, states)
            metadata = {**reader.open_facts(opened.metadata), **item.metadata}
        took = replace(
            run, windows=len(states), empty=int((states == EMPTY).sum()),
            failed=int((states == FAILED).sum()), embedded=new, reason=reason,
        )  # fmt: skip
        return self.cut.pool.pool(scores), took, metadata

    def _scores(self, store: WindowStore, states: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return (N, C) logits of the windows that have a vector."""
        if self.classifier is None or self.plan.encoder is None:
            raise ValueError("a plan without a model")
        space = self.plan.encoder.space
        parts, start = [], 0
        for vectors in store.chunks():
            known = states[start : start + len(vectors)] == EMBEDDED
            parts.append(self.classifier.logits(Embeddings(vectors[known], space)))
            start += len(vectors)
        return np.concatenate(parts)

    def _guesses(self, pooled: NDArray[np.float64]) -> tuple[Any, ...]:
        if self.classifier is None:
            raise ValueError("a plan without a model")
        answer = answer_of(self.classifier, self.top, self.threshold)
        return answer.guesses(answer.probabilities(pooled), self.classifier.labels)


def _reason(store: WindowStore, states: NDArray[np.uint8]) -> str:
    """Return which repairs were made, and how many windows failed and why."""
    failed = int((states == FAILED).sum())
    parts = list(store.remarks())
    if failed:
        parts.append(f"{failed} of {len(states)} windows could not be read: {store.faults()[0]}")
    return "; ".join(parts)


def _wait(item: Item, count: int) -> None:
    logger.info("%s and %d more: another process works on them", item.name, count - 1)
    time.sleep(SECONDS_BETWEEN_TRIES)


def choose_cut(
    plan: Plan,
    items: Sequence[Item] | None,
    *,
    window: str | int | None = None,
    overlap: float | None = None,
    pool: Pooling | None = None,
    folder: str | Path | None = None,
) -> Cut | None:
    """Return how items are cut: as asked, or as their modality needs; None for whole pictures.

    Args:
        plan: of the items.
        items: None where vectors were stored before.
        window: of the cut, as the other three; None where the user said nothing.
        overlap: of neighbouring windows.
        pool: makes one score a class.
        folder: of the vectors.

    Raises:
        UsageError: windows are asked for where there are none to cut.
    """
    asked = not (window is None and overlap is None and pool is None and folder is None)
    if items is None:
        if asked:
            raise UsageError("Windows are cut from files, not from vectors. Leave --window out.")
        return None
    wholes = any(item.window is None for item in items)  # a part is a picture of its own
    needed = plan.modality is not None and plan.modality.by_windows and wholes
    if window is None and not needed:
        if asked:
            raise UsageError(
                "An overlap, --pool-top and --vectors are for windows: name their size, such as "
                "--window 224."
            )
        return None
    share = NO_OVERLAP if overlap is None else overlap
    return Cut(window, share, pool or TopK(), None if folder is None else Path(folder))
