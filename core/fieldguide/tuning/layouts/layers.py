"""The layers of an encoder that an adapter can change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.errors import AdapterError
from fieldguide.tuning.layouts.layout import ROLES, Layer, Tower
from fieldguide.tuning.layouts.towers import layout_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fieldguide.models.tunable import Tunable

__all__ = ["ROLES", "Layer", "find_layers", "layers_of", "select_layers"]

TOWERS: tuple[Tower, ...] = ("image", "text")


def find_layers(encoder: Tunable, towers: Sequence[Tower] = TOWERS) -> tuple[Layer, ...]:
    """Return every layer of some towers that an adapter can change, from the input on.

    The structure of every block is compared with the known one, so that no layer is offered whose
    module the network does not call: an adapter there would train and change nothing.

    Args:
        encoder: whose layers they are.
        towers: "image", "text" or both; the others are not looked at.

    Raises:
        AdapterError: a tower or a block is not known. Nothing is changed.
    """
    return tuple(layer for tower in towers for layer in layout_of(encoder, tower).layers())


def layers_of(encoder: Tunable, parameters: Collection[str]) -> tuple[Layer, ...]:
    """Return the layers of the towers that some parameters belong to.

    Raises:
        AdapterError: one of these towers is not known.
    """
    stages = {tower: layout_of(encoder, tower).stages() for tower in TOWERS}
    return find_layers(
        encoder,
        [t for t in TOWERS if any(stage.owns(name) for name in parameters for stage in stages[t])],
    )


def select_layers(
    layers: Sequence[Layer],
    *,
    towers: Collection[str] = ("image",),
    roles: Collection[str] | None = None,
    last_blocks: int | None = None,
) -> tuple[Layer, ...]:
    """Return the layers of some towers, roles and blocks.

    Args:
        layers: of :func:`find_layers`.
        towers: "image", "text" or both.
        roles: of ``ROLES``; None for all but "projection", which is small and trained as a whole.
        last_blocks: how many blocks from each tower's end; None for all.

    Raises:
        AdapterError: nothing is left; the message lists what there is.
    """
    wanted = set(ROLES) - {"projection"} if roles is None else set(roles)
    count = {
        tower: 1 + max(x.block for x in layers if x.tower == tower) for tower in towers_of(layers)
    }
    chosen = tuple(
        layer
        for layer in layers
        if layer.tower in towers
        and layer.role in wanted
        and (last_blocks is None or layer.block >= count[layer.tower] - last_blocks)
    )
    if not chosen:
        raise AdapterError(
            f"No layer is of tower {' or '.join(sorted(towers))}, role "
            f"{' or '.join(sorted(wanted))}, in the last {last_blocks or 'all'} blocks. This model "
            f"has: {_overview(layers, count)}."
        )
    return chosen


def towers_of(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return the towers that some layers belong to, in their order."""
    return tuple(dict.fromkeys(layer.tower for layer in layers))


def _overview(layers: Sequence[Layer], count: dict[str, int]) -> str:
    parts = []
    for tower, blocks in count.items():
        roles = dict.fromkeys(layer.role for layer in layers if layer.tower == tower)
        parts.append(f"{tower} with {blocks} blocks and the roles {', '.join(roles)}")
    return "; ".join(parts)
