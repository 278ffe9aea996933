"""The user's secret salt."""

from __future__ import annotations

import multiprocessing
import stat
from typing import TYPE_CHECKING

import pytest

from fieldguide.errors import StoreError
from fieldguide.privacy.salt import SALT_VARIABLE, read_salt, salt_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def salt_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config" / "salt"
    monkeypatch.setenv(SALT_VARIABLE, str(path))
    return path


def test_the_first_call_makes_it_and_later_calls_read_the_same(salt_file: Path) -> None:
    first = read_salt()
    assert read_salt() == first
    assert len(first) == 64
    assert stat.S_IMODE(salt_file.stat().st_mode) == 0o600


def test_without_the_variable_it_is_in_the_users_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SALT_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    assert salt_path() == tmp_path / "own" / "fieldguide" / "salt"


def _read(barrier: object, queue: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]  # a multiprocessing barrier has no public type
    queue.put(read_salt())  # type: ignore[attr-defined]  # nor has a queue


def test_first_calls_of_several_processes_agree() -> None:
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_read, args=(barrier, queue)) for _ in range(4)]
    for process in processes:
        process.start()
    found = {queue.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert len(found) == 1


def test_a_salt_that_others_may_read_is_refused_with_the_line_that_mends_it(
    salt_file: Path,
) -> None:
    read_salt()
    salt_file.chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        read_salt()


def test_a_salt_that_could_be_guessed_is_refused(salt_file: Path) -> None:
    salt_file.parent.mkdir()
    salt_file.write_text("abc\n")
    salt_file.chmod(0o600)
    with pytest.raises(StoreError, match="3 bytes"):
        read_salt()
