"""One process or many: the same command, on one machine or on several.

``torchrun`` starts the processes and tells each its number; accelerate picks the device and the way
to exchange (gloo on CPUs, NCCL on GPUs). Without torchrun there is one process and every call here
does nothing. ``accelerate launch --cpu --num_processes 2`` is not a way in: it started one process
when it was tried.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import Tensor, nn
from torch import distributed as dist

from fieldguide.errors import TuningError
from fieldguide.models.device import choose_device
from fieldguide.tuning.gather import process_count

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes that train together, seen from one of them.

    Attributes:
        accelerator: knows the device and the precision; wraps and unwraps what it prepares.
    """

    accelerator: Accelerator

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.accelerator.num_processes)

    @property
    def rank(self) -> int:
        """The number of this one, from 0."""
        return int(self.accelerator.process_index)

    @property
    def is_main(self) -> bool:
        """Whether this one writes files and shows progress."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """Where this one computes."""
        return torch.device(self.accelerator.device)

    def end(self) -> None:
        """Leave the others; nothing can be exchanged afterwards."""
        if self.count > 1:
            self.accelerator.end_training()

    def barrier(self) -> None:
        """Wait until all processes are here."""
        self.accelerator.wait_for_everyone()

    def share(self, row_count: int) -> slice:
        """Return which rows of a common batch are this process's; sizes differ by one at most.

        All processes draw the same batch with the same seed. The shares in the order of the
        processes are the batch in its order, so gathering gives what one process has.
        """
        return share_of(row_count, self.rank, self.count)

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over the processes in its backward pass.

        It must be called through its ``forward``, in every step, with every trained parameter
        taking part. Where that is not so, use :meth:`average_gradients` after the backward pass.
        """
        wrapped: nn.Module = self.accelerator.prepare(network)
        return wrapped

    def unsynchronised(self, network: nn.Module) -> AbstractContextManager[object]:
        """Return a context in which a wrapped network adds gradients without exchanging them."""
        if self.count == 1:
            return contextlib.nullcontext()
        context: AbstractContextManager[object] = self.accelerator.no_sync(network)
        return context

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their mean over the processes; none counts as zero.

        One exchange for each type of number, whatever the number of parameters.

        Args:
            parameters: the trained ones that no wrapped network owns, in the same order everywhere.
        """
        if self.count == 1:
            return
        by_type: dict[torch.dtype, list[nn.Parameter]] = {}
        for parameter in parameters:
            by_type.setdefault(parameter.dtype, []).append(parameter)
        for group in by_type.values():
            _average(group, self.count)

    def anywhere(self, flag: bool) -> bool:
        """Return whether the flag is set in any process: the same answer in all of them.

        What depends on a clock or a signal must be asked so before it decides which exchange comes
        next, or processes wait for different ones.
        """
        if self.count == 1:
            return flag
        found = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return bool(found)

    def same_everywhere(self, what: str, value: object) -> None:
        """Check that a value is the same in all processes.

        Raises:
            TuningError: it differs; raised in every process.
        """
        values = self.collect(value)
        if any(other != values[0] for other in values):
            raise TuningError(
                f"The processes of this training differ in {what}: {values}, process by process. "
                "Start all of them with one torchrun command, and let all machines see the same "
                "files, the folder of checkpoints included."
            )

    def collect(self, value: T) -> list[T]:
        """Return the value of every process, in their order, in all processes.

        Args:
            value: anything that torch's object collectives can send between own processes.
        """
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values


def share_of(row_count: int, rank: int, count: int) -> slice:
    """Return which rows of a batch belong to one of several processes.

    >>> [share_of(5, rank, 2) for rank in (0, 1)]
    [slice(0, 3, None), slice(3, 5, None)]
    """
    small, longer = divmod(row_count, count)
    start = rank * small + min(rank, longer)
    return slice(start, start + small + (rank < longer))


def start_processes(device: str | None = None, mixed_precision: str = "no") -> Processes:
    """Join the processes that torchrun started, or be the only one.

    Args:
        device: "cpu", "cuda", "cuda:1" ...; None takes the best there is. Of several processes on
            one machine each takes its own GPU.
        mixed_precision: "no", "bf16" or "fp16".

    Raises:
        UsageError: there is no such device.
        TuningError: torchrun started more processes than there are GPUs, or for a device on which
            processes cannot exchange anything.
    """
    chosen = choose_device(device)
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started > 1:
        _require_exchange(chosen)
    elif chosen.index is not None:
        torch.cuda.set_device(chosen)
    if process_count() == 1:  # another training in this Python process may have chosen otherwise
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
    # without cpu=True, accelerate lets every process train alone where there is no GPU
    accelerator = Accelerator(cpu=chosen.type == "cpu", mixed_precision=mixed_precision)
    return Processes(accelerator)


def _require_exchange(device: torch.device) -> None:
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device.type == "cuda" and here > torch.cuda.device_count():
        raise TuningError(
            f"torchrun started {here} processes on a machine with {torch.cuda.device_count()} "
            "GPUs. Set --nproc_per_node to the number of GPUs, or add --device cpu."
        )
    if device.type not in ("cpu", "cuda"):
        raise TuningError(
            f"Several processes cannot train together on {device.type!r}. Add --device cpu, or "
            "run the command without torchrun."
        )


def _average(parameters: list[nn.Parameter], count: int) -> None:
    gradients: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    together = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(together)
    together /= count
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, mean in zip(gradients, torch.split(together, sizes), strict=True):
        gradient.copy_(mean.view(gradient.shape))
