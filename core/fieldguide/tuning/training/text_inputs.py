"""Where a training gets its texts from: kept outputs of frozen stages, or the tower's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from fieldguide.tuning.layouts.towers import text_layout
from fieldguide.tuning.training.states import State, as_state, joined, rows_of, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from fieldguide.models.tunable import Tunable

MAX_KEPT_BYTES = 2**30
TEXTS_AT_ONCE = 64


class TextInputs:
    """The outputs of the frozen stages of the text tower.

    They are computed once and kept in memory while all of them need less than ``most_bytes``.

    Args:
        encoder: the base.
        cut: number of stages that are frozen.
        texts: M texts.
        most_bytes: for kept outputs.
    """

    def __init__(
        self, encoder: Tunable, cut: int, texts: Sequence[str], most_bytes: int = MAX_KEPT_BYTES
    ) -> None:
        self._encoder = encoder
        self._texts = tuple(texts)
        stages = text_layout(encoder).stages()[:cut]
        self._prefix = nn.Sequential(*[stage.run for stage in stages]).eval() if cut else None
        self._kept = self._keep(most_bytes) if self._texts and cut else None

    def state(self, numbers: Tensor) -> State:
        """Return the state of some texts by their numbers (T,)."""
        if self._kept is not None:
            return rows_of(self._kept, numbers.to(self._encoder.device))
        tokens = self._encoder.tokenize([self._texts[number] for number in numbers.tolist()])
        return self._run(tokens)

    def _keep(self, most_bytes: int) -> State | None:
        longest = self._run(self._encoder.tokenize([max(self._texts, key=len)]))
        if sum(t.numel() * t.element_size() for t in longest) * len(self._texts) > most_bytes:
            return None
        tokens = self._encoder.tokenize(self._texts)  # all of one length
        starts = range(0, len(tokens), TEXTS_AT_ONCE)
        return joined([self._run(tokens[at : at + TEXTS_AT_ONCE]) for at in starts])

    def _run(self, tokens: Tensor) -> State:
        if self._prefix is None:
            return as_state(tokens)
        with torch.no_grad():
            return run(self._prefix, (tokens,))
