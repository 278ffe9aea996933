"""Reads and encodes windows of an image that was classified as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.data.images import image_size_px
from fieldguide.data.in_memory import sample_in_memory
from fieldguide.data.manifest_windows import window_id
from fieldguide.data.pipeline import encode_items
from fieldguide.errors import LoadError, UsageError
from fieldguide.models.embeddings import Embeddings
from fieldguide.zeroshot.findings import FindingClassifier
from fieldguide.zeroshot.guided_crop import GuidedCropClassifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Reader
    from fieldguide.models.embeddings import Encoder
    from fieldguide.planning import Plan
    from fieldguide.runtime import Runtime
    from fieldguide.samples import Window
    from fieldguide.zeroshot.classify import Answerer, BoostedAnswerer, LabelAnswerer
    from fieldguide.zeroshot.guided_crop import GuidedCrop
    from fieldguide.zeroshot.taxa_answerer import TaxaAnswerer


def upright_size_px(item: Item) -> tuple[int, int] | None:
    """Return height and width of an image as it is seen; None where it is no plain picture."""
    try:
        if item.image is not None:
            sample = sample_in_memory(item.image)
            height_width = sample.size_px
            return (height_width[0], height_width[1]) if sample.spatial_dims == 2 else None
        if item.path is None:
            return None
        width, height = image_size_px(item.path)
    except LoadError:
        return None
    return height, width


@dataclass(frozen=True)
class WindowEyes:
    """Embeds windows of one image at a time, which is decoded once for all of them.

    Attributes:
        reader: of the images' modality.
        encoder: the model.
        batch_size: windows a step of the model.
        workers: loading threads.
    """

    reader: Reader
    encoder: Encoder
    batch_size: int
    workers: int

    def __call__(self, item: Item, windows: Sequence[Window]) -> Embeddings | None:
        """Return the vectors of windows, in their order; None where one of them cannot be read."""
        parts = [replace(item, id=window_id(item.id, each), window=each) for each in windows]
        plain = replace(self.reader, thumbnails=False)  # the same files stay open
        batches = list(
            encode_items(parts, plain, self.encoder, batch_size=self.batch_size,
                         workers=self.workers)
        )  # fmt: skip
        if any(batch.embeddings is None or batch.failed for batch in batches):
            return None
        return _joined([batch.embeddings for batch in batches if batch.embeddings is not None])


def look_again_by(
    answerer: LabelAnswerer | BoostedAnswerer | TaxaAnswerer | None,
    guided: GuidedCrop | None,
    plan: Plan,
    runtime: Runtime,
) -> Answerer | None:
    """Return an answerer that looks at images again; the same one for no guidance.

    Raises:
        UsageError: the classifier judges findings, of which any number may be in an image.
    """
    if answerer is None or guided is None or plan.encoder is None or plan.modality is None:
        return answerer
    if isinstance(answerer.classifier, FindingClassifier):
        raise UsageError("Guided crops look for one of some labels, not for findings. Leave them.")
    reader = plan.reader.readers[plan.modality.name]
    eyes = WindowEyes(reader, plan.encoder, plan.batch_size, runtime.workers)
    made = GuidedCropClassifier(answerer.classifier, guided, upright_size_px, eyes)
    return replace(answerer, again=made)


def about_guided(guided: GuidedCrop | None) -> dict[str, Any]:
    """Return what the record of a job says of guided crops."""
    if guided is None:
        return {}
    return {
        "guided_crop": {
            "proposer": type(guided.proposer).__name__,
            "margins": list(guided.margins),
            "top": guided.top,
            "weight": guided.weight,
        }
    }


def require_images(guided: GuidedCrop | None, items: Sequence[Item] | None, cut: object) -> None:
    """Raise UsageError where images should be looked at again that are not there, or in windows."""
    if guided is None:
        return
    if items is None:
        raise UsageError("Guided crops look at images again, and these are vectors. Name images.")
    if cut is not None:
        raise UsageError("Guided crops are of whole pictures. Leave --window or --guided-crop out.")


def _joined(parts: Sequence[Embeddings]) -> Embeddings:
    return Embeddings(np.concatenate([part.vectors for part in parts]), parts[0].space)
