"""How a job runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("auto", "fp32", "bf16")
AUTO: Precision = "auto"
TORCH = "torch"


@dataclass(frozen=True)
class Runtime:
    """How a job runs.

    What is computed stays the same up to rounding: within 1e-5 by batch size and workers, within
    the bounds of ``models.probing`` by backend and precision. ``precision="fp32"`` on the backend
    "torch" computes the same at every size of job, whatever a machine's processor could do faster.

    Attributes:
        device: "cpu", "cuda:0" ..., or None for the best there is.
        batch_size: images a step of the model; None lets memory decide.
        workers: threads that load and prepare.
        progress: whether a progress bar is shown.
        precision: of the image side: "fp32", "bf16", or "auto" for bf16 where the job is long
            enough and a short probe shows that it is faster and agrees.
        backend: what runs the image side; see ``fieldguide plugins``.
    """

    device: str | None = None
    batch_size: int | None = None
    workers: int = min(16, os.cpu_count() or 1)
    progress: bool = False
    precision: Precision = AUTO
    backend: str = TORCH
