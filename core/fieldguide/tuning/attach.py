"""Puts an adapter on its base model. The base is not touched: the result shares its tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch

from fieldguide.contract import InputContract
from fieldguide.errors import AdapterError
from fieldguide.models.around import EncoderAround
from fieldguide.models.probing import probe_inputs
from fieldguide.models.tunable import Tunable
from fieldguide.tuning.adapter import checked_strength
from fieldguide.tuning.changes import LowRank, changed

if TYPE_CHECKING:
    from torch import Tensor

    from fieldguide.contract import Contract
    from fieldguide.models.embeddings import Encoder
    from fieldguide.tuning.adapter import Adapter
    from fieldguide.tuning.changes import Change

E = TypeVar("E", bound="Tunable")

PROBE_TEXTS = ("a photo of a cat", "an aerial view of a river", "x")
PROBE_IMAGES = 3


def attach(encoder: E, adapter: Adapter, *, strength: float | None = None) -> E:
    """Return the base model with an adapter on it; threads may use both at once.

    Everything that works on an encoder works on it: its SpaceId has the adapter's digest, another
    one at each strength. At strength 0 it is the base, to the last bit and in its space. A probe
    changes no vector: its encoder is the base, with the contract it was trained with.

    Args:
        encoder: the base model.
        adapter: made for exactly this base.
        strength: 0 to 1; None for the one that was picked.

    Raises:
        AdapterError: it was made for another model or contract, or changes nothing.
        UsageError: the strength is not 0 to 1.
    """
    check_fits(encoder, adapter)
    used = adapter.config.strength if strength is None else checked_strength(strength)
    if not adapter.changes and adapter.classifier is None:
        raise _no_effect(adapter)
    if adapter.changes and not any(_is_change(change) for change in adapter.changes.values()):
        raise _no_effect(adapter)
    return encoder.with_network(
        changed(encoder.network, adapter.changes, used),
        adapter=adapter.space_digest(used),
        logit_scale=adapter.logit_scale_at(used),
        contract=adapter.config.contract,
    )


def require_tunable(encoder: Encoder) -> Tunable:
    """Return an encoder that can take an adapter, without a text cache around it.

    Raises:
        AdapterError: its towers cannot be changed.
    """
    bare = encoder.encoder if isinstance(encoder, EncoderAround) else encoder
    if not isinstance(bare, Tunable):
        raise AdapterError(
            f"The model {encoder.space.model} takes no adapters: it does not offer its towers. "
            "Leave --adapter out, or name an open_clip or embedded --model."
        )
    return bare


def check_fits(encoder: Tunable, adapter: Adapter) -> None:
    """Raise AdapterError, with both sides named, unless an adapter was made for this model."""
    config, space = adapter.config, encoder.space
    if space.adapter is not None:
        raise AdapterError(
            f"{space} has an adapter already, and {config.name!r} would come on top of it. Name "
            "the base model alone, or add the two: fieldguide adapters combine A B --output FOLDER"
        )
    if config.base.encoder != space.encoder:
        raise AdapterError(
            f"The adapter {config.name!r} was made for the model {config.base.model} (weights "
            f"{config.base.encoder[:12]}...), and this is {space.model} (weights "
            f"{space.encoder[:12]}...). Use its own base: --model {config.base.model}, or leave "
            "--model out."
        )
    if config.base.contract != space.contract:
        raise AdapterError(
            f"The adapter {config.name!r} was made for {config.base.model} with the input contract "
            f"{config.base.contract[:12]}..., and this one takes images by {space.contract[:12]}"
            "...: size, mean or resize differ. Use the model's configuration as it was then."
        )
    _check_contract(adapter, encoder.contract)
    _check_shapes(encoder, adapter)


def check_effect(base: Tunable, tuned: Tunable, name: str) -> None:
    """Raise AdapterError when a model gives the same numbers with an adapter as without it.

    What is compared are the features of a few fixed images and texts; one that differs in its last
    bit is enough.
    """
    pixels = probe_inputs(base.contract, PROBE_IMAGES)
    with torch.inference_mode():
        pixels = pixels.to(base.device)
        tokens = base.tokenize(PROBE_TEXTS)
        if not torch.equal(base.image_module(pixels), tuned.image_module(pixels)):
            return
        if not torch.equal(base.text_module(tokens), tuned.text_module(tokens)):
            return
    raise AdapterError(
        f"The adapter {name!r} has no effect: images and texts get the same vectors with it as "
        f"without it. Train it again, or look: fieldguide doctor --adapter {name}"
    )


def attach_for_work(encoder: E, adapter: Adapter, *, strength: float | None = None) -> E:
    """Attach an adapter and make sure that the vectors really change; see :func:`attach`.

    Raises:
        AdapterError: as ``attach``, or the vectors are those of the base.
    """
    tuned = attach(encoder, adapter, strength=strength)
    if tuned.space.adapter is not None:  # neither a probe nor strength 0
        check_effect(encoder, tuned, adapter.config.name)
    return tuned


def _check_contract(adapter: Adapter, own: Contract) -> None:
    wanted = adapter.config.contract
    if wanted is None:
        return  # the base's own, whose digest was compared
    if not isinstance(own, InputContract):
        raise AdapterError(
            f"The adapter {adapter.config.name!r} was made for a model of images, and this one "
            "takes volumes. Leave --adapter out."
        )
    if wanted.model_copy(update={"resize": own.resize, "fill": own.fill}) == own:
        return
    left, right = wanted.model_dump(), own.model_dump()
    differing = ", ".join(
        f"{name} {left[name]} instead of {right[name]}"
        for name in left
        if left[name] != right[name] and name not in ("resize", "fill")
    )
    raise AdapterError(
        f"The adapter {adapter.config.name!r} wants another input than its base: {differing}. "
        "Only the way of resizing may differ. Train it again with this version of fieldguide."
    )


def _check_shapes(encoder: Tunable, adapter: Adapter) -> None:
    """Refuse changes of other shapes before a product of them could fill the memory."""
    parameters = dict(encoder.network.named_parameters(remove_duplicate=False))
    for name, change in adapter.changes.items():
        base = parameters.get(name)
        if base is None or not _fits(change, base):
            what = "does not have" if base is None else f"has with shape {tuple(base.shape)}"
            raise AdapterError(
                f"The adapter {adapter.config.name!r} changes {name}, which the model "
                f"{encoder.space.model} {what}; its change has another form. The file is damaged "
                "or was made by another version: get it again from its source."
            )
    probe = adapter.classifier
    if probe is not None and probe.weights.shape[1] != encoder.space.dim:
        raise AdapterError(
            f"The classifier of {adapter.config.name!r} takes vectors of {probe.weights.shape[1]} "
            f"numbers, and the model {encoder.space.model} gives {encoder.space.dim}. Get it again "
            "from its source."
        )


def _fits(change: Change, base: Tensor) -> bool:
    if not isinstance(change, LowRank):
        return _matrix(change.values.shape) == _matrix(base.shape)
    if change.a.ndim != 2 or change.b.ndim != 2 or base.ndim < 2:
        return False
    rows, columns = base.shape[0], base[0].numel()
    rank = change.a.shape[0]
    return tuple(change.a.shape) == (rank, columns) and tuple(change.b.shape) == (rows, rank)


def _matrix(shape: torch.Size) -> tuple[int, ...]:
    """Return a shape without the sides of length 1 of a pointwise convolution."""
    return tuple(shape[:2]) if tuple(shape[2:]) == (1, 1) else tuple(shape)


def _is_change(change: Change) -> bool:
    if isinstance(change, LowRank):
        return bool((change.b @ change.a).any())
    return bool(change.values.any())


def _no_effect(adapter: Adapter) -> AdapterError:
    return AdapterError(
        f"The adapter {adapter.config.name!r} changes nothing: all its differences are zero. It "
        "was not trained; train it again: fieldguide tune MANIFEST"
    )
