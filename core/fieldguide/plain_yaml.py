"""Reads YAML that a stranger may have written: bounded, and with one kind of error."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 32 * 2**20
MAX_VALUES = 2_000_000
"""With every alias written out. A few lines of aliases of aliases stand for billions."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster
_BROKEN = (ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError)
"""What PyYAML lets through from values such as ``2024-99-99`` or ``!!bool x``."""


def load_yaml(path: Path) -> Any:
    """Return the content of a file; no tag makes anything but plain values.

    Raises:
        OSError: it cannot be read.
        yaml.YAMLError: it is not UTF-8, not YAML, too large, or grows without bound.
    """
    if path.exists() and not path.is_file():  # a pipe or a device may have no end
        raise OSError(errno.EINVAL, "not a file", str(path))
    with path.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise yaml.YAMLError(f"it is larger than {MAX_BYTES // 2**20} MiB")
    try:
        return _parse(content.decode("utf-8-sig"))
    except _BROKEN as error:
        raise yaml.YAMLError(f"{type(error).__name__}: {error}") from error


def _parse(text: str) -> Any:
    loader = _LOADER(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MAX_VALUES:
            raise yaml.YAMLError(f"it holds more than {MAX_VALUES} values, aliases written out")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: Any, known: dict[int, int | None]) -> int:
    """Return how many values a node stands for; each node is counted once."""
    found = known.get(id(node), 0)
    if found is None:
        raise yaml.YAMLError("a value contains itself")
    if found:
        return found
    known[id(node)] = None  # under way
    children: list[Any] = node.value if isinstance(node, yaml.CollectionNode) else []
    if isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
    total = 1 + sum(_size(child, known) for child in children)
    known[id(node)] = total
    return total
