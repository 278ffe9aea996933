"""Warnings are hidden while threads read, and the process's filters are as before afterwards."""

from __future__ import annotations

import threading
import warnings

import pytest

from fieldguide.data.quiet import quiet_library


def test_overlapping_threads_leave_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first() -> None:
        with quiet_library("one"):
            first_in.set()
            second_in.wait(5)
        first_out.set()

    def second() -> None:
        first_in.wait(5)
        with quiet_library("two"):
            second_in.set()
            first_out.wait(5)

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_only_the_named_kind_is_hidden() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet_library(category=DeprecationWarning):
            warnings.warn("old", DeprecationWarning, stacklevel=1)
            with pytest.raises(UserWarning, match="heard"):
                warnings.warn("heard", UserWarning, stacklevel=1)


def test_an_error_inside_puts_the_filters_back() -> None:
    before = list(warnings.filters)
    with pytest.raises(KeyError), quiet_library():
        raise KeyError
    assert list(warnings.filters) == before
