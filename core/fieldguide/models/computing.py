"""The image side of a model for one job: backend, precision, step size, and the record of them."""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, cast

import torch

from fieldguide.data.cache import cache_subfolder
from fieldguide.errors import BackendError, FieldguideError, UsageError
from fieldguide.machine import processor_name
from fieldguide.models.batching import (
    MOST_ON_CPU,
    SplittingTower,
    choose_batch_size,
    step_bytes,
)
from fieldguide.models.precision import (
    BF16,
    DTYPES,
    FP32,
    Choice,
    judge,
    why_impossible,
    why_pointless,
)
from fieldguide.models.probe_store import facts_digest, measured_once
from fieldguide.models.probing import Comparison, compare, probe_images
from fieldguide.models.towers import EagerTower, TowerEncoder
from fieldguide.runtime import AUTO, PRECISIONS, TORCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from fieldguide.models.embeddings import Encoder
    from fieldguide.models.towers import HasImageTower, ImageTower
    from fieldguide.specs import BackendSpec

logger = logging.getLogger(__name__)

STEP, STEP_ON_CUDA = 8, 64
"""Images a step of a probe: enough to be as fast as in larger steps, or nearly."""

MAX_REASON = 400  # characters; converters write pages

_CAPS = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
"""Variables that keep a processor's instructions from being used."""


@dataclass(frozen=True)
class Computation:
    """How the images of one job are encoded.

    Attributes:
        encoder: with the image tower of this job.
        batch_size: images a step.
        facts: backend, precision and why, agreement: for the record of the result.
    """

    encoder: Encoder
    batch_size: int
    facts: Mapping[str, Any]


def image_side(encoder: Encoder, backend: BackendSpec, precision: str) -> OwnSide | ImageSide:
    """Return what runs the images of an encoder.

    Args:
        encoder: the model.
        backend: what runs its image side.
        precision: "auto", "fp32" or "bf16".

    Raises:
        UsageError: the encoder or its device does not go with the backend or precision.
    """
    if precision not in PRECISIONS:
        raise UsageError(
            f"No precision is named {precision!r}. There are: {', '.join(PRECISIONS)}."
        )
    module: nn.Module | None = getattr(encoder, "image_module", None)
    if _takes_volumes(encoder) and backend.name != TORCH:
        raise UsageError(
            f"The backend {backend.name!r} is of images, and {encoder.space.model} takes volumes. "
            "Leave --backend out."
        )
    if module is not None:
        return ImageSide(cast("HasImageTower", encoder), backend, precision)
    if backend.name != TORCH or precision == BF16:
        raise UsageError(
            f"The model {encoder.space.model} offers no image side that another backend or "
            "precision could run. Leave --backend and --precision out."
        )
    return OwnSide(encoder)


