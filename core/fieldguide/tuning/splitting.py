"""A tower cut in two: the frozen stages, whose outputs can be kept, and the stages that train."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fieldguide.errors import AdapterError
from fieldguide.tuning.layouts.towers import image_layout, text_layout

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.layouts.layout import Layout

logger = logging.getLogger(__name__)

PROBE_TEXTS = ("a photo of a field", "trees")


@dataclass(frozen=True, slots=True)
class Split:
    """Two modules that make up a tower.

    Attributes:
        prefix: the stages before the first that trains, from the tower's input to a tensor or a
            tuple of tensors, (N, ...) each; None where already the first stage trains.
        suffix: the others, from there to (N, D) features; the identity where nothing trains.
    """

    prefix: nn.Module | None
    suffix: nn.Module


def split_image(encoder: Tunable, trained_names: Collection[str]) -> Split:
    """Cut the image tower before its first stage that trains.

    ``suffix(prefix(pixels))`` is ``image_module(pixels)`` to the last bit. The encoder may be one
    whose network is prepared for training; it is put into eval mode.

    Args:
        encoder: whose tower it is.
        trained_names: names of the base's parameters, as ``Trainables.names`` gives them.

    Raises:
        AdapterError: the tower is not known.
    """
    shape = (2, len(encoder.contract.bands), *encoder.contract.size_px)
    generator = torch.Generator().manual_seed(0)
    probe = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    whole = encoder.image_module
    return _split(image_layout(encoder), whole, trained_names, probe.to(encoder.device))


def split_text(encoder: Tunable, trained_names: Collection[str]) -> Split:
    """Cut the text tower likewise; see :func:`split_image`. Its input are token numbers."""
    whole = encoder.text_module
    return _split(text_layout(encoder), whole, trained_names, encoder.tokenize(PROBE_TEXTS))


def frozen_stages(layout: Layout, trained_names: Collection[str]) -> int:
    """Return how many stages come before the first that trains; all where none does."""
    trained = [any(stage.owns(name) for name in trained_names) for stage in layout.stages()]
    return trained.index(True) if any(trained) else len(trained)


def _split(layout: Layout, whole: nn.Module, names: Collection[str], probe: Tensor) -> Split:
    whole.eval()
    stages = layout.stages()
    first = frozen_stages(layout, names)
    if first == len(stages):
        return Split(whole, nn.Identity())
    if first == 0:
        return Split(None, whole)
    split = Split(_chain([s.run for s in stages[:first]]), _chain([s.run for s in stages[first:]]))
    _check(split, whole, probe)
    return split


def _chain(steps: Sequence[nn.Module]) -> nn.Module:
    return nn.Sequential(*steps).eval()


def _check(split: Split, whole: nn.Module, probe: Tensor) -> None:
    """Compare with the whole tower: another release of a library may compute in another way."""
    prefix = split.prefix
    assert prefix is not None
    with torch.inference_mode():
        is_equal = torch.equal(split.suffix(prefix(probe)), whole(probe))
    if not is_equal:
        raise AdapterError(
            "The tower cut into stages does not give what the whole one gives, so this release of "
            "its library is not known. Install one that 'fieldguide doctor' calls tested."
        )


def image_parts(encoder: Tunable, cuts: Sequence[int]) -> tuple[nn.Module, ...]:
    """Return the frozen image tower between several cuts, from the pixels on.

    Args:
        encoder: whose tower it is.
        cuts: numbers of stages, ascending; part i runs the stages from cut i - 1 to cut i.

    Raises:
        AdapterError: the tower is not known.
    """
    stages = image_layout(encoder).stages()
    starts = (0, *cuts[:-1])
    return tuple(
        _chain([stage.run for stage in stages[start:end]])
        for start, end in zip(starts, cuts, strict=True)
    )
