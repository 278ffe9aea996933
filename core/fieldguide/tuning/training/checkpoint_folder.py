"""When a training is kept, and what it goes on from."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from fieldguide.errors import TuningError
from fieldguide.tuning.adapter import Probe
from fieldguide.tuning.changes import Change, LowRank, Offset
from fieldguide.tuning.checkpoints import latest_checkpoint, save_checkpoint
from fieldguide.tuning.training.fits import Learned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fieldguide.tuning.processes import Processes

State = dict[str, Any]


class CheckpointFolder:
    """The checkpoints of one training; only the main process writes.

    Args:
        folder: of the files.
        settings: of the training, in JSON's types; a checkpoint of others is refused.
        processes: that train together.
        every_s: seconds between two checkpoints.
        resume: whether to go on from what is there.

    Raises:
        TuningError: what is there was made with other settings or cannot be read, or the processes
            see different checkpoints.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        processes: Processes,
        *,
        every_s: float,
        resume: bool,
    ) -> None:
        self._folder, self._settings, self._processes = folder, dict(settings), processes
        self._every_s = every_s
        found = latest_checkpoint(folder, self._settings) if resume else None
        processes.same_everywhere("the checkpoint", None if found is None else found.path.name)
        self._state: State | None = None if found is None else found.state
        self._count = 0 if found is None else found.step
        self._last_s = time.monotonic()

    @property
    def fits_done(self) -> int:
        """How many fits were finished."""
        return 0 if self._state is None else int(self._state["fits_done"])

    @property
    def learned(self) -> Learned:
        """What the finished fits learned."""
        return Learned() if self._state is None else _learned(self._state["learned"])

    @property
    def history(self) -> list[dict[str, Any]]:
        """The curves until then."""
        return [] if self._state is None else list(self._state["history"])

    @property
    def unfinished(self) -> State | None:
        """The state of the fit that was cut; None where it had not begun."""
        return None if self._state is None else self._state["fit"]

    def is_due(self) -> bool:
        """Return whether it is time for one: the same answer in all processes."""
        due = time.monotonic() - self._last_s >= self._every_s
        return self._processes.anywhere(due and self._processes.is_main)

    def keep(
        self,
        fits_done: int,
        learned: Learned,
        history: list[dict[str, Any]],
        fit: Callable[[], State] | None = None,
    ) -> None:
        """Write a checkpoint.

        Args:
            fits_done: finished fits.
            learned: by them.
            history: until now.
            fit: returns the state of the fit that is running; None between fits.
        """
        self._count += 1
        self._state = None  # what was read is not needed any more
        if self._processes.is_main:
            state = {
                "fits_done": fits_done,
                "learned": _plain(learned),
                "history": history,
                "fit": None if fit is None else fit(),
            }
            save_checkpoint(self._folder, self._count, state, self._settings)
        self._last_s = time.monotonic()


def _plain(learned: Learned) -> State:
    probe = learned.classifier
    return {
        "changes": {
            name: {"a": change.a, "b": change.b} if isinstance(change, LowRank)
            else {"values": change.values}
            for name, change in learned.changes.items()
        },
        "classifier": None if probe is None else
        {"labels": list(probe.labels), "weights": probe.weights, "bias": probe.bias},
        "scale": learned.scale,
    }  # fmt: skip


def _learned(state: State) -> Learned:
    changes: dict[str, Change] = {
        name: LowRank(**tensors) if "a" in tensors else Offset(**tensors)
        for name, tensors in state["changes"].items()
    }
    made = state["classifier"]
    probe = None
    if made is not None:
        probe = Probe(tuple(made["labels"]), made["weights"], made["bias"])
    return Learned(changes, probe, state["scale"])


def require_finite(loss: float, step: int, name: str) -> None:
    """Raise TuningError when a loss is not a finite number."""
    if not math.isfinite(loss):
        raise TuningError(
            f"The loss is {loss} at step {step} of {name!r}: nothing can be learned from it. Lower "
            "--learning-rate, or --precision fp32; the last good checkpoint is kept."
        )
