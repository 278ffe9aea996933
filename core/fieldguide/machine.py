"""The processor, and what the system lets this process use of it and of memory.

Control groups of version 2 and 1 (Linux kernel, Documentation/admin-guide/cgroup-v2.rst and
cgroup-v1): a container or a batch system limits a group, and every group is also bound by those
around it.
"""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
NO_LIMIT = 1 << 60  # version 1 writes "no limit" as a very large number


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity and its share of time."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    share = share_of_cores()
    return cores if share is None else max(1, min(cores, round(share)))


def share_of_cores(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float | None:
    """Return how many cores' time this process gets, or None where nothing limits it."""
    shares: list[float] = []
    for folder in _folders(root, membership, "cpu"):
        most, _, period = read_text(folder / "cpu.max").partition(" ")
        if not most:
            most = read_text(folder / "cpu.cfs_quota_us")
            period = read_text(folder / "cpu.cfs_period_us")
        if most.isdigit() and period.isdigit() and int(period):
            shares.append(int(most) / int(period))
    return min(shares, default=None)


def memory_limit_bytes(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """Return how much memory this process may use, or None where nothing limits it."""
    limits: list[int] = []
    for folder in _folders(root, membership, "memory"):
        limit = read_text(folder / "memory.max") or read_text(folder / "memory.limit_in_bytes")
        if limit.isdigit() and int(limit) < NO_LIMIT:
            limits.append(int(limit))
    return min(limits, default=None)


def read_text(path: Path) -> str:
    """Return a small text file of the system; empty where it cannot be read."""
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def processor_name() -> str:
    """Return the processor's name as its maker writes it, where the system tells."""
    for line in read_text(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cpu_flags() -> set[str]:
    """Return the processor's extensions, by the names of Linux; empty on other systems."""
    for line in read_text(Path("/proc/cpuinfo")).splitlines():
        if line.startswith(("flags", "Features")):
            return set(line.partition(":")[2].split())
    return set()


def _folders(root: Path, membership: Path, controller: str) -> Iterator[Path]:
    """Yield the folder of this process's group and those of all groups around it."""
    for line in read_text(membership).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        base = root / controllers if controllers else root
        inner = base / group.lstrip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(base))


def keep_freed_memory() -> bool:
    """Let this process keep large blocks of memory that it frees, and use them again.

    glibc gives blocks above 32 MiB back to the system at once, so every layer of a network waits
    for fresh pages: 40 % of the time of a convolutional one on two cores. The process keeps what it
    needed at its peak. Does nothing where the C library has no ``mallopt`` (mallopt(3), glibc).

    Returns:
        Whether it was set.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc; Windows has no library of that name
        return False
    trim_threshold, mmap_threshold = -1, -3
    return bool(mallopt(mmap_threshold, 2**30) and mallopt(trim_threshold, 2**31 - 1))
