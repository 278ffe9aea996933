"""Checks of a network's structure, which refuse what a layout does not know."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from fieldguide.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Mapping

M = TypeVar("M", bound=nn.Module)

Kind = type[nn.Module] | str
"""A class, or its module and name, so that its package need not be imported."""

Kinds = Kind | tuple[Kind, ...]

ANY: Kind = "anything"
LINEAR = (nn.Linear, NonDynamicallyQuantizableLinear)


def kind_name(module: nn.Module) -> str:
    """Return the full name of a module's class."""
    kind = _kind(module)
    return f"{kind.__module__}.{kind.__qualname__}"


def _kind(module: nn.Module) -> type[nn.Module]:
    """Return a module's class; of one that was given depth, the class it had before."""
    kind: type[nn.Module] = getattr(type(module), "stands_for", type(module))
    return kind


def refuse(path: str, expected: str, found: str) -> AdapterError:
    """Return the error for a structure that is not the known one."""
    return AdapterError(
        f"{path or 'The network'} cannot be adapted: {expected} was expected, and it is {found}. "
        "Nothing was changed. Train what needs no look inside (--method projector, or --method "
        "probe), or use a model whose towers are known; 'fieldguide models' lists some."
    )


def expect_kind(module: nn.Module | None, path: str, *kinds: Kind) -> None:
    """Check that a module is exactly of one of some classes, and computes as its class does.

    Raises:
        AdapterError: it is of another class, a subclass, or has a ``forward`` of its own.
    """
    expected = " or ".join(kind if isinstance(kind, str) else kind.__name__ for kind in kinds)
    if module is None:
        raise refuse(path, expected, "absent")
    if not any(kind == kind_name(module) or kind is _kind(module) for kind in kinds):
        raise refuse(path, expected, kind_name(module))
    if "forward" in vars(module):
        raise refuse(path, expected, "one whose forward was replaced")


def expect_children(
    module: nn.Module,
    path: str,
    children: Mapping[str, Kinds],
    optional: frozenset[str] = frozenset(),
) -> None:
    """Check that a module has exactly the named children.

    Args:
        module: whose children are checked.
        path: of the module in the network, for the message.
        children: class or classes of each; ``ANY`` where it does not matter.
        optional: further names that may be there or not.

    Raises:
        AdapterError: a child is missing, unknown, or of another class.
    """
    own = {name for name, child in module.named_children() if child is not None}
    if missing := set(children) - own:
        raise refuse(path, f"a part {min(missing)!r}", f"{kind_name(module)} without it")
    if unknown := own - set(children) - optional:
        known = ", ".join(sorted(children))
        raise refuse(path, f"no other part than {known}", f"one with {min(unknown)!r}")
    for name, kinds in children.items():
        if kinds != ANY:
            several = kinds if isinstance(kinds, tuple) else (kinds,)
            expect_kind(module.get_submodule(name), join(path, name), *several)


def expect_that(fact: bool, path: str, expected: str) -> None:
    """Check one more fact about a module.

    Raises:
        AdapterError: it does not hold.
    """
    if not fact:
        raise refuse(path, expected, "otherwise")


def join(path: str, name: str) -> str:
    """Return the path of a child."""
    return f"{path}.{name}" if path else name


def part(module: M, **kept: Any) -> M:
    """Return a shallow copy of a module with none of its parts but the given ones.

    The copy runs the code of the module's class; what is not given is None there. Tensors are
    shared, so that a stage can hold what it needs and nothing of the other stages.

    Args:
        module: stays as it is.
        **kept: modules, parameters and buffers by their names in ``module``.
    """
    shallow = copy.copy(module)
    state = vars(shallow)
    for kind in ("_modules", "_parameters", "_buffers"):
        names = state[kind]
        state[kind] = {name: kept.pop(name) if name in kept else None for name in names}
    if unknown := [name for name, value in kept.items() if value is not None]:
        raise refuse(kind_name(module), f"a part {unknown[0]!r}", "without it")
    return shallow


def own_parts(module: nn.Module, *names: str) -> dict[str, Any]:
    """Return those of some parts that a module has, by name, for :func:`part`."""
    registered = {*module._modules, *module._parameters, *module._buffers}
    return {name: getattr(module, name) for name in names if name in registered}
