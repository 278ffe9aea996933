"""What an adapter does to a model's vectors: how far it moves them, and how exact its merge is.

An adapter can train for hours and change nothing: a LoRA layer around a module whose weights are
read instead of called, a change of the wrong tower, a file of zeros. So it is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from fieldguide.errors import AdapterError
from fieldguide.models.probing import probe_inputs
from fieldguide.tuning.beside import with_changes_beside
from fieldguide.tuning.changes import Change, LowRank, changed
from fieldguide.tuning.layouts.layers import layers_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.models.tunable import Tunable

PROBE_IMAGES = 4
PROBE_TEXTS = ("a photo of a cat", "an aerial view of a river", "a fish in clear water", "x")


@dataclass(frozen=True, slots=True)
class Moved:
    """How far the probe inputs of one tower move.

    Attributes:
        mean: cosine distance between the vector with the adapter and without, 0 to 2.
        largest: of the input that moves most.
        is_any: whether a single bit of a vector differs.
    """

    mean: float
    largest: float
    is_any: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What an adapter does to a model.

    Attributes:
        image_change: how far images move.
        text_change: how far texts move.
        merge_error: largest difference in an element of a unit vector between the changes of low
            rank computed beside their layers and added to the weights.
        trainable_parameters: numbers that the adapter holds.
        bytes: of its tensors.
    """

    image_change: Moved
    text_change: Moved
    merge_error: float
    trainable_parameters: int
    bytes: int


@torch.inference_mode()
def measure_effect(encoder: Tunable, adapter_changes: Mapping[str, Change]) -> Effect:
    """Measure what changes do on a few fixed pictures and texts.

    Args:
        encoder: the base, without the changes.
        adapter_changes: by the names of its parameters, at full strength.

    Raises:
        AdapterError: neither tower gives another vector, a change does not fit, or changes of low
            rank are of a network whose layers are not known.
    """
    base = _vectors(encoder)
    merged = _vectors(encoder.with_network(changed(encoder.network, adapter_changes)))
    low_rank = [n for n, change in adapter_changes.items() if isinstance(change, LowRank)]
    layers = layers_of(encoder, low_rank) if low_rank else ()
    network = with_changes_beside(encoder.network, adapter_changes, layers)
    beside = _vectors(encoder.with_network(network))
    images, texts = (_moved(before, after) for before, after in zip(base, merged, strict=True))
    if not images.is_any and not texts.is_any:
        raise AdapterError(
            "The adapter has no effect: images and texts get the same vectors with it as without "
            f"it, though it changes {len(adapter_changes)} parameters. Train it again, and look "
            "whether the loss falls: fieldguide tune MANIFEST"
        )
    return Effect(
        image_change=images,
        text_change=texts,
        merge_error=max(
            float((F.normalize(one, dim=1) - F.normalize(other, dim=1)).abs().max())
            for one, other in zip(merged, beside, strict=True)
        ),
        trainable_parameters=sum(tensor.numel() for tensor in _tensors(adapter_changes)),
        bytes=sum(tensor.nbytes for tensor in _tensors(adapter_changes)),
    )


def _vectors(encoder: Tunable) -> tuple[Tensor, Tensor]:
    """Return the features of the probe pictures and texts in float64."""
    contract = encoder.contract
    pixels = probe_inputs(contract, PROBE_IMAGES)
    images = encoder.image_module(pixels.to(encoder.device))
    texts = encoder.text_module(encoder.tokenize(PROBE_TEXTS))
    return images.double().cpu(), texts.double().cpu()


def _moved(before: Tensor, after: Tensor) -> Moved:
    # half the squared distance of unit vectors is 1 - cosine, without its loss of digits
    difference = F.normalize(after, dim=1) - F.normalize(before, dim=1)
    distances = difference.square().sum(dim=1) / 2
    return Moved(float(distances.mean()), float(distances.max()), not torch.equal(before, after))


def _tensors(changes: Mapping[str, Change]) -> list[Tensor]:
    found: list[Tensor] = []
    for change in changes.values():
        found += [change.a, change.b] if isinstance(change, LowRank) else [change.values]
    return found
