"""The image tower in OpenVINO, on the CPU.

OpenVINO would choose bfloat16 by itself where the processor has it; here it is told the type.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

# `import openvino` tells Google Analytics that it was imported, unless this package is missing.
# Importing anything of fieldguide reaches for no network, so for this process it is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: not importable

import openvino  # noqa: E402 - after the line above

from fieldguide.models.backends.converted import converted, exported  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

MODEL = "model.xml"
_TYPES = {torch.float32: "f32", torch.bfloat16: "bf16"}


def build_openvino(
    module: nn.Module,
    example: Tensor,
    *,
    dtype: torch.dtype,
    device: torch.device,
    folder: Path | None,
) -> OpenVinoTower:
    """Convert the module, or read what was converted before, and compile it."""

    def convert(new: Path) -> None:
        model = openvino.convert_model(exported(module, example))
        openvino.save_model(model, new / MODEL, compress_to_fp16=False)

    with converted(folder, convert) as place:
        compiled = openvino.Core().compile_model(
            place / MODEL,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _TYPES[dtype],
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "PERFORMANCE_HINT": "LATENCY",  # all threads on one batch
            },
        )
    return OpenVinoTower(compiled)


class OpenVinoTower:
    """A compiled model; may be called from several threads."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return (N, D) float32 features of (N, C, H, W) uint8 pixels."""
        request = self._compiled.create_infer_request()  # one request serves one thread
        result = request.infer([np.ascontiguousarray(pixels.numpy())])
        return torch.from_numpy(np.array(result[0], dtype=np.float32))
