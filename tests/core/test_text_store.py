"""The file of text vectors under several processes, kills and its size bound."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fieldguide.models.text_store import FILE_NAME, TextStore

if TYPE_CHECKING:
    from pathlib import Path

# vector of a key: the key repeated, so that any process can tell whether what it got is right
WRITER = """
import hashlib, sys
from pathlib import Path
from fieldguide.models.text_store import TextStore
store = TextStore(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    key = hashlib.sha256(str(number).encode()).digest()
    store.put({key: key * 64})
"""


def key_of(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def start_writer(path: Path, first: int, end: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WRITER, str(path), str(first), str(end)]
    writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def all_right(found: dict[bytes, bytes]) -> bool:
    return all(vector == key * 64 for key, vector in found.items())


@pytest.mark.slow
def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    writers = [start_writer(path, start, start + 150) for start in (0, 100, 200)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = TextStore(path).get([key_of(number) for number in range(400)])
    assert len(found) == 350
    assert all_right(found)


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_file_that_is_right_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    draw = random.Random(0)
    keys = [key_of(number) for number in range(100_000)]
    for _ in range(6):
        writer = start_writer(path, 0, 100_000)
        time.sleep(draw.uniform(0.02, 0.3))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        found = TextStore(path).get(keys[:2000])
        assert all_right(found)
        TextStore(path).put({key_of(-1): key_of(-1) * 64})
        assert TextStore(path).get([key_of(-1)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_uses_a_connection_of_its_own(tmp_path: Path) -> None:
    store = TextStore(tmp_path / FILE_NAME)
    store.put({key_of(0): key_of(0) * 64})
    inherited = store._connection
    child = os.fork()
    if child == 0:
        store.put({key_of(1): key_of(1) * 64})
        found = store.get([key_of(0), key_of(1)])
        os._exit(0 if len(found) == 2 and store._connection is not inherited else 1)
    assert os.waitpid(child, 0)[1] == 0
    store.put({key_of(2): key_of(2) * 64})
    assert len(store.get([key_of(number) for number in range(3)])) == 3


def test_the_file_stays_below_its_bound_and_drops_the_oldest(tmp_path: Path) -> None:
    bound = 1_000_000
    store = TextStore(tmp_path / FILE_NAME, max_bytes=bound)
    for start in range(0, 3000, 50):  # 2 kB each: six times the bound
        store.put({key_of(n): key_of(n) * 64 for n in range(start, start + 50)})
    found = store.get([key_of(number) for number in range(3000)])
    assert store.path.stat().st_size < 1.3 * bound
    assert len(found) > 200
    assert all_right(found)
    assert min(number for number in range(3000) if key_of(number) in found) == 3000 - len(found)


def test_the_vector_that_came_first_stays(tmp_path: Path) -> None:
    store = TextStore(tmp_path / FILE_NAME)
    store.put({key_of(0): b"first"})
    store.put({key_of(0): b"later"})
    assert store.get([key_of(0)]) == {key_of(0): b"first"}


def test_threads_share_a_store(tmp_path: Path) -> None:
    store = TextStore(tmp_path / FILE_NAME)

    def work(first: int) -> None:
        for number in range(first, first + 40):
            store.put({key_of(number): key_of(number) * 64})
            assert store.get([key_of(number)])

    threads = [threading.Thread(target=work, args=(40 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.get([key_of(number) for number in range(320)])
    assert len(found) == 320
    assert all_right(found)


def test_a_file_that_stays_locked_is_left_alone_after_a_while(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    TextStore(path).put({key_of(0): b"x"})
    other = TextStore(path)
    other.get([])  # opens it
    assert other._connection is not None
    other._connection.execute("BEGIN EXCLUSIVE")
    store = TextStore(path)
    started = time.monotonic()
    for _ in range(20):
        assert store.get([key_of(0)]) == {}
        store.put({key_of(1): b"y"})
    assert time.monotonic() - started < 10


def test_an_interrupt_in_the_middle_does_not_leave_the_file_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TextStore(tmp_path / FILE_NAME)

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "_drop_oldest", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.put({key_of(0): key_of(0) * 64})
    TextStore(store.path).put({key_of(1): key_of(1) * 64})
    assert set(store.get([key_of(0), key_of(1)])) == {key_of(1)}
