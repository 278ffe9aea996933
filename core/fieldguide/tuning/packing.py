"""Nested Python values as named tensors and JSON, and back: what a checkpoint holds, unpickled.

Optimiser states have numbers as keys and tuples as values, and equal bits after a resume need equal
strides too (a kernel may round differently along another layout). So both are kept: nothing that
goes in comes out as something else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

PLAIN = (bool, int, str, type(None))


def pack(value: object) -> tuple[Any, dict[str, Tensor]]:
    """Return a value as JSON and the tensors it holds.

    Args:
        value: mappings with keys of str or int, lists, tuples, tensors, numbers, str, bool, None.

    Returns:
        What ``json`` can write, and contiguous tensors on the CPU, by names that tell the place.

    Raises:
        TypeError: something else is in it; the message has its place.
    """
    tensors: dict[str, Tensor] = {}
    return _packed(value, (), tensors), tensors


def unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return what :func:`pack` was given.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: this is not what ``pack`` returned.
    """
    if isinstance(packed, list):
        return [unpack(each, tensors) for each in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    return _UNPACK[kind](content, tensors)


def _packed(value: object, place: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return {"tensor": _add(value, place, tensors)}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping):
        return {"items": [[_key(key, place), _packed(each, (*place, str(key)), tensors)]
                          for key, each in value.items()]}  # fmt: skip
    if isinstance(value, list | tuple):
        content = [_packed(each, (*place, str(n)), tensors) for n, each in enumerate(value)]
        return content if isinstance(value, list) else {"tuple": content}
    raise TypeError(f"{'.'.join(place)} is a {type(value).__name__}, which no checkpoint can hold")


def _key(key: object, place: tuple[str, ...]) -> str | int:
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise TypeError(f"{'.'.join(place)} has the key {key!r}, which is neither str nor int")
    return key


def _add(tensor: Tensor, place: tuple[str, ...], tensors: dict[str, Tensor]) -> list[Any]:
    """Keep a tensor with its dimensions in the order of memory; return its name and that order."""
    name = ".".join(place)
    while name in tensors:  # {"a.b": ..., "a": {"b": ...}}
        name += "+"
    order = sorted(range(tensor.ndim), key=lambda axis: -tensor.stride()[axis])
    if not tensor.permute(order).is_contiguous():
        order = list(range(tensor.ndim))
    # a copy: several names may share memory, which safetensors refuses
    tensors[name] = tensor.detach().permute(order).to("cpu", copy=True).contiguous()
    return [name, order]


def _tensor(content: list[Any], tensors: Mapping[str, Tensor]) -> Tensor:
    name, order = content
    back = [order.index(axis) for axis in range(len(order))]
    return tensors[name].permute(back)


_UNPACK: Mapping[str, Any] = {
    "tensor": _tensor,
    "float": lambda content, _: float(content),
    "tuple": lambda content, tensors: tuple(unpack(each, tensors) for each in content),
    "items": lambda content, tensors: {key: unpack(each, tensors) for key, each in content},
}
