"""The figures of one encoded suite: top-1, macro recall and mean recall, by the benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.classification import macro_recall_counts, share_counts
from fieldguide.benchmarks.retrieval import recall_counts
from fieldguide.errors import TuningError
from fieldguide.models.embeddings import Embeddings

if TYPE_CHECKING:
    from fieldguide.benchmarks.intervals import Counts
    from fieldguide.tuning.strengths import EncodedSuite

FIGURES = {"top1": "top-1", "macro_recall": "macro recall", "mean_recall": "mean recall"}
"""Names in records, and names for people."""


def figures_of(encoded: EncodedSuite, model: int, part: str) -> dict[str, Counts]:
    """Return the counts of each figure that the suite's rows of one part allow.

    A figure that needs at least two labels, or two captioned pictures, is left out where the part
    has fewer.

    Args:
        encoded: the suite's vectors.
        model: number of the strength.
        part: "val" or "test".

    Raises:
        TuningError: no figure can be measured.
    """
    suite = encoded.suite
    rows = [n for n, each in enumerate(suite.parts) if each == part]
    found = _classification(encoded, model, [n for n in rows if suite.labels[n] in suite.prompts])
    found |= _retrieval(encoded, model, [n for n in rows if suite.captions[n]])
    if not found:
        raise TuningError(
            f"{suite.name} has too few readable {part!r} rows with a label or a caption to be "
            "measured. Add rows, or leave it out."
        )
    return found


def _classification(encoded: EncodedSuite, model: int, rows: list[int]) -> dict[str, Counts]:
    classifier = encoded.classifiers[model]
    if classifier is None or not rows:
        return {}
    suite, images = encoded.suite, encoded.images[model]
    probabilities = classifier.probabilities(Embeddings(images.vectors[rows], images.space))
    answers = [classifier.labels[place] for place in probabilities.argmax(axis=1)]
    truths = [suite.labels[row] for row in rows]
    right = np.array([a == t for a, t in zip(answers, truths, strict=True)], dtype=np.float64)
    groups = [suite.groups[row] for row in rows]
    return {
        "top1": share_counts(right, groups),
        "macro_recall": macro_recall_counts(truths, right, groups),
    }


def _retrieval(encoded: EncodedSuite, model: int, rows: list[int]) -> dict[str, Counts]:
    """Return mean recall by distinct captions: each once, with all its pictures relevant."""
    suite, images, texts = encoded.suite, encoded.images[model], encoded.texts[model]
    if len(rows) < 2:
        return {}
    own = list(dict.fromkeys(text for row in rows for text in suite.captions[row]))
    place = {text: number for number, text in enumerate(own)}
    pairs = [(n, place[text]) for n, row in enumerate(rows) for text in suite.captions[row]]
    counts = recall_counts(
        Embeddings(images.vectors[rows], images.space),
        Embeddings(texts.vectors[[encoded.text_row[text] for text in own]], texts.space),
        np.array(pairs),
        [suite.groups[row] for row in rows],
    )
    return {"mean_recall": counts}
