"""What each process of the tests of gathering does, and writes."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from fieldguide.errors import TuningError
from fieldguide.losses.sides import Side
from fieldguide.tuning.gather import gather
from fieldguide.tuning.processes import start_processes

ROWS = (2, 0, 3)
KEYS_A_ROW = (1, 2, 3)


def side_of(rank: int) -> Side:
    """Return the rows of one process: as many, with as many keys, as the constants say."""
    rows, width = ROWS[rank], KEYS_A_ROW[rank]
    vectors = torch.arange(rows * 2, dtype=torch.float64).view(rows, 2) + 100 * rank
    keys = torch.full((rows, width), rank, dtype=torch.int64)
    return Side(vectors.requires_grad_(), keys, vectors.detach() * 10)


def refusal(side: Side) -> torch.Tensor:
    """Return the message with which gathering refuses a side."""
    try:
        gather(side)
    except TuningError as error:
        return torch.tensor(list(str(error).encode()), dtype=torch.uint8)
    return torch.zeros(0, dtype=torch.uint8)


def main(results: Path) -> None:
    """Gather, differentiate, and ask for what must be refused."""
    processes = start_processes("cpu")
    rank = processes.rank
    own = side_of(rank)
    every = gather(own)
    weights = torch.arange(every.vectors.numel(), dtype=torch.float64).view_as(every.vectors)
    (weights * every.vectors).sum().backward()
    used, unused = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(1))
    used.grad = torch.full((2,), float(rank))
    if rank == 1:
        unused.grad = torch.full((1,), 3.0)
    processes.average_gradients([used, unused])
    wide = Side(torch.zeros(1, 2 + (rank == 1)), torch.zeros(1, 1, dtype=torch.int64))
    described = Side(torch.zeros(1, 2), torch.zeros(1, 1, dtype=torch.int64),
                     torch.zeros(1, 4) if rank == 0 else None)  # fmt: skip
    found = {
        "vectors": every.vectors.detach(),
        "keys": every.keys,
        "attributes": every.attributes,
        "gradient": own.vectors.grad,
        "used": used.grad,
        "unused": unused.grad,
        "width": refusal(wide),
        "description": refusal(described),
        "flags": torch.tensor([processes.anywhere(rank == 2), processes.anywhere(False)]),
        "collected": torch.tensor(processes.collect(rank)),
    }
    try:
        processes.same_everywhere("the step to go on from", rank // 2)
    except TuningError as error:
        found["step"] = torch.tensor(list(str(error).encode()), dtype=torch.uint8)
    save_file(found, results / f"{rank}.safetensors")
    processes.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
