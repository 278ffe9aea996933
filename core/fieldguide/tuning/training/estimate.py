"""What a training will take, measured on a few pictures before it begins."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from fieldguide.doctor.checks import size_text
from fieldguide.models.probing import probe_inputs
from fieldguide.tuning.splitting import image_parts
from fieldguide.tuning.training.fits import Learned
from fieldguide.tuning.training.phase import Phase, PhaseRun
from fieldguide.tuning.training.states import State, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fieldguide.tuning.training.context import Training
    from fieldguide.tuning.training.pictures import PictureFiles, Wanted

PROBES = 8
REPEATS = 3
LONG_S = 1800
MOMENTS = 2
"""Adam keeps two numbers for each that trains."""


@dataclass(frozen=True)
class PhaseEstimate:
    """What one fit takes.

    Attributes:
        name: of the fit.
        steps: at most.
        seconds: of its steps; 0 where it takes none.
        trained: numbers that are trained.
        memory_bytes: of activations, gradients, the optimiser's moments and the pictures of a step.
    """

    name: str
    steps: int
    seconds: float
    trained: int
    memory_bytes: int


@dataclass(frozen=True)
class Estimate:
    """What a training takes. It is rough: a busy machine is slower.

    Attributes:
        phases: in their order.
        frozen_seconds: for the frozen stages, before the first step.
        kept_bytes: of their outputs on disk; None where they are computed in every step.
        model_bytes: of the base in memory.
    """

    phases: tuple[PhaseEstimate, ...] = ()
    frozen_seconds: float = 0.0
    kept_bytes: int | None = 0
    model_bytes: int = 0

    @property
    def seconds(self) -> float:
        """Of everything, without the measuring at the end."""
        return self.frozen_seconds + sum(phase.seconds for phase in self.phases)

    @property
    def memory_bytes(self) -> int:
        """The largest need of a fit beside the base."""
        return self.model_bytes + max((p.memory_bytes for p in self.phases), default=0)

    def lines(self) -> list[str]:
        """Return what to say before it begins."""
        if not self.phases:
            return []
        kept = (
            "too large to be kept: computed in every step"
            if self.kept_bytes is None
            else f"{size_text(self.kept_bytes)} on disk"
        )
        found = [f"frozen stages: {minutes(self.frozen_seconds)}, {kept}"]
        found += [
            f"{p.name}: {p.trained:,} numbers train, {p.steps:,} steps, {minutes(p.seconds)}, "
            f"{size_text(p.memory_bytes)} of memory"
            for p in self.phases
            if p.steps
        ]
        if self.seconds > LONG_S:
            found.append("for less of it: --last-blocks or --last-stages, fewer --epochs")
        return [
            *found,
            f"in all about {minutes(self.seconds)} and {size_text(self.memory_bytes)} of memory "
            "with the model, without the measuring at the end",
        ]


def minutes(seconds: float) -> str:
    """Return a time for people.

    >>> minutes(42), minutes(150), minutes(9000)
    ('42 s', '2.5 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def estimate(training: Training, files: PictureFiles, kept_bytes: int | None) -> Estimate:
    """Time a few pictures and one step of each fit, on pictures that are made up.

    Args:
        training: its pictures and checkpoints are not touched.
        files: of the pictures; none is read.
        kept_bytes: of kept outputs; None where there are none.
    """
    cuts = training.picture_cuts()
    contract = training.encoder.contract
    pixels = probe_inputs(contract, PROBES)
    states: dict[int, State] = {}
    state: State = (pixels.to(training.encoder.device),)
    spent: dict[int, float] = {}
    with torch.inference_mode():
        for cut, part in zip(cuts, image_parts(training.encoder, cuts), strict=True):
            spent[cut] = _seconds(functools.partial(run, part, state))
            state = run(part, state) if cut else state
            states[cut] = tuple(tensor.clone() for tensor in state)
    made_up = _MadeUp({cut: tuple(t.clone() for t in s) for cut, s in states.items()})
    frozen_s = sum(spent.values()) / PROBES * sum(map(len, files.views))
    probing = replace(training, suite=None)
    probing.pictures = made_up
    return Estimate(
        phases=tuple(_phase(probing, fit, spent, kept_bytes) for fit in training.fits
                     if isinstance(fit, Phase)),
        frozen_seconds=0.0 if kept_bytes is None else frozen_s / training.processes.count,
        kept_bytes=kept_bytes,
        model_bytes=sum(p.numel() * p.element_size()
                        for p in training.encoder.network.parameters()),
    )  # fmt: skip


class _MadeUp:
    """Gives the outputs of the same few pictures over and over."""

    def __init__(self, states: dict[int, State]) -> None:
        self._states = states

    def stream(self, cut: int, wanted: Iterable[Wanted]) -> Iterator[State]:
        """Yield as many rows as are asked for."""
        for rows, _ in wanted:
            places = torch.arange(len(rows)) % PROBES
            yield tuple(tensor[places] for tensor in self._states[cut])


def _phase(
    training: Training, phase: Phase, spent: dict[int, float], kept_bytes: int | None
) -> PhaseEstimate:
    """Time a step of a few images, and count what its backward pass keeps."""
    running = PhaseRun(phase, training, Learned())
    settings = training.settings
    batch = training.draws.batch(0)
    own = batch.share(training.processes.rank, training.processes.count)
    at_once = min(len(own.rows), settings.micro_batch or len(own.rows))
    part = own.split(min(at_once, PROBES))[0]
    state = next(iter(training.pictures.stream(running.cuts.image, [(part.rows, part.views)])))
    kept = _Kept()

    def step() -> None:
        vectors = running.encode((part, state))
        torch.stack([v.square().sum() for v in vectors if v.requires_grad]).sum().backward()  # type: ignore[no-untyped-call]

    with torch.autograd.graph.saved_tensors_hooks(kept.note, lambda tensor: tensor):
        step()
    seconds = _seconds(step) / len(part.rows) * len(own.rows)
    if at_once < len(own.rows):
        seconds *= 4 / 3  # every part is computed once more, without its backward pass
    if kept_bytes is None:
        seconds += (
            sum(s for cut, s in spent.items() if cut <= running.cuts.image) / PROBES * len(own.rows)
        )
    trained = sum(p.numel() for p in running.model.parameters.values())
    held = sum(t.numel() * t.element_size() for t in state) / len(part.rows) * len(own.rows)
    steps = phase.steps(training)
    return PhaseEstimate(
        name=phase.name,
        steps=steps,
        seconds=seconds * steps * settings.accumulate,
        trained=trained,
        memory_bytes=int(kept.bytes / len(part.rows) * at_once + held) + 4 * trained * (
            1 + MOMENTS),
    )  # fmt: skip


class _Kept:
    """Counts the bytes of tensors that a backward pass needs, each once, without parameters."""

    def __init__(self) -> None:
        self.bytes = 0
        self._seen: set[int] = set()

    def note(self, tensor: torch.Tensor) -> torch.Tensor:
        """Count a tensor and return it."""
        place = tensor.untyped_storage().data_ptr()
        if place not in self._seen and not isinstance(tensor, torch.nn.Parameter):
            self._seen.add(place)
            self.bytes += tensor.numel() * tensor.element_size()
        return tensor


def _seconds(compute: Callable[[], object]) -> float:
    """Return the shortest time of a few calls: other jobs only ever make one longer."""
    compute()
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        compute()
        found.append(time.perf_counter() - start)
    return min(found)
