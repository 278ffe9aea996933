"""Runs a script in several processes by torchrun."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE_S = 300


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def run_torchrun(script: object, *arguments: object, processes: int = 2, machines: int = 1) -> None:
    """Run a script in so many processes on each machine; all machines are this one.

    Raises:
        AssertionError: a process failed; the message is what all of them printed.
    """
    fixed = ["--nnodes", machines, "--master_addr", "127.0.0.1", "--master_port", free_port(),
             "--nproc_per_node", processes]  # fmt: skip
    started = [_start([*fixed, "--node_rank", number, script, *arguments])
               for number in range(machines)]  # fmt: skip
    try:
        for process in started:
            output, _ = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, output
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started


def _start(arguments: Sequence[object]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="session")
def torchrun() -> Callable[..., None]:
    """Run a script by torchrun: ``torchrun(script, *arguments, processes=2, machines=1)``."""
    return run_torchrun
