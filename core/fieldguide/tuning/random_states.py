"""The state of every source of random numbers, as tensors that a checkpoint can hold."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON, NUMPY, TORCH, CUDA = "python", "numpy", "torch", "cuda"


def random_states(generators: Mapping[str, torch.Generator]) -> dict[str, Tensor]:
    """Return the states of Python, NumPy, torch, the current GPU and of own generators.

    Args:
        generators: of the sampler and others that a training keeps for itself, by name.

    Returns:
        uint8 tensors by name; the own ones as "own.<name>".
    """
    states = {PYTHON: _as_bytes(random.getstate()), NUMPY: _as_bytes(_numpy_state())}
    states |= torch_state()
    return states | {f"own.{name}": each.get_state() for name, each in generators.items()}


def use_random_states(
    states: Mapping[str, Tensor], generators: Mapping[str, torch.Generator]
) -> None:
    """Put every source back to where it was.

    Args:
        states: of :func:`random_states`.
        generators: the same names as then.

    Raises:
        KeyError: a generator has no state.
    """
    version, inner, gauss = _from_bytes(states[PYTHON])
    random.setstate((version, tuple(inner), gauss))
    kind, keys, *rest = _from_bytes(states[NUMPY])
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    use_torch_state(states)
    for name, each in generators.items():
        each.set_state(states[f"own.{name}"].contiguous())


def torch_state() -> dict[str, Tensor]:
    """Return the states of torch's default generators: of the CPU, and of the current GPU."""
    states = {TORCH: torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states[CUDA] = torch.cuda.get_rng_state()
    return states


def use_torch_state(states: Mapping[str, Tensor]) -> None:
    """Put torch's default generators back to where they were."""
    torch.set_rng_state(states[TORCH].cpu())
    if CUDA in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states[CUDA].cpu())


def _numpy_state() -> tuple[object, ...]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return (kind, [int(key) for key in keys], *rest)


def _as_bytes(state: object) -> Tensor:
    return torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)


def _from_bytes(state: Tensor) -> list[Any]:
    content: list[Any] = json.loads(bytes(state.tolist()))
    return content
