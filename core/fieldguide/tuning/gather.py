"""All rows of a batch that is spread over processes, as one batch that can be differentiated.

Every process computes the *whole* loss on the gathered rows, so any loss, and any number of rows a
process, gives what one process with the whole batch gives. The loss is then the same number
everywhere, and so is its gradient by every gathered row: a process keeps the gradient of its own
rows and needs no second exchange. The processes' gradients of the weights *add up* to that of the
whole batch, whereas DistributedDataParallel takes their mean; so the own rows' gradient is
multiplied by the number of processes. Parameters that are used after the gathering, such as the
scale, have the whole gradient in every process, and their mean is right as it is.

The other ways of gathering are wrong or out of use: ``torch.distributed.all_gather`` cuts the
graph (gradients of the own rows only, half as large with two processes), a loss of the own rows
against gathered columns without their gradient points elsewhere, and
``torch.distributed.nn.functional`` is deprecated. Their *loss* is right in all cases: only
gradients show the fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable

from fieldguide.errors import TuningError
from fieldguide.losses.sides import Side

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_ATTRIBUTES = -1


def gather(side: Side) -> Side:
    """Return the rows of all processes, in the order of the processes; differentiable.

    Every process must call it, and for its sides in the same order. Rows that are the same in all
    processes, such as the prompts of all classes drawn with one seed, must *not* be gathered: they
    would stand there several times; used as they are, their gradient is right.

    Args:
        side: n rows of this process, which may be none. Keys must mean the same in all processes
            (row numbers of the data set, not of the batch), or strangers become positives.

    Returns:
        N rows, N being the sum of all n; K is the largest of all processes. With one process, the
        side itself.

    Raises:
        TuningError: the processes' vectors or attributes differ in width or type.
    """
    if process_count() == 1:
        return side
    rows, widest = _agreed(side)
    vectors = _GatherRows.apply(side.vectors, rows)
    keys = side.keys.new_full((len(side.keys), widest), -1)
    keys[:, : side.keys.shape[1]] = side.keys
    attributes = None if side.attributes is None else _gathered(side.attributes, rows)
    return Side(vectors, _gathered(keys, rows), attributes)


def process_count() -> int:
    """Return how many processes train together; 1 where none were started by torchrun."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _agreed(side: Side) -> tuple[list[int], int]:
    """Return the rows of each process and the largest number of keys; refuse what cannot fit."""
    attributes = NO_ATTRIBUTES if side.attributes is None else side.attributes.shape[1]
    width, kind = side.vectors.shape[1], side.vectors.dtype.itemsize
    kind += 100 * side.vectors.dtype.is_floating_point
    own = torch.tensor(
        [len(side.vectors), side.keys.shape[1], width, attributes, kind],
        device=side.vectors.device,
    )
    every = own.new_empty(process_count() * len(own))
    dist.all_gather_into_tensor(every, own)
    rows, key_counts, *others = every.view(-1, len(own)).cpu().T.tolist()
    names = ("columns of vectors", "columns of attributes (-1: none)", "bytes of a number")
    for name, found in zip(names, others, strict=True):
        if len(set(found)) > 1:
            raise TuningError(
                f"The processes of this training do not fit together: {name} are {found}, process "
                "by process. Start all of them with one torchrun command, on the same files and "
                "the same versions."
            )
    return rows, max(key_counts)


def _gathered(own: Tensor, rows: Sequence[int]) -> Tensor:
    """Return the (N, ...) rows of all processes, each padded to the longest on the way."""
    padded = own.new_zeros((max(rows), *own.shape[1:]))
    padded[: len(own)] = own
    every = own.new_empty((len(rows) * len(padded), *own.shape[1:]))
    dist.all_gather_into_tensor(every, padded)
    parts = torch.split(every, len(padded)) if len(padded) else (every,) * len(rows)
    return torch.cat([part[:count] for part, count in zip(parts, rows, strict=True)])


class _GatherRows(torch.autograd.Function):
    """Gather rows; the gradient of the own ones is taken times the number of processes."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, rows: list[int]) -> Tensor:
        ctx.start, ctx.rows = sum(rows[: dist.get_rank()]), rows
        return _gathered(own, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        own = gradient[ctx.start : ctx.start + ctx.rows[dist.get_rank()]]
        return own * len(ctx.rows), None
