"""Adds adapters of one base: task arithmetic on the changes of their parameters.

Ilharco et al. 2023, "Editing Models with Task Arithmetic" (arXiv:2212.04089). The sum is exact:
products of low rank are put side by side, so that ``[b1 b2] @ [a1; a2] = b1 @ a1 + b2 @ a2``.
Whether the sum is as good as its parts has to be measured: 'fieldguide evaluate'.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from fieldguide.errors import AdapterError, UsageError
from fieldguide.tuning.adapter import Adapter, AdapterConfig
from fieldguide.tuning.adapter_choice import require_vectors
from fieldguide.tuning.changes import Change, LowRank, Offset

if TYPE_CHECKING:
    from collections.abc import Sequence

METHOD = "combined"


def combine(
    adapters: Sequence[Adapter], weights: Sequence[float] | None = None, *, name: str = METHOD
) -> Adapter:
    """Return one adapter that changes the base by the weighted sum of what several do.

    Args:
        adapters: two or more of one base and contract; each counts at its picked strength.
        weights: of each; None for 1. A negative one takes away what the adapter learned.
        name: of the sum.

    Raises:
        AdapterError: they are of different bases or contracts.
        UsageError: fewer than two, a probe among them, or a weight too many or not finite.
    """
    used = [1.0] * len(adapters) if weights is None else list(map(float, weights))
    if len(adapters) < 2 or len(used) != len(adapters) or not all(map(math.isfinite, used)):
        raise UsageError(
            f"{len(adapters)} adapters and {len(used)} weights do not go together. Name two or "
            "more adapters and one finite --weight for each, or none."
        )
    for adapter in adapters:
        require_vectors(adapter)
        _check_together(adapters[0], adapter)
    factors = [w * a.config.strength for w, a in zip(used, adapters, strict=True)]
    names = dict.fromkeys(name for adapter in adapters for name in adapter.changes)
    changes = {
        parameter: added(
            [
                adapter.changes[parameter].scaled(factor)
                for adapter, factor in zip(adapters, factors, strict=True)
                if parameter in adapter.changes
            ]
        )
        for parameter in names
    }
    return Adapter(_config([adapter.config for adapter in adapters], used, name), changes)


def added(changes: Sequence[Change]) -> Change:
    """Return the exact sum of changes of one parameter; of low rank while that is smaller.

    >>> one = LowRank(torch.ones(1, 3), torch.ones(2, 1))
    >>> added([one, one.scaled(2.0)]).difference(torch.Size([2, 3]))
    tensor([[3., 3., 3.],
            [3., 3., 3.]])
    """
    low = [change for change in changes if isinstance(change, LowRank)]
    if len(low) == len(changes):
        joined = LowRank(
            torch.cat([change.a for change in low]), torch.cat([change.b for change in low], dim=1)
        )
        rows, columns = joined.b.shape[0], joined.a.shape[1]
        if len(joined.a) * (rows + columns) <= rows * columns:
            return joined
        return Offset(joined.difference(torch.Size([rows, columns])))
    shapes = [change.values.shape for change in changes if isinstance(change, Offset)]
    return Offset(torch.stack([change.difference(shapes[0]) for change in changes]).sum(dim=0))


def _check_together(first: Adapter, other: Adapter) -> None:
    left, right = first.config, other.config
    if left.base.encoder != right.base.encoder or left.base.contract != right.base.contract:
        raise AdapterError(
            f"{left.name!r} changes {left.base.model} (weights {left.base.encoder[:12]}...) and "
            f"{right.name!r} changes {right.base.model} (weights {right.base.encoder[:12]}...). "
            "Only adapters of one base can be added: train both on the same --model."
        )
    if left.contract != right.contract:
        raise AdapterError(
            f"{left.name!r} takes images resized by {resize_text(left)}, {right.name!r} by "
            f"{resize_text(right)}. Only adapters with one input contract can be added: train "
            "both with the same one."
        )


def _config(parts: Sequence[AdapterConfig], weights: Sequence[float], name: str) -> AdapterConfig:
    """Return the record of a sum; what was measured of the parts does not hold for it."""
    first = parts[0]
    prompts: dict[str, tuple[str, ...]] = {}
    for part in parts:
        for label, texts in part.prompts.items():
            prompts[label] = tuple(dict.fromkeys((*prompts.get(label, ()), *texts)))
    limits = dict.fromkeys(part.licence_limits for part in parts if part.licence_limits)
    said = ", ".join(f"{w:g} x {p.name}" for w, p in zip(weights, parts, strict=True))
    scale = math.prod(
        (part.logit_scale / first.base.logit_scale) ** w
        for part, w in zip(parts, weights, strict=True)
    )
    return AdapterConfig(
        name=name,
        summary=f"the sum {said}",
        method=METHOD,
        base=first.base,
        contract=first.contract,
        logit_scale=first.base.logit_scale * scale,
        domain=first.domain,
        modality=first.modality if all(p.modality == first.modality for p in parts) else None,
        scope=tuple(dict.fromkeys(name for part in parts for name in part.scope)),
        prompts=prompts,
        templates=tuple(dict.fromkeys(text for part in parts for text in part.templates)),
        trainable_parameters=sum(part.trainable_parameters for part in parts),
        settings={"parts": [part.name for part in parts], "weights": list(weights),
                  "strengths": [part.strength for part in parts]},
        versions=first.versions,
        data={part.name: part.data for part in parts},
        licence=" AND ".join(dict.fromkeys(part.licence for part in parts)),
        licence_limits="; ".join(limits),
        research_only=any(part.research_only for part in parts),
    )  # fmt: skip


def resize_text(config: AdapterConfig) -> str:
    """Return how an adapter's input is fitted, in a word."""
    return "its base's contract" if config.contract is None else config.contract.resize
