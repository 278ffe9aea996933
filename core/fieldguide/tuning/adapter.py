"""An adapter: changes to a base model, what they were made for, and how they are used.

A record says everything that must hold before the changes may be added: the base model by the
digest of its weights, the input contract, the format. Nothing here reads or writes files; see
``tuning.adapter_files``.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from pydantic import Field

from fieldguide.contract import InputContract
from fieldguide.errors import AdapterError, UsageError
from fieldguide.models.embeddings import require_same_space
from fieldguide.models.tunable import network_digest
from fieldguide.registry_records import Licence
from fieldguide.specs import Name, Record
from fieldguide.tuning.changes import LowRank
from fieldguide.zeroshot.classifier import softmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from fieldguide.models.embeddings import Embeddings, SpaceId
    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.changes import Change

FORMAT = 1
"""Of the folder; a reader refuses any other."""

MAX_STRENGTH = 1.0

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class AdapterBase(Record):
    """The model that an adapter changes.

    Attributes:
        model: as a user can name it again: a registry name, ``hf-hub:org/name``, a folder.
        encoder: ``SpaceId.encoder`` of it: SHA-256 of architecture and weights.
        network: ``network_digest`` of its tensors; the training left them as they were.
        contract: digest of its own InputContract.
        dim: length of its vectors.
        logit_scale: what it multiplies cosines by.
    """

    model: str = Field(min_length=1)
    encoder: str = Field(min_length=1)
    network: Digest
    contract: Digest
    dim: int = Field(ge=1)
    logit_scale: float = Field(gt=0, allow_inf_nan=False)


class AdapterConfig(Record):
    """All that is known of an adapter beside its tensors.

    Attributes:
        format: of the folder.
        name: for lists and messages.
        summary: one line.
        method: name of the method that trained it, such as "lora"; "combined" for a sum.
        base: the model it changes.
        contract: what the changed encoder takes; as the base's, but another ``resize`` is possible.
            None for the base's own, as models of volumes have it.
        logit_scale: what cosines are multiplied by before a softmax, at the picked strength.
        strength: the picked one, 0 (the base) to 1 (as trained).
        domain: of the guide that trained it.
        modality: likewise; None when the inputs were of none in particular.
        scope: modalities that it is made for.
        prompts: of each label, as trained.
        templates: prompts for other labels, each with one ``{}``.
        parameters: names of the base's parameters that change.
        trainable_parameters: numbers that were trained.
        settings: of the training.
        seed: of the training.
        command: that makes it again.
        versions: of what computed, by distribution.
        data: what it was trained on, in figures; no file names.
        licence: of the adapter's weights, as SPDX names it, or ``LicenseRef-`` and a name.
        licence_limits: what one may not do with them, in plain words.
        research_only: True when they may be used for research or non-commercially only.
        figures: gain, forgetting, curves, with intervals.
        created: when, UTC, ISO 8601.
    """

    format: int = FORMAT
    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]{0,99}$")
    summary: str = Field(min_length=1)
    method: str = Field(min_length=1)
    base: AdapterBase
    contract: InputContract | None = None
    logit_scale: float = Field(gt=0, allow_inf_nan=False)
    strength: float = Field(default=1.0, ge=0, le=MAX_STRENGTH)
    domain: Name = "general"
    modality: Name | None = None
    scope: tuple[Name, ...] = Field(min_length=1)
    prompts: dict[str, tuple[str, ...]] = Field(default={})
    templates: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    trainable_parameters: int = Field(default=0, ge=0)
    settings: dict[str, Any] = Field(default={})
    seed: int = 0
    command: str = ""
    versions: dict[str, str] = Field(default={})
    data: dict[str, Any] = Field(default={})
    licence: Licence = "LicenseRef-unknown"
    licence_limits: str = ""
    research_only: bool = False
    figures: dict[str, Any] = Field(default={})
    created: str = ""


@dataclass(frozen=True)
class Probe:
    """Logistic regression on the base's vectors (Alain & Bengio 2016, "Understanding intermediate
    layers using linear classifier probes", arXiv:1610.01644).

    Attributes:
        labels: C labels.
        weights: (C, D) float32.
        bias: (C,) float32.
    """  # noqa: D205 - the citation takes a line of its own

    labels: tuple[str, ...]
    weights: Tensor
    bias: Tensor

    def __post_init__(self) -> None:
        """Check that labels, weights and bias belong together."""
        count = len(self.labels)
        fits = self.weights.ndim == 2 and len(self.weights) == count == self.bias.numel()
        if count < 2 or not fits or len(set(self.labels)) < count:
            raise AdapterError(
                f"The classifier has {count} labels, weights {tuple(self.weights.shape)} and bias "
                f"{tuple(self.bias.shape)}, which do not belong together. Train the probe again."
            )

    def among(self, labels: Sequence[str]) -> Probe:
        """Return the probe that chooses from some of its labels only.

        Raises:
            UsageError: one of them is not the probe's, or fewer than two are left.
        """
        if unknown := [label for label in labels if label not in self.labels]:
            raise UsageError(
                f"The adapter is a probe and knows its own labels only, not {', '.join(unknown)}. "
                f"There are: {', '.join(self.labels)}. For other labels leave --adapter out."
            )
        if len(set(labels)) < max(2, len(labels)):
            raise UsageError("Name two or more labels, each once; or none, for all of the probe's.")
        rows = [self.labels.index(label) for label in labels]
        return Probe(tuple(labels), self.weights[rows], self.bias[rows])


@dataclass(frozen=True)
class ProbeClassifier:
    """A probe in the space that it was trained in; used where a zero-shot classifier is.

    Attributes:
        labels: C labels.
        probe: what it computes with.
        space: of the vectors it takes.
    """

    probe: Probe
    space: SpaceId

    @property
    def labels(self) -> tuple[str, ...]:
        """The probe's labels."""
        return self.probe.labels

    def probabilities(self, images: Embeddings) -> NDArray[np.float32]:
        """Return (N, C) probabilities over the labels; each row sums to one.

        Raises:
            SpaceMismatchError: the images were embedded by another model.
        """
        return softmax(self.logits(images))

    def logits(self, images: Embeddings) -> NDArray[np.float64]:
        """Return (N, C) scores, whose softmax is the probability.

        Raises:
            SpaceMismatchError: the images were embedded by another model.
        """
        require_same_space(self.space, images.space, "The probe")
        weights, bias = self.probe.weights.double().numpy(), self.probe.bias.double().numpy()
        return np.asarray(images.vectors.astype(np.float64) @ weights.T + bias)


