"""Several strengths of one adapter at once: what none of them changes is computed once.

The stages before the first changed layer are the base's at every strength, so their outputs are
shared; with changes in the last stages only, five strengths cost little more than one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from fieldguide.errors import AdapterError
from fieldguide.models.embeddings import unit_length
from fieldguide.models.towers import upload
from fieldguide.tuning.splitting import Split, split_image, split_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from fieldguide.models.embeddings import Vectors
    from fieldguide.models.tunable import Tunable

TEXTS_AT_ONCE = 64
TOLERANCE = 1e-4
"""Largest difference in an element of a unit vector; another batch size rounds differently."""


class StagedModels:
    """Encodes by several models that differ in some parameters only.

    Args:
        models: the first is the base.
        changed: names of the parameters in which they differ.
    """

    def __init__(self, models: Sequence[Tunable], changed: Collection[str]) -> None:
        self.models = models
        self._images = _Tower([model.image_module for model in models],
                              _splits(split_image, models, changed))  # fmt: skip
        self._texts = _Tower([model.text_module for model in models],
                             _splits(split_text, models, changed))  # fmt: skip

    def images(self, pixels: Tensor) -> list[Vectors]:
        """Return (N, D) unit vectors by each model.

        Args:
            pixels: (N, C, H, W) uint8.

        Raises:
            AdapterError: the stages do not give what the whole tower gives.
        """
        return self._images(upload(pixels, self.models[0].device))

    def texts(self, texts: Sequence[str]) -> list[Vectors]:
        """Return (T, D) unit vectors by each model; raises as :meth:`images` does."""
        parts = [
            self._texts(self.models[0].tokenize(texts[start : start + TEXTS_AT_ONCE]))
            for start in range(0, len(texts), TEXTS_AT_ONCE)
        ]
        return [np.concatenate(own) for own in zip(*parts, strict=True)]


class _Tower:
    """One tower of several models, cut where the first change is."""

    def __init__(self, whole: Sequence[nn.Module], splits: Sequence[Split] | None) -> None:
        self.whole = whole
        self.splits = splits
        self.is_checked = False

    @torch.inference_mode()
    def __call__(self, inputs: Tensor) -> list[Vectors]:
        if self.splits is None:
            return [_unit(module(inputs)) for module in self.whole]
        prefix = self.splits[0].prefix
        shared = inputs if prefix is None else prefix(inputs)
        found: list[Vectors] = []
        for split in self.splits:
            same = isinstance(split.suffix, torch.nn.Identity) and found
            found.append(found[0] if same else _unit(split.suffix(shared)))
        self._check(inputs, found[-1])
        return found

    def _check(self, inputs: Tensor, last: NDArray[np.float32]) -> None:
        """Compare one input with the whole tower, once: a forgotten change would look harmless."""
        if self.is_checked:
            return
        expected = _unit(self.whole[-1](inputs[:1]))
        if not np.allclose(expected, last[:1], atol=TOLERANCE):
            raise AdapterError(
                "The tower cut into stages does not give what the whole one gives, so the figures "
                "would be wrong. Install the versions that 'fieldguide doctor' calls tested."
            )
        self.is_checked = True


def _splits(
    split: Callable[[Tunable, Collection[str]], Split],
    models: Sequence[Tunable],
    changed: Collection[str],
) -> list[Split] | None:
    """Return each model's parts, or None for a tower whose stages are not known."""
    try:
        return [split(model, changed) for model in models]
    except AdapterError:
        return None


def _unit(features: Tensor) -> Vectors:
    return unit_length(features.float().cpu().numpy())
