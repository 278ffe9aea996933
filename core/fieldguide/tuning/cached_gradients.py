"""The gradient of a large batch in the memory of a small one, exactly.

A contrastive loss needs all vectors of a batch at once, but not all activations. Gao et al. 2021,
"Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup" (arXiv:2101.06983,
GradCache): compute the vectors part by part without a graph; the loss and its gradient by the
vectors; then each part once more with a graph, and send the stored gradient into it. The second
pass draws the same random numbers as the first (dropout), so the result is that of the whole batch
up to rounding. It costs one forward pass more.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from fieldguide.errors import TuningError
from fieldguide.tuning.random_states import torch_state, use_torch_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

B = TypeVar("B")


def cached_backward(
    encode: Callable[[B], Sequence[Tensor]],
    micro_batches: Sequence[B],
    loss_of: Callable[..., Tensor],
    *,
    backward: Callable[[Tensor], object] = Tensor.backward,
    unsynchronised: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
) -> float:
    """Add the gradient of a whole batch to the parameters; return the loss.

    Args:
        encode: from one part of the batch to its vectors, usually of the images and of the texts:
            each (n, D), n may be 0 and differ between them. Called twice for each part; it may draw
            random numbers from torch only. A network in it may be one of DistributedDataParallel.
        micro_batches: the parts, in the order of the batch.
        loss_of: from the vectors of all parts, one argument for each tensor that ``encode``
            returns, to a scalar. Gathers from other processes where there are some. Parameters used
            in it, such as the scale, get their gradient once; they must not be part of a
            DistributedDataParallel module.
        backward: from the loss; that of a gradient scaler or of accelerate where one is used.
        unsynchronised: makes the context that keeps DistributedDataParallel from exchanging
            gradients; entered for every part but the last.

    Raises:
        TuningError: nothing that can be trained takes part in ``encode``.
    """
    states, parts = [], []
    for micro_batch in micro_batches:
        states.append(torch_state())
        with torch.no_grad():
            parts.append([vectors.detach() for vectors in encode(micro_batch)])
    columns = [torch.cat(column).requires_grad_() for column in zip(*parts, strict=True)]
    loss = loss_of(*columns)
    backward(loss)
    after = torch_state()
    gradients = [_split(column, parts, place) for place, column in enumerate(columns)]
    is_trained = False
    for number, micro_batch in enumerate(micro_batches):
        is_last = number == len(micro_batches) - 1
        use_torch_state(states[number])
        with contextlib.nullcontext() if is_last else unsynchronised():
            outputs = encode(micro_batch)
            is_trained |= _send([column[number] for column in gradients], outputs)
    use_torch_state(after)
    if not is_trained:
        raise TuningError(
            "No parameter that is trained takes part in the vectors: nothing would be learned. "
            "Choose other layers or another tower."
        )
    return float(loss.detach())


def _split(column: Tensor, parts: Sequence[Sequence[Tensor]], place: int) -> Sequence[Tensor]:
    """Return the gradient of the vectors, part by part; zero where the loss does not use them."""
    gradient = torch.zeros_like(column) if column.grad is None else column.grad
    return torch.split(gradient, [len(part[place]) for part in parts])


def _send(gradients: Sequence[Tensor], outputs: Sequence[Tensor]) -> bool:
    """Send the stored gradient into the graph of one part; return whether there is a graph.

    A locked tower (Zhai et al. 2022, "LiT", arXiv:2111.07991) has none.
    """
    wanted = [
        (vectors, gradient)
        for vectors, gradient in zip(outputs, gradients, strict=True)
        if vectors.requires_grad
    ]
    if wanted:
        vectors, sent = zip(*wanted, strict=True)
        torch.autograd.backward(vectors, sent)
    return bool(wanted)