@dataclass(frozen=True)
class Adapter:
    """Changes to a base model, and what is known of them.

    Attributes:
        config: everything but the tensors.
        changes: by the base's parameter name; float32 on the CPU. Empty for a probe alone.
        classifier: of method "probe"; None for the others.
        place: how a user can name it again: a registry name or an absolute path; "" in memory.
    """

    config: AdapterConfig
    changes: Mapping[str, Change]
    classifier: Probe | None = None
    place: str = ""

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the tensors: what it adds to the base, at strength 1, and its classifier."""
        total = hashlib.sha256()
        for name, tensor in sorted(tensors_of(self).items()):
            values = tensor.detach().cpu().contiguous()
            total.update(f"{name}:{values.dtype}:{tuple(values.shape)};".encode())
            total.update(values.reshape(-1).view(torch.uint8).numpy().data)
        labels = () if self.classifier is None else self.classifier.labels
        total.update("\n".join(labels).encode())
        return total.hexdigest()

    @property
    def about(self) -> dict[str, Any]:
        """What a result or a store notes of it, so that it can be found again."""
        return {"adapter": self.place or self.config.name, "strength": self.config.strength,
                "adapter_digest": self.digest}  # fmt: skip

    def space_digest(self, strength: float) -> str | None:
        """Return what stands for this adapter in a SpaceId; None where it changes no vector."""
        if not self.changes or strength == 0:
            return None
        return hashlib.sha256(f"{self.digest};strength={float(strength)!r}".encode()).hexdigest()

    def with_strength(self, strength: float) -> Adapter:
        """Return the same adapter with another picked strength, and the scale that goes with it.

        Raises:
            UsageError: it is not 0 to 1.
        """
        used = checked_strength(strength)
        update = {"strength": used, "logit_scale": self.logit_scale_at(used)}
        return replace(self, config=self.config.model_copy(update=update))

    def logit_scale_at(self, strength: float) -> float:
        """Return the scale at a strength: the geometric path from the base's to the picked one.

        It is the interpolation of its logarithm, which is the parameter of CLIP, as the other
        weights are interpolated (Wortsman et al. 2022, arXiv:2109.01903). Beyond the picked
        strength it stays: what was fitted there is not extrapolated.
        """
        base, picked = self.config.base.logit_scale, self.config.strength
        share = 1.0 if picked == 0 else min(strength / picked, 1.0)
        return float(base ** (1 - share) * self.config.logit_scale**share)


def tensors_of(adapter: Adapter) -> dict[str, Tensor]:
    """Return all tensors of an adapter under the names of its file."""
    found: dict[str, Tensor] = {}
    for name, change in adapter.changes.items():
        if isinstance(change, LowRank):
            found[f"{name}/low_rank_a"], found[f"{name}/low_rank_b"] = change.a, change.b
        else:
            found[f"{name}/offset"] = change.values
    if adapter.classifier is not None:
        found["classifier/weights"] = adapter.classifier.weights
        found["classifier/bias"] = adapter.classifier.bias
    return found


def base_of(encoder: Tunable, model: str) -> AdapterBase:
    """Return the record of a base model.

    Args:
        encoder: without an adapter.
        model: as a user can name it again.
    """
    return AdapterBase(
        model=model,
        encoder=encoder.space.encoder,
        network=network_digest(encoder.network),
        contract=encoder.space.contract,
        dim=encoder.space.dim,
        logit_scale=encoder.logit_scale,
    )


def checked_strength(strength: float) -> float:
    """Return a strength, or raise UsageError when it is not 0 to 1."""
    if not (math.isfinite(strength) and 0 <= strength <= MAX_STRENGTH):
        raise UsageError(f"The strength {strength} is not 0 (the base) to 1 (as trained).")
    return float(strength)
