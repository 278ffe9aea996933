"""What goes from one stage of a tower to the next, for N inputs: a tuple of tensors, (N, ...) each.

A stage may take and return one tensor alone; here it is a tuple of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

State = tuple[Tensor, ...]


def as_state(value: Any) -> State:
    """Return what a stage gave as a tuple."""
    return value if isinstance(value, tuple) else (value,)


def run(part: nn.Module, state: State) -> State:
    """Run some stages."""
    return as_state(part(state[0] if len(state) == 1 else state))


def rows_of(state: State, rows: slice | Tensor) -> State:
    """Return the state of some of the inputs."""
    return tuple(tensor[rows] for tensor in state)


def joined(states: Sequence[State]) -> State:
    """Return the states of several groups of inputs as one."""
    return tuple(torch.cat(column) for column in zip(*states, strict=True))


def to_device(state: State, device: torch.device) -> State:
    """Return the state on a device."""
    return tuple(tensor.to(device, non_blocking=True) for tensor in state)
