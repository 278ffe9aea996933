"""The folder beside an adapter while it is made: checkpoints, kept outputs, the draft."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.data.files import exists, only_writer, unwritten
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fieldguide.tuning.processes import Processes


@dataclass(frozen=True)
class Workplace:
    """Where a training keeps what it needs until the adapter is there.

    Attributes:
        output: the adapter's folder; it appears whole or not at all.
    """

    output: Path

    @property
    def folder(self) -> Path:
        """Beside the output."""
        return self.output.parent / f"{self.output.name}.training"

    @property
    def checkpoints(self) -> Path:
        """What ``--resume`` goes on from."""
        return self.folder / "checkpoints"

    @property
    def frozen(self) -> Path:
        """Kept outputs of frozen stages."""
        return self.folder / "frozen"

    @property
    def draft(self) -> Path:
        """The adapter before it takes its place."""
        return self.folder / "adapter"

    def require_free(self, *, resume: bool) -> None:
        """Raise UsageError unless a training may begin, or go on, here."""
        if exists(self.output):
            raise UsageError(
                f"{self.output} exists. Name another --output, or remove it to train it anew."
            )
        if exists(self.checkpoints) and not resume:
            raise UsageError(
                f"A training of {self.output} was not finished. Go on with it: --resume. To begin "
                f"anew, remove {self.folder}."
            )

    @contextlib.contextmanager
    def held(self, processes: Processes) -> Iterator[None]:
        """Keep other trainings out while this one runs.

        Raises:
            StoreError: another one runs there, or the folder cannot be written.
        """
        if not processes.is_main:
            yield
            return
        with only_writer(self.folder.with_name(f".{self.folder.name}.lock"), self.output):
            yield

    def new_draft(self) -> Path:
        """Return an empty folder for the adapter; what a killed run left is removed."""
        try:
            shutil.rmtree(self.draft, ignore_errors=True)
            self.draft.mkdir(parents=True)
        except OSError as error:
            raise unwritten(self.draft, error) from error
        return self.draft

    def finish(self) -> None:
        """Put the draft in its place and remove everything else."""
        try:
            self.draft.rename(self.output)
        except OSError as error:
            raise unwritten(self.output, error) from error
        self.clear()

    def clear(self) -> None:
        """Remove the folder and its lock."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_name(f".{self.folder.name}.lock").unlink(missing_ok=True)
