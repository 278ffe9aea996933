"""Files of which several windows are read stay open, and are closed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.data.shared_sources import SharedSources
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


class Files:
    """Counts what is opened and closed."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def opener(self, name: str) -> Callable[[], AbstractContextManager[Any]]:
        @contextmanager
        def opened() -> Iterator[str]:
            self.log.append(f"+{name}")
            yield name
            self.log.append(f"-{name}")

        return opened


def ask(sources: SharedSources, files: Files, name: str) -> None:
    with sources.open(name, files.opener(name)) as source:
        assert source == name  # type: ignore[comparison-overlap]  # a stand-in for a source


def test_rows_of_one_file_open_it_once() -> None:
    sources, files = SharedSources(), Files()
    for name in "aaabbb":
        ask(sources, files, name)
    assert files.log == ["+a", "+b"]


def test_what_was_asked_for_longest_ago_is_closed() -> None:
    sources, files = SharedSources(kept=2), Files()
    for name in "abac":
        ask(sources, files, name)
    assert files.log == ["+a", "+b", "+c", "-b"]
    sources.close()
    assert sorted(files.log[4:]) == ["-a", "-c"]


def test_a_source_that_is_read_from_is_not_closed() -> None:
    sources, files = SharedSources(kept=1), Files()
    with sources.open("a", files.opener("a")):
        ask(sources, files, "b")
        ask(sources, files, "c")
        assert "-a" not in files.log
    assert files.log.count("-a") + files.log.count("-c") == 1


def test_threads_that_ask_at_once_wait_for_one_opening() -> None:
    sources, files = SharedSources(), Files()
    together = threading.Barrier(4)

    def work(_: int) -> None:
        together.wait()
        ask(sources, files, "a")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert files.log == ["+a"]


def test_a_file_that_cannot_be_opened_is_tried_again_later() -> None:
    sources, tries = SharedSources(), []

    @contextmanager
    def broken() -> Iterator[Any]:
        tries.append(1)
        raise LoadError("broken")
        yield

    for _ in range(2):
        with pytest.raises(LoadError, match="broken"), sources.open("a", broken):
            pass
    assert len(tries) == 2


def test_a_source_is_closed_by_the_thread_that_opened_it() -> None:
    threads: list[int] = []

    @contextmanager
    def opened() -> Iterator[Any]:
        threads.append(threading.get_ident())
        yield "a"
        threads.append(threading.get_ident())

    sources = SharedSources()

    def ask_for_it() -> None:
        with sources.open("a", opened):
            pass

    reader = threading.Thread(target=ask_for_it)
    reader.start()
    reader.join()
    sources.close()
    first, last = threads
    assert first == last
