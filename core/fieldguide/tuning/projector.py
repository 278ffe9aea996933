"""Linear projector pairs that align a frozen image tower with a frozen text tower.

Both towers stay untouched: their features are computed once, and only one linear layer a side is
trained into a shared space, after Maniparambil et al. 2024, "From Unimodal to Multimodal: Scaling
up Projectors to Align Modalities". The image features should join several depths of the tower,
since "the best visual embeddings are not at the output of the network" (Bolya et al. 2025,
"Perception Encoder: The best visual embeddings are not at the output of the network").

The loss is a contrastive term over captions (with several positives where captions are shared)
plus a cross-entropy term against the prompts of the class names; either may be absent. Image
features are standardised for training and the standardisation is folded into the stored layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Progress: TypeAlias = Callable[[int, int, float], None]


@dataclass(frozen=True)
class ProjectorSettings:
    """Settings of one fit.

    Attributes:
        dim: Width of the shared space. Where it equals the text width, the text projector starts
            as the identity.
        steps: Optimiser steps.
        batch_size: Images in one step.
        learning_rate: Constant Adam learning rate.
        dropout: Share of image features dropped in training.
        text_anchor: Weight of the mean squared distance of the text projector from its start,
            summed over its outputs; large values freeze it.
        caption_weight: Weight of the contrastive caption term.
        label_weight: Weight of the class-name term.
        train_scale: Fixed logit scale of both terms in training.
        average_from: Share of the steps after which weights enter the running average.
        seed: Seed of initial weights, batches, views and dropout.
    """

    dim: int = 384
    steps: int = 400
    batch_size: int = 256
    learning_rate: float = 1e-3
    dropout: float = 0.6
    text_anchor: float = 1.0
    caption_weight: float = 1.0
    label_weight: float = 1.0
    train_scale: float = 12.0
    average_from: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class ProjectorPair:
    """A linear image projector and a linear text projector into one space.

    Attributes:
        image_weight: (D, F).
        image_bias: (D,).
        text_weight: (D, T).
        text_bias: (D,).
        logit_scale: Factor on the cosine that gives logits.
    """

    image_weight: Tensor
    image_bias: Tensor
    text_weight: Tensor
    text_bias: Tensor
    logit_scale: float

    def project_images(self, features: Tensor) -> Tensor:
        """Project image features (N, F) to unit vectors (N, D)."""
        return _unit_linear(features, self.image_weight, self.image_bias)

    def project_texts(self, embeddings: Tensor) -> Tensor:
        """Project text embeddings (..., T) to unit vectors (..., D)."""
        return _unit_linear(embeddings, self.text_weight, self.text_bias)

    def project_classes(self, prompts: Sequence[Tensor]) -> Tensor:
        """Project the prompts (P, T) of each class to one unit vector a class, (C, D).

        A class is the direction of the mean of its projected prompts.
        """
        means = [self.project_texts(texts).mean(dim=0) for texts in prompts]
        return F.normalize(torch.stack(means), dim=-1)

    def with_logit_scale(self, logit_scale: float) -> ProjectorPair:
        """The same pair with another logit scale."""
        return replace(self, logit_scale=logit_scale)


@dataclass(frozen=True)
class TrainingSet:
    """Frozen features of images and texts, and which belong together. CPU tensors.

    Attributes:
        features: (V, N, F) features of V augmented views of N images; one view is drawn a step.
        captions: (M, T) embeddings of the distinct captions; M may be 0.
        pairs: (K, 2) image row and caption row; several images may share one caption.
        labels: (N,) class of each image, -1 where unknown.
        prompts: (P, T) embeddings of the prompts of each class; there may be no class.
    """

    features: Tensor
    captions: Tensor
    pairs: Tensor
    labels: Tensor
    prompts: Sequence[Tensor]


@dataclass(frozen=True)
class _Batches:
    """Checked training data and the random draws from it."""

    views: Tensor
    captions: Tensor
    pair_keys: Tensor
    first: Tensor
    count: Tensor
    pair_caption: Tensor
    labels: Tensor
    prompts: Tensor  # (P, T) of all classes
    averages: Tensor  # (C, P) whose rows average the prompts of a class
    generator: torch.Generator

    def draw(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw images without replacement, a view and a caption (-1: none) for each."""
        n_views, n_images, _ = self.views.shape
        rows = torch.randperm(n_images, generator=self.generator)[:size]
        view = torch.randint(n_views, rows.shape, generator=self.generator)
        pick = torch.rand(len(rows), generator=self.generator) * self.count[rows]
        caption = torch.full_like(rows, -1)
        has = self.count[rows] > 0
        place = (self.first[rows] + pick.long()).clamp(max=max(len(self.pair_caption) - 1, 0))
        caption[has] = self.pair_caption[place[has]]
        return rows, self.views[view, rows], caption

    def positives(self, rows: Tensor, caption: Tensor) -> Tensor:
        """Mask (B, B): does the image in row i carry the caption in column j?"""
        keys = rows[:, None] * len(self.captions) + caption[None, :]
        return torch.isin(keys, self.pair_keys)


def fit_projector(
    data: TrainingSet, settings: ProjectorSettings, progress: Progress | None = None
) -> ProjectorPair:
    """Train a projector pair on frozen features.

    Args:
        data: images, captions and labels.
        settings: settings of the fit.
        progress: called with step, steps and loss after each step.

    Returns:
        The weight-averaged pair, with the standardisation folded in and the training scale as its
        logit scale; ``zeroshot.logit_scale`` fits a calibrated one.

    Raises:
        ValueError: shapes disagree, or neither captions nor labels are given.
    """
    batches = _check(data, settings.seed)
    mean = data.features.mean(dim=(0, 1))
    std = data.features.std(dim=(0, 1), correction=0).clamp(min=1e-6)
    params = _start(data.features.shape[2], data.captions.shape[1], settings, batches)
    image, image_bias, text, text_bias = _train(params, batches, mean, std, settings, progress)
    image = image / std  # fold the standardisation into the layer
    return ProjectorPair(image, image_bias - image @ mean, text, text_bias, settings.train_scale)


