"""Files of which several windows are asked for, one after the other, are opened once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from contextlib import AbstractContextManager

    from fieldguide.samples import Windowed

KEPT = 2
"""Sources that stay open: threads that read ahead are at the end of one file and the start of the
next."""


@dataclass
class _Entry:
    """One source; whoever asks for it first opens it, the others wait.

    A thread of its own opens and closes it: what a library keeps for each thread, as GDAL its
    environment, must be left where it was entered.
    """

    opener: Callable[[], AbstractContextManager[Windowed]]
    users: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    stack: ExitStack = field(default_factory=ExitStack)
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    source: Windowed | None = None
    error: Exception | None = None

    def opened(self) -> Windowed:
        with self.lock:
            if self.error is not None:
                raise self.error
            if self.source is None:
                try:
                    self.source = self.thread.submit(self._open).result()
                except Exception as error:
                    self.error = error
                    raise
            return self.source

    def close(self) -> None:
        """Close the source where it was opened."""
        with self.thread:
            self.thread.submit(self.stack.close).result()

    def _open(self) -> Windowed:
        return self.stack.enter_context(self.opener())


@dataclass
class SharedSources:
    """Keeps the sources that were asked for last open, for several threads.

    A picture of which a detector found ten animals is decoded once and not ten times.

    Attributes:
        kept: how many stay open that nobody reads from.
    """

    kept: int = KEPT
    _entries: OrderedDict[Hashable, _Entry] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def open(
        self, key: Hashable, opener: Callable[[], AbstractContextManager[Windowed]]
    ) -> Iterator[Windowed]:
        """Give a source, opened unless it is open.

        Args:
            key: the same for the same source.
            opener: opens it; its errors are raised for all who ask meanwhile.
        """
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry(opener)
            self._entries[key] = entry  # the newest stands last
            entry.users += 1
        try:
            yield entry.opened()
        finally:
            with self._lock:
                entry.users -= 1
                gone = self._take_old()
            for old in gone:
                old.close()

    def close(self) -> None:
        """Close all that nobody reads from."""
        with self._lock:
            gone = [self._entries.pop(key) for key in self._idle()]
        for entry in gone:
            entry.close()

    def _take_old(self) -> list[_Entry]:
        """Take out failures and, beyond those that are kept, the sources asked for longest ago."""
        idle = self._idle()
        failed = [key for key in idle if self._entries[key].error is not None]
        sound = [key for key in idle if key not in failed]
        beyond = max(0, len(self._entries) - len(failed) - self.kept)
        return [self._entries.pop(key) for key in [*failed, *sound[:beyond]]]

    def _idle(self) -> list[Hashable]:
        return [key for key, entry in self._entries.items() if entry.users == 0]
