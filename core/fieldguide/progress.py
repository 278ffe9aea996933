"""Progress bars: on a terminal alone, and only where they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


def progress_bar(
    total: int, unit: str, *, shown: bool, what: str | None = None, done: int = 0
) -> tqdm.tqdm[Any]:
    """Return a bar that its owner moves on; it leaves nothing on the screen.

    Args:
        total: how many units there are.
        unit: one of them, such as "image".
        shown: whether it is wanted.
        what: is being done, before the bar.
        done: how many units were done before.
    """
    return tqdm.tqdm(
        total=total, initial=done, desc=what, unit=unit, disable=_off(shown=shown), leave=False
    )


def watched(items: Iterable[T], unit: str, *, shown: bool) -> Iterator[T]:
    """Yield items beside a bar that moves on as they are taken; see :func:`progress_bar`."""
    yield from tqdm.tqdm(items, unit=unit, disable=_off(shown=shown), leave=False)


def _off(*, shown: bool) -> bool | None:
    return None if shown else True  # None: only on a terminal