def _unit_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.normalize(F.linear(x, weight, bias), dim=-1)


def _check(data: TrainingSet, seed: int) -> _Batches:
    """Check shapes and sort the pairs by image."""
    if data.features.ndim != 3 or data.captions.ndim != 2:
        raise ValueError("need features (V, N, F) and captions (M, T), where M may be 0")
    n_images, n_captions = data.features.shape[1], len(data.captions)
    if data.labels.shape != (n_images,):
        raise ValueError(f"need {n_images} labels, not {tuple(data.labels.shape)}")
    if len(data.labels) and int(data.labels.max()) >= len(data.prompts):
        raise ValueError("a label has no prompts")
    if len(data.pairs) == 0 and not bool((data.labels >= 0).any()):
        raise ValueError("need captions or labels")
    pairs = torch.unique(data.pairs.reshape(-1, 2).long(), dim=0)
    if bool(((pairs < 0) | (pairs >= torch.tensor([n_images, n_captions]))).any()):
        raise ValueError("a pair points outside the images or captions")
    count = torch.bincount(pairs[:, 0], minlength=n_images)
    prompts, averages = _join_prompts(data.prompts, data.captions.shape[1])
    return _Batches(
        views=data.features,
        captions=data.captions,
        pair_keys=pairs[:, 0] * n_captions + pairs[:, 1],
        first=count.cumsum(0) - count,
        count=count,
        pair_caption=pairs[:, 1],
        labels=data.labels,
        prompts=prompts,
        averages=averages,
        generator=torch.Generator().manual_seed(seed),
    )


def _join_prompts(prompts: Sequence[Tensor], width: int) -> tuple[Tensor, Tensor]:
    """Return all prompts (P, T) and the matrix (C, P) that averages those of each class."""
    if any(texts.ndim != 2 or texts.shape[1] != width or not len(texts) for texts in prompts):
        raise ValueError(f"each class needs prompts (P, {width}) with P >= 1")
    joined = torch.cat([torch.zeros(0, width), *prompts])
    sizes = torch.tensor([len(texts) for texts in prompts], dtype=torch.long)
    owner = torch.repeat_interleave(torch.arange(len(prompts)), sizes)  # (P,)
    belongs = owner[None, :] == torch.arange(len(prompts))[:, None]  # (C, P)
    return joined, belongs / sizes[:, None]


def _start(
    width: int, text_width: int, settings: ProjectorSettings, data: _Batches
) -> list[Tensor]:
    """Initial image weight and bias, text weight and bias."""
    image = torch.randn(settings.dim, width, generator=data.generator) * 0.1 / width**0.5
    text = torch.eye(text_width)
    if settings.dim != text_width:
        text = torch.empty(settings.dim, text_width)
        torch.nn.init.orthogonal_(text, generator=data.generator)
    bias = torch.zeros(settings.dim)
    return [p.requires_grad_() for p in (image, bias, text, bias.clone())]


def _train(
    params: list[Tensor],
    data: _Batches,
    mean: Tensor,
    std: Tensor,
    settings: ProjectorSettings,
    progress: Progress | None,
) -> list[Tensor]:
    """Train the parameters in place and return their average over the later steps."""
    anchor = params[2].detach().clone()
    optimizer = torch.optim.Adam(params, lr=settings.learning_rate)
    averages = [p.detach().clone() for p in params]
    first = int(settings.average_from * settings.steps)
    for step in range(settings.steps):
        loss = _loss(params, data, mean, std, settings)
        loss = loss + settings.text_anchor * (params[2] - anchor).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        for average, param in zip(averages, params, strict=True):
            average.lerp_(param.detach(), 1.0 / max(step - first + 1, 1))
        if progress is not None:
            progress(step + 1, settings.steps, float(loss.detach()))
    return averages


def _loss(
    params: list[Tensor], data: _Batches, mean: Tensor, std: Tensor, settings: ProjectorSettings
) -> Tensor:
    """Caption and class-name loss of one batch."""
    rows, x, caption = data.draw(settings.batch_size)
    keep = torch.rand(x.shape, generator=data.generator) >= settings.dropout
    x = (x - mean) / std * keep / (1.0 - settings.dropout)
    images = _unit_linear(x, params[0], params[1])
    total = images.new_zeros(())
    known = data.labels[rows] >= 0
    if settings.label_weight > 0 and bool(known.any()):
        classes = data.averages @ _unit_linear(data.prompts, params[2], params[3])
        logits = settings.train_scale * images[known] @ F.normalize(classes, dim=-1).T
        term = F.cross_entropy(logits, data.labels[rows][known])
        total = total + settings.label_weight * term
    has = caption >= 0
    if settings.caption_weight > 0 and int(has.sum()) > 1:
        texts = _unit_linear(data.captions[caption[has]], params[2], params[3])
        logits = settings.train_scale * images[has] @ texts.T
        positive = data.positives(rows[has], caption[has])
        total = total + settings.caption_weight * _multi_positive(logits, positive)
    return total


def _multi_positive(logits: Tensor, positive: Tensor) -> Tensor:
    """InfoNCE in both directions with the target mass spread evenly over the positives."""
    target = positive.to(logits.dtype)
    forward = F.cross_entropy(logits, target / target.sum(1, keepdim=True))
    backward = F.cross_entropy(logits.T, target.T / target.T.sum(1, keepdim=True))
    return (forward + backward) / 2
