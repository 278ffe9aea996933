"""What a method is to a training: one or more fits, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.adapter import Probe
    from fieldguide.tuning.changes import Change
    from fieldguide.tuning.training.context import Training


@dataclass(frozen=True)
class Learned:
    """What the fits of a training have learned so far.

    Attributes:
        changes: to the base's parameters, by their names.
        classifier: of labels, on the base's vectors; None for methods that change vectors.
        scale: what cosines were multiplied by at the end; None where nothing was compared.
    """

    changes: Mapping[str, Change] = field(default_factory=dict)
    classifier: Probe | None = None
    scale: float | None = None


class Fit(Protocol):
    """One part of a training that is finished before the next one begins."""

    @property
    def name(self) -> str:
        """For progress, history and checkpoints."""
        ...

    def names(self) -> frozenset[str]:
        """Return the names of the base's parameters that it trains; empty where it trains none."""
        ...

    def steps(self, training: Training) -> int:
        """Return how many optimiser steps it takes at most; 0 where it takes none."""
        ...

    def run(self, training: Training, before: Learned) -> Learned:
        """Return what is known after it.

        Args:
            training: data, settings and places.
            before: what earlier fits learned; it goes on from there.

        Raises:
            TuningError: it cannot go on.
        """
        ...


class Tuner(Protocol):
    """A method with its settings: a frozen record that says which fits it makes of a model."""

    def fits(self, encoder: Tunable, seed: int) -> Sequence[Fit]:
        """Return the fits in their order.

        Args:
            encoder: the base.
            seed: of random starts.

        Raises:
            AdapterError: the model is of a kind that the method does not know.
        """
        ...