class OwnSide:
    """Runs the images of an encoder that has its own way to do so."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def for_job(self, count: int, batch_size: int | None) -> Computation:
        """Return the encoder as it is."""
        step = batch_size or (1 if _takes_volumes(self.encoder) else MOST_ON_CPU)
        return Computation(self.encoder, step, {"backend": "the model's own", "batch_size": step})


class ImageSide:
    """Runs the image module of an encoder by a backend; what was built is kept."""

    def __init__(self, encoder: HasImageTower, backend: BackendSpec, precision: str) -> None:
        self.encoder = encoder
        self.backend = backend
        self.precision = precision
        self.module = encoder.image_module
        self.device = encoder.device
        self._towers: dict[str, ImageTower] = {}
        self._splitting: dict[str, SplittingTower] = {}
        self._check()

    def for_job(self, count: int, batch_size: int | None) -> Computation:
        """Return how to encode a job.

        Args:
            count: how many images it has.
            batch_size: images a step, or None for what memory holds.

        Raises:
            BackendError: the backend cannot run the model, or disagrees with torch.
            MissingExtraError: the backend is not installed.
        """
        choice = self._choose(count)
        agreement = self._agreement(choice)
        if choice.precision not in self._splitting:
            self._splitting[choice.precision] = SplittingTower(self.tower(choice.precision))
        step = batch_size or self._step(count)
        facts = {
            "backend": self.backend.name,
            "backend_versions": _versions(self.backend.packages),
            "precision": choice.precision,
            "precision_reason": choice.reason,
            "agreement_with_torch_fp32": None if agreement is None else str(agreement),
            "batch_size": step,
        }
        encoder = TowerEncoder(self.encoder, self._splitting[choice.precision])
        return Computation(encoder, step, facts)

    def _step(self, count: int) -> int:
        """Return how many inputs a step takes: of volumes, each a batch of slices, one."""
        if _takes_volumes(self.encoder):
            return 1
        return choose_batch_size(self.device, count, lambda: self._needed_bytes)

    def tower(self, precision: str) -> ImageTower:
        """Return the tower in a precision, built at the first call.

        Raises:
            BackendError: the backend cannot run the model.
            MissingExtraError: the backend is not installed.
        """
        if precision not in self._towers:
            build = self.backend.load()
            try:
                self._towers[precision] = build(
                    self.module, self._example, dtype=DTYPES[precision], device=self.device,
                    folder=self._folder(),
                )  # fmt: skip
            except FieldguideError:
                raise
            except Exception as error:
                # a converter can fail in as many ways as there are networks
                raise self._cannot_run(error) from error
        return self._towers[precision]

    def _cannot_run(self, error: Exception) -> BackendError:
        return BackendError(
            f"The backend {self.backend.name!r} cannot run {self.encoder.space.model}: "
            f"{type(error).__name__}: {_short(error)} Leave --backend and --precision out."
        )

    def _check(self) -> None:
        if self.device.type not in self.backend.devices:
            raise UsageError(
                f"The backend {self.backend.name!r} does not compute on {self.device.type}. Add "
                f"--device {self.backend.devices[0]}"
            )
        if self.precision == BF16:
            hindrance = why_impossible(self.module, self.backend)
            if hindrance is not None:
                raise UsageError(f"--precision bf16: {hindrance}. Name --precision fp32")

    def _choose(self, count: int) -> Choice:
        """Return the precision of a job, by a probe where one is worth its time."""
        if self.precision != AUTO:
            return Choice(self.precision, "asked for")
        hindrance = why_impossible(self.module, self.backend) or why_pointless(self.device, count)
        if hindrance is not None:
            return Choice(FP32, hindrance)
        try:
            choice = judge(self._compare(BF16, self.backend.name, lambda: self.tower(FP32)))
            if choice.precision == BF16 and self.backend.name != TORCH:
                with_torch = self._compare(BF16, TORCH, self._torch)
                return choice if with_torch.agrees else judge(with_torch)
        except BackendError as error:  # some layers exist in float32 only
            return Choice(FP32, f"bfloat16 cannot be run: {error}")
        return choice

    def _agreement(self, choice: Choice) -> Comparison | None:
        """Return the comparison with torch in float32; None for torch in float32 itself.

        Raises:
            BackendError: the vectors differ too much, and the user did not ask for bfloat16.
        """
        if self.backend.name == TORCH and choice.precision == FP32:
            return None
        if self.backend.name == TORCH and choice.measured is not None:
            return choice.measured
        found = self._compare(choice.precision, TORCH, self._torch)
        if found.agrees:
            return found
        if choice.precision == BF16 and self.precision == BF16:
            logger.warning("--precision bf16 as asked for, though: %s", found)
            return found
        raise BackendError(
            f"The backend {self.backend.name!r} in {choice.precision} does not agree with torch on "
            f"{self.encoder.space.model}: {found}. Leave --backend out."
        )

    def _compare(self, precision: str, against: str, exact: Callable[[], ImageTower]) -> Comparison:
        """Compare a tower with another one in float32, or recall what that gave before.

        Raises:
            BackendError: it cannot be run.
        """
        step = STEP_ON_CUDA if self.device.type == "cuda" else STEP
        facts = {
            "space": self.encoder.space.digest, "backend": self.backend.name,
            "versions": _versions((*self.backend.packages, "torch")), "precision": precision,
            "against": against, "device": _device_name(self.device), "step": step,
            "threads": torch.get_num_threads(), "caps": [os.environ.get(name) for name in _CAPS],
        }  # fmt: skip

        def measure() -> Comparison:
            reference, candidate = exact(), self.tower(precision)
            try:
                return compare(reference, candidate, self._images, step)
            except Exception as error:
                raise self._cannot_run(error) from error

        return measured_once(facts, measure, cache_subfolder("probes"))

    def _torch(self) -> ImageTower:
        return EagerTower(self.module, self.device)

    @functools.cached_property
    def _images(self) -> Tensor:
        return probe_images(*self._example.shape[1:])

    @functools.cached_property
    def _example(self) -> Tensor:
        contract = self.encoder.contract
        return torch.zeros((2, len(contract.bands), *contract.size_px), dtype=torch.uint8)

    @functools.cached_property
    def _needed_bytes(self) -> int:
        return step_bytes(self.module, self._example[:1], self.device)

    def _folder(self) -> Path | None:
        """Return where converted files of this model and these versions are kept."""
        kept = cache_subfolder("backends")
        packages = (*self.backend.packages, "torch", "fieldguide")
        facts = {"space": self.encoder.space.digest, "versions": _versions(packages)}
        return None if kept is None else kept / f"{self.backend.name}-{facts_digest(facts)[:32]}"


@functools.cache  # it parses a file a package: 0.4 ms each
def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in sorted(set(packages)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # its import will say so
            found[name] = "none"
    return found


def _takes_volumes(encoder: Encoder) -> bool:
    return encoder.contract.spatial_dims == 3


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:MAX_REASON]
