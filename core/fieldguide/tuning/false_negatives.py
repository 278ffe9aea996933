"""How often a batch holds pairs that a loss pushes apart although they belong together.

A batch is B of N images without replacement, and each of its T images draws one of its own texts,
every one with the same chance. Of the pairs of an image and another image's text, a false negative
is one whose text the image has as well, or whose images are of the same class. The expected share
of such pairs does not depend on B, because each ordered pair of images is as likely as any other;
the number of images that have any does.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


@dataclass(frozen=True)
class FalseNegatives:
    """Expected shares of the pairs of an image and another image's text, from 0 to 1.

    Attributes:
        same_text: the image has this very text as well.
        same_class: both images are of one class; 0 where no class is known.
        either: one or both of these; what plain InfoNCE pushes apart.
        after_keys: what is left where pairs that share a key are positives.
        batch_size: B.
    """

    same_text: float
    same_class: float
    either: float
    after_keys: float
    batch_size: int

    @property
    def an_image(self) -> float:
        """How many of them an image has in a batch, without keys."""
        return (self.batch_size - 1) * self.either

    @property
    def an_image_after_keys(self) -> float:
        """How many of them an image has in a batch, with keys."""
        return (self.batch_size - 1) * self.after_keys


def false_negatives(
    texts: Sequence[Sequence[str]],
    labels: Sequence[str],
    keys: Sequence[Hashable],
    batch_size: int,
) -> FalseNegatives:
    """Return what is expected of batches of some images.

    Args:
        texts: of each of N images; images without any are in no pair.
        labels: the class of each image, "" where it is not known.
        keys: what makes images positives of each other beside equal texts; None for nothing.
        batch_size: B.
    """
    rows = [row for row, own in enumerate(texts) if own]
    owned = [list(dict.fromkeys(texts[row])) for row in rows]
    classes = [labels[row] or None for row in rows]
    grouped = [keys[row] for row in rows]
    pairs = len(rows) * (len(rows) - 1)
    if pairs == 0:
        return FalseNegatives(0.0, 0.0, 0.0, 0.0, batch_size)
    everything = [0] * len(rows)
    by_class = _pairs_of(classes)
    by_text = _pairs_with_text(owned, everything)
    text_and_class = _pairs_with_text(owned, classes)
    # left after keys: of the same class, but with neither a text nor a key in common
    both = [
        None if label is None or key is None else (label, key)
        for label, key in zip(classes, grouped, strict=True)
    ]
    left = by_class - text_and_class - _pairs_of(both) + _pairs_with_text(owned, both)
    return FalseNegatives(
        same_text=by_text / pairs,
        same_class=by_class / pairs,
        either=(by_text + by_class - text_and_class) / pairs,
        after_keys=max(0.0, left) / pairs,
        batch_size=batch_size,
    )


def share_with_equal(groups: Sequence[Hashable], batch_size: int) -> float:
    """Return the expected share of a batch's images that have an equal in it.

    Hypergeometric: an image whose group has n of all N images meets none of the n - 1 others with
    the chance C(N - n, B - 1) / C(N - 1, B - 1).

    Args:
        groups: of each of N images; None belongs to no group.
        batch_size: B, at most N.

    >>> round(share_with_equal(["a", "a", "b"], 2), 12)  # of 3 pairs one is equal
    0.333333333333
    """
    count, size = len(groups), min(batch_size, len(groups))
    if size < 2:
        return 0.0
    sizes = Counter(group for group in groups if group is not None)
    alone = {n: _share_of_choices(count - n, count - 1, size - 1) for n in set(sizes.values())}
    return sum(n * (1 - alone[n]) for n in sizes.values()) / count


def _share_of_choices(some: int, all_of_them: int, chosen: int) -> float:
    """Return C(some, chosen) / C(all_of_them, chosen), by logarithms of factorials.

    >>> round(_share_of_choices(3, 5, 2), 12)  # 3 of 10
    0.3
    """
    if chosen > some:
        return 0.0
    parts = (some + 1, all_of_them - chosen + 1), (some - chosen + 1, all_of_them + 1)
    (a, b), (c, d) = parts
    return math.exp(math.lgamma(a) + math.lgamma(b) - math.lgamma(c) - math.lgamma(d))


def _pairs_of(groups: Sequence[Hashable]) -> float:
    """Return how many ordered pairs of different images are of one group."""
    sizes = Counter(group for group in groups if group is not None)
    return float(sum(n * (n - 1) for n in sizes.values()))


def _pairs_with_text(owned: Sequence[Sequence[str]], groups: Sequence[Hashable]) -> float:
    """Return the sum over ordered pairs (i, j) of one group of P(i has the text j draws).

    Image j draws each of its texts with 1 / (number of its texts), so the sum over i and j is one
    over texts t: the chances with which images draw t, times the number of other images that have
    it.
    """
    holders: defaultdict[tuple[Hashable, str], int] = defaultdict(int)
    chances: defaultdict[tuple[Hashable, str], float] = defaultdict(float)
    for own, group in zip(owned, groups, strict=True):
        for text in own if group is not None else ():
            holders[group, text] += 1
            chances[group, text] += 1 / len(own)
    return sum(chances[key] * (count - 1) for key, count in holders.items())
