"""Processor, memory and threads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.doctor.checks import Check, size_text
from fieldguide.doctor.software import import_torch
from fieldguide.machine import (
    cpu_flags,
    memory_limit_bytes,
    processor_name,
    read_text,
    usable_cores,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ISA_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "bf16")


def hardware_checks() -> Iterator[Check]:
    """Yield what there is to compute with."""
    cores = usable_cores()
    yield Check("processor", "ok", f"{processor_name()}; {cores} of {os.cpu_count()} cores usable")
    yield _memory()
    flags = sorted(cpu_flags() & set(ISA_FLAGS))
    has = f"the processor has {', '.join(flags) or 'no known extension'}"
    torch, _ = import_torch()
    if torch is None:
        yield Check("instructions", "ok", has)
        return
    uses = torch.backends.cpu.get_cpu_capability()
    yield Check("instructions", "ok", f"torch uses {uses}; {has}")
    yield thread_check(cores, torch.get_num_threads(), os.environ)


def thread_check(cores: int, torch_threads: int, environment: Mapping[str, str]) -> Check:
    """Return whether torch computes on as many threads as there are cores."""
    named = {name: environment[name] for name in THREAD_VARIABLES if environment.get(name)}
    cause = ", ".join(f"{name}={value}" for name, value in named.items())
    found = f"torch computes on {torch_threads} of {cores} cores" + (f" ({cause})" if cause else "")
    if torch_threads > cores:
        return Check("threads", "warn", f"{found}: they wait for each other",
                     f"export OMP_NUM_THREADS={cores}")  # fmt: skip
    if named and torch_threads < cores:
        return Check("threads", "warn", f"{found}: the others stay idle",
                     f"unset {' '.join(named)}")  # fmt: skip
    return Check("threads", "ok", found)


def _memory() -> Check:
    limit = memory_limit_bytes()
    parts = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        parts.append(f"{size_text(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE'))}")
    for line in read_text(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            parts.append(f"{size_text(int(line.split()[1]) * 1024)} free")
    if limit is not None:
        parts.append(f"this process may use {size_text(limit)} (cgroup)")
    return Check("memory", "ok", ", ".join(parts) or "not told by this system")
