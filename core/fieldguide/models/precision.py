"""In which type the image side computes: float32, or bfloat16 where it pays and agrees.

bfloat16 has the range of float32 and 8 bits of precision (Kalamkar et al. 2019, "A Study of
BFLOAT16 for Deep Learning Training", arXiv:1905.12322). A processor without instructions for it
is up to ten times slower in it, so it is never chosen without a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fieldguide.machine import cpu_flags
from fieldguide.models.towers import AllowsBfloat16

if TYPE_CHECKING:
    from torch import nn

    from fieldguide.models.probing import Comparison
    from fieldguide.specs import BackendSpec

FP32, BF16 = "fp32", "bf16"
DTYPES = {FP32: torch.float32, BF16: torch.bfloat16}

MIN_SPEEDUP = 1.3
MIN_IMAGES = 256
"""A probe takes as long as some 90 images in float32. A smaller job stays in float32 on every
machine, so that its result does not depend on the processor."""

CPU_INSTRUCTIONS = frozenset({"amx_bf16", "avx512_bf16"})


@dataclass(frozen=True)
class Choice:
    """A type to compute in.

    Attributes:
        precision: "fp32" or "bf16".
        reason: why, in a few words.
        measured: the comparison that decided, or None.
    """

    precision: str
    reason: str
    measured: Comparison | None = None


def why_impossible(module: nn.Module, backend: BackendSpec) -> str | None:
    """Return why a module cannot be run in bfloat16 by a backend; None when it can."""
    if not isinstance(module, AllowsBfloat16):
        return "the image side of this model offers no bfloat16"
    if BF16 not in backend.precisions:
        return f"the backend {backend.name!r} computes in float32 only"
    return None


def why_pointless(device: torch.device, count: int) -> str | None:
    """Return why a probe of bfloat16 would be a waste; None when it may pay.

    Args:
        device: where the model computes.
        count: how many images the job has.
    """
    if count < MIN_IMAGES:
        return f"jobs of fewer than {MIN_IMAGES} images stay in float32"
    if device.type == "cuda":
        return None if torch.cuda.is_bf16_supported() else "this GPU has no bfloat16"
    if device.type != "cpu" or not CPU_INSTRUCTIONS & cpu_flags():
        return f"no bfloat16 instructions known on this {device.type}"
    return None


def judge(measured: Comparison) -> Choice:
    """Return bfloat16 when it was faster by enough and agreed, else float32."""
    if measured.speedup < MIN_SPEEDUP:
        return Choice(FP32, f"bfloat16 does not pay here: {measured}", measured)
    if not measured.agrees:
        return Choice(FP32, f"bfloat16 differs too much: {measured}", measured)
    return Choice(BF16, f"a probe showed that it pays: {measured}", measured)
