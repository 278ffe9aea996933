"""The image tower as ONNX (Open Neural Network Exchange) in ONNX Runtime, on the CPU."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import onnxscript  # noqa: F401 - torch's exporter needs it: said now, not after the export
import torch

from fieldguide.data.quiet import quiet_library
from fieldguide.models.backends.converted import converted, exported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor, nn

MODEL = "model.onnx"
PIXELS, FEATURES = "pixels", "features"


def build_onnx(
    module: nn.Module,
    example: Tensor,
    *,
    dtype: torch.dtype,
    device: torch.device,
    folder: Path | None,
) -> OnnxTower:
    """Export the module, or read what was exported before, and start a session."""

    def convert(new: Path) -> None:
        # the exporter reports its progress, and what it left as it was, as warnings
        with contextlib.redirect_stdout(io.StringIO()), quiet_library(), _errors_only("onnxscript"):
            program = torch.onnx.export(
                exported(module, example),
                (example,),
                input_names=[PIXELS],
                output_names=[FEATURES],
                dynamo=True,
                verbose=False,
            )
        if program is None:
            raise RuntimeError("torch.onnx.export gave no program")
        program.save(new / MODEL)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    with converted(folder, convert) as place:
        session = onnxruntime.InferenceSession(
            place / MODEL, options, providers=["CPUExecutionProvider"]
        )
    return OnnxTower(session)


@contextlib.contextmanager
def _errors_only(library: str) -> Iterator[None]:
    log = logging.getLogger(library)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


class OnnxTower:
    """A session; may be called from several threads."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return (N, D) float32 features of (N, C, H, W) uint8 pixels."""
        (features,) = self._session.run([FEATURES], {PIXELS: np.ascontiguousarray(pixels.numpy())})
        return torch.from_numpy(np.asarray(features, dtype=np.float32))
