"""What a user must know of the data before a training spends time on them.

Equal pictures in train and test, groups that are divided, pairs of a batch that a loss pushes apart
although they belong together, classes that cannot be learned: each finding says how bad it is and
what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.tuning.findings import Finding, Honesty, in_order
from fieldguide.tuning.label_checks import check_groups, check_labels, check_splits, label_figures
from fieldguide.tuning.near_duplicates import near_duplicate_groups
from fieldguide.tuning.picture_checks import check_readable, check_twins, picture_figures
from fieldguide.tuning.text_checks import check_captions, check_false_negatives, text_figures
from fieldguide.tuning.window_checks import check_windows

if TYPE_CHECKING:
    from fieldguide.tuning.examples import Examples
    from fieldguide.tuning.fingerprints import Fingerprints

__all__ = ["Finding", "Honesty", "examine", "keep_twins_together"]


def examine(
    examples: Examples, *, batch_size: int, fingerprints: Fingerprints | None = None
) -> Honesty:
    """Look for what would make a training, or its figures, mean less than they seem to.

    Args:
        examples: N images.
        batch_size: of the training.
        fingerprints: of the same N images; None when the pictures are not to be read.

    Raises:
        ValueError: the fingerprints are of another number of images.
    """
    if fingerprints is not None and len(fingerprints) != len(examples):
        raise ValueError(f"{len(fingerprints)} fingerprints of {len(examples)} images")
    findings = [
        *check_splits(examples, batch_size),
        *check_labels(examples),
        *check_groups(examples),
        *check_windows(examples),
        *check_captions(examples),
        *check_readable(examples, fingerprints),
        *check_false_negatives(examples, batch_size),
    ]
    figures = {**label_figures(examples), **text_figures(examples, batch_size)}
    if fingerprints is not None:
        findings += check_twins(examples, fingerprints)
        figures |= picture_figures(examples, fingerprints)
    return Honesty(in_order(findings), figures)


def keep_twins_together(examples: Examples, fingerprints: Fingerprints, seed: int) -> Examples:
    """Return the examples with splits that copies and near duplicates do not cross.

    Only splits that were made here are made anew; what the manifest says stays.

    Args:
        examples: N images.
        fingerprints: of the same images.
        seed: of the splits.
    """
    if not examples.made:
        return examples
    looks = fingerprints.first_copies.copy()
    seen = np.flatnonzero(fingerprints.has_look)
    if len(seen):
        smallest = seen[near_duplicate_groups(fingerprints.hashes[seen])]
        looks[seen] = looks[smallest]
        copies = fingerprints.first_copies  # a copy is where its first row is
        looks = looks[copies]
    return examples.keep_together(looks.tolist(), seed)
