"""Measure the embedded model on natural photographs, fit its logit scale and write its card.

    python tools/measure_conse.py DATA_FOLDER

DATA_FOLDER holds generic/coco_mini: photographs of COCO with five captions each, and SugarCrepe's
pairs of a right and a wrong caption on them. Put the printed scale into models/embedded.py.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from fieldguide.benchmarks.classification import expected_calibration_error, reliability_bins
from fieldguide.benchmarks.intervals import Interval, grouped_bootstrap
from fieldguide.benchmarks.retrieval import CUTOFFS, Recalls, retrieval_recalls
from fieldguide.data.embedding_rows import read_embeddings
from fieldguide.data.inputs import Item, read_manifest
from fieldguide.guides import Guide
from fieldguide.models.embedded import CONSE_CLASSES
from fieldguide.models.embeddings import Embeddings
from fieldguide.zeroshot.class_sets import prompts_of_labels, read_labels
from fieldguide.zeroshot.classifier import build_classifier
from fieldguide.zeroshot.logit_scale import fit_logit_scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Encoder

CARD = Path(__file__).parents[1] / "core/fieldguide/models/data/embedded_conse.md"
FOLDS = 5
MIN_CAPTIONS = 3
THINGS = read_labels(Path(__file__).with_name("coco_things.txt"))


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes:
        retrieval: of captions and photographs, every caption with its own photograph.
        pairs_right: share of SugarCrepe pairs in which the right caption is nearer.
        top1: of the things in photographs whose captions agree on one.
        calibration_error: with a scale fitted on other photographs.
    """

    photographs: int
    retrieval: Recalls
    pairs: int
    pairs_right: Interval
    labelled: int
    kinds: int
    top1: Interval
    top5: Interval
    scale: float
    calibration_error: float


def thing_of(captions: Sequence[str]) -> str | None:
    """Return the only thing the captions name, if at least three of the five name it.

    >>> thing_of(["a dog.", "Two dogs run", "the dog", "an animal", "a pet"])
    'dog'
    """
    text = [caption.lower() for caption in captions]
    counts = {name: sum(bool(re.search(rf"\b{name}(s|es)?\b", t)) for t in text) for name in THINGS}
    named = [name for name, count in counts.items() if count]
    return named[0] if len(named) == 1 and counts[named[0]] >= MIN_CAPTIONS else None


def measure(guide: Guide, folder: Path) -> Figures:
    """Measure on the photographs of a folder."""
    items = list(read_manifest(folder / "manifest.jsonl"))
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "photographs.parquet"
        guide.embed(items, path)
        images = read_embeddings(path).embeddings
    if len(images) != len(items):
        raise RuntimeError("not every photograph could be embedded")
    _, record = guide.planner.text_model()
    encoder = guide.planner.encoder(record)
    owned = [list(item.metadata["captions"]) for item in items]
    flat = [caption for captions in owned for caption in captions]
    rows = np.repeat(np.arange(len(items)), [len(captions) for captions in owned])
    retrieval = retrieval_recalls(
        images, encoder.encode_texts(flat), np.stack([rows, np.arange(len(flat))], axis=1)
    )
    named = [thing_of(captions) for captions in owned]
    known = [row for row, name in enumerate(named) if name is not None]
    truth = np.array([THINGS.index(named[row] or "") for row in known])
    (modality,) = guide.domain.modalities
    classifier = build_classifier(encoder, prompts_of_labels(THINGS, modality.templates))
    cosines = Embeddings(images.vectors[known], images.space).similarity(classifier.vectors)
    order = np.argsort(-cosines, axis=1, kind="stable")
    scale, error = _scale(cosines, truth)
    pairs, photographs = _pairs_right(images, items, encoder, folder / "sugarcrepe.jsonl")
    return Figures(
        photographs=len(items),
        retrieval=retrieval,
        pairs=len(pairs),
        pairs_right=_share(pairs, photographs),
        labelled=len(known),
        kinds=len(set(truth.tolist())),
        top1=_share(order[:, 0] == truth, known),
        top5=_share((order[:, :5] == truth[:, None]).any(axis=1), known),
        scale=scale,
        calibration_error=error,
    )


def _pairs_right(
    images: Embeddings, items: Sequence[Item], encoder: Encoder, path: Path
) -> tuple[NDArray[np.bool_], list[int]]:
    """Return whether the right caption of each pair is nearer, and the pair's photograph."""
    place = {item.id: row for row, item in enumerate(items)}
    pairs = list(read_manifest(path))
    rows = [place[pair.id] for pair in pairs]
    right, wrong = (
        encoder.encode_texts([str(pair.metadata[key]) for pair in pairs]).vectors
        for key in ("caption", "negative_caption")
    )
    shown = images.vectors[rows]
    return np.asarray((shown * right).sum(axis=1) > (shown * wrong).sum(axis=1)), rows


def _scale(cosines: NDArray[np.float32], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Return the scale fitted on all, and the calibration error of scales fitted on other folds."""
    fold = np.random.default_rng(0).permutation(len(truth)) % FOLDS
    both = torch.from_numpy(cosines), torch.from_numpy(truth)
    claimed = np.empty(len(truth))
    for number in range(FOLDS):
        fitted = fit_logit_scale(both[0][fold != number], both[1][fold != number])
        claimed[fold == number] = (fitted * both[0][fold == number]).softmax(1).amax(1).numpy()
    right = (cosines.argmax(axis=1) == truth).astype(np.float64)
    return fit_logit_scale(*both), expected_calibration_error(reliability_bins(claimed, right))


def _share(right: NDArray[np.bool_], photographs: Sequence[int]) -> Interval:
    counts = np.stack([right, np.ones_like(right)], axis=1).astype(np.float64)
    groups = [str(photograph) for photograph in photographs]
    return grouped_bootstrap(counts, groups, lambda sums: sums[:, 0] / sums[:, 1])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    arguments = parser.parse_args()
    figures = measure(Guide(model="embedded_conse"), arguments.data / "generic/coco_mini")
    CARD.write_text(card(figures), "utf-8")
    print(figures)
    print(f"CONSE_LOGIT_SCALE = {round(figures.scale)}")


def card(figures: Figures) -> str:
    """Return the text of the card: its template, filled."""
    recalls = figures.retrieval
    sides = (recalls.image_to_text, recalls.text_to_image)
    template = Path(__file__).with_name("conse_card.md").read_text("utf-8")
    return template.format(
        f=figures,
        recalls=" | ".join(" / ".join(f"{100 * side[k]:.1f}" for k in CUTOFFS) for side in sides),
        mean_recall=recalls.mean_recall,
        classes=CONSE_CLASSES,
        offered=len(THINGS),
        min_captions=MIN_CAPTIONS,
        error=100 * figures.calibration_error,
    )


if __name__ == "__main__":
    main()
