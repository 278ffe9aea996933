"""Graphics cards, and what keeps them from being used."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.doctor.checks import Check, size_text
from fieldguide.doctor.software import import_torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_NVIDIA = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libcuda.so.1")
_AMD = "/dev/kfd"


def graphics_checks() -> Iterator[Check]:
    """Yield each card that can be used, or why none is."""
    torch, _ = import_torch()
    if torch is not None:
        yield from gpu_checks(gpu_facts(torch))


@dataclass(frozen=True)
class GpuFacts:
    """What is known of the graphics cards.

    Attributes:
        devices: name, memory in bytes and whether this torch has code for it, of each.
        build: "CUDA 13.2" or "ROCm 6.4"; None when torch has code for no such card.
        driver: where a driver of NVIDIA's was seen, or None.
        amd: whether AMD's compute device was seen.
        visible: CUDA_VISIBLE_DEVICES, or None when it is not set.
        complaint: what torch said when it was asked for cards.
        mps: whether Apple's Metal can be used.
    """

    devices: tuple[tuple[str, int, bool], ...] = ()
    build: str | None = None
    driver: str | None = None
    amd: bool = False
    visible: str | None = None
    complaint: str = ""
    mps: bool = False


def gpu_facts(torch: Any) -> GpuFacts:
    """Ask torch and the system for graphics cards."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    places = [place for place in _NVIDIA if Path(place).exists()]
    places += [found for found in [shutil.which("nvidia-smi")] if found]
    version = torch.version
    build = f"CUDA {version.cuda}" if version.cuda else version.hip and f"ROCm {version.hip}"
    return GpuFacts(
        devices=tuple(_devices(torch)) if available else (),
        build=build or None,
        driver=places[0] if places else None,
        amd=Path(_AMD).exists(),
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
        complaint=" ".join(" ".join(str(each.message) for each in said).split())[:300],
        mps=bool(torch.backends.mps.is_available()),
    )


def gpu_checks(facts: GpuFacts) -> Iterator[Check]:
    """Yield each card that can be used, or why none is."""
    for place, (name, memory, has_code) in enumerate(facts.devices):
        found = f"{name}, {size_text(memory)}"
        if has_code:
            yield Check(f"cuda:{place}", "ok", found)
        else:
            yield Check(f"cuda:{place}", "warn",
                        f"{found}: this torch has no code for it ({facts.build})",
                        f"{_reinstall()}; until then --device cpu")  # fmt: skip
    if facts.mps:
        yield Check("mps", "ok", "Apple GPU, with the memory of the machine")
    if not facts.devices and not facts.mps:
        yield _why_no_gpu(facts)


def _why_no_gpu(facts: GpuFacts) -> Check:
    if facts.driver is None and not facts.amd:
        return Check("GPU", "ok", "none; the processor computes")
    seen = f"a driver is there ({facts.driver})" if facts.driver else "an AMD card is there"
    if facts.visible is not None and facts.visible.strip() in ("", "-1"):
        return Check("GPU", "warn", f"hidden by CUDA_VISIBLE_DEVICES={facts.visible!r}",
                     "unset CUDA_VISIBLE_DEVICES")  # fmt: skip
    if facts.build is None or (facts.driver is None and "ROCm" not in facts.build):
        return Check("GPU", "warn", f"{seen}, but this torch was built without it", _reinstall())
    reason = facts.complaint or "torch finds no card it can use"
    return Check("GPU", "warn", f"{seen}, but: {reason}",
                 f"nvidia-smi, to see whether driver and card answer; a driver older than "
                 f"{facts.build} needs an update, or an older torch: "
                 "https://pytorch.org/get-started/previous-versions")  # fmt: skip


def _reinstall() -> str:
    if sys.platform == "linux" and not Path(_AMD).exists():
        return "pip install --force-reinstall torch torchvision"  # the index's own build has CUDA
    return "the pip line of https://pytorch.org/get-started/locally for your card"


def _devices(torch: Any) -> Iterator[tuple[str, int, bool]]:
    codes = torch.cuda.get_arch_list()
    for place in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(place)
        yield card.name, card.total_memory, has_code_for((card.major, card.minor), codes)


def has_code_for(capability: tuple[int, int], codes: list[str]) -> bool:
    """Return whether one of torch's builds runs on a card of NVIDIA's.

    A binary (``sm_90``) runs on its own major version from its minor version on; intermediate code
    (``compute_90``) on every later card (CUDA C++ Programming Guide, "Application Compatibility").
    Letters behind the number (``sm_90a``) bind it to that one capability.

    >>> has_code_for((8, 6), ["sm_80", "sm_90"]), has_code_for((7, 0), ["sm_80", "compute_90"])
    (True, False)
    >>> has_code_for((12, 0), ["compute_90"])
    True
    """
    if not codes or any(code.startswith("gfx") for code in codes):  # AMD's names are not compared
        return True
    for code in codes:
        kind, _, digits = code.partition("_")
        if not digits.isdigit():
            if digits.rstrip("abcdefghijklmnopqrstuvwxyz") == f"{capability[0]}{capability[1]}":
                return True
            continue
        major, minor = int(digits[:-1]), int(digits[-1])
        same = kind == "sm" and capability[0] == major and capability[1] >= minor
        if same or (kind == "compute" and capability >= (major, minor)):
            return True
    return False
