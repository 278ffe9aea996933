"""Checks of captions, and of how often a batch pushes equals apart, before a training."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from fieldguide.tuning.false_negatives import FalseNegatives, false_negatives, share_with_equal
from fieldguide.tuning.findings import NOTE, STOP, WARN, Finding, counted, some
from fieldguide.tuning.rows import summary
from fieldguide.tuning.splits import TRAIN
from fieldguide.tuning.texts import PairedTexts

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from fieldguide.tuning.examples import Examples

COMMON_SHARE = 0.2
MANY_FALSE_NEGATIVES = 0.02


def check_captions(examples: Examples) -> Iterator[Finding]:
    """Yield what is wrong with the captions of train."""
    if examples.no_caption:
        yield Finding(
            WARN, "no_caption",
            f"No caption could be made of {counted(len(examples.no_caption), 'row')}: "
            f"{summary(examples.no_caption)}",
            "Correct these rows.",
        )  # fmt: skip
    rows = examples.rows(TRAIN).tolist()
    without = [row for row in rows if not examples.captions[row]]
    if not rows or examples.stream("captions") is None:
        return
    if len(without) == len(rows):
        labelled = any(examples.labels[row] for row in rows)
        yield Finding(
            WARN if labelled else STOP, "empty_captions",
            "All captions of train are empty, although other splits have some.",
            "Fill the caption column, or name another: --caption-column.",
        )  # fmt: skip
        return
    if without:
        yield Finding(
            WARN, "empty_captions",
            f"{counted(len(without), 'image')} of {len(rows)} in train have no caption: "
            f"{some([examples.items[row].name for row in without])}.",
            "They count as negatives only, or by their class. Fill the caption column.",
        )  # fmt: skip
    owners = Counter(text for row in rows for text in examples.captions[row])
    text, most = owners.most_common(1)[0]
    if most > 1 and most >= COMMON_SHARE * len(rows):
        yield Finding(
            WARN, "common_caption",
            f"{most} of {len(rows)} images of train have the caption {text[:80]!r}.",
            "A caption of so many images says little; bring more telling ones.",
        )  # fmt: skip
    shared = sum(count > 1 for count in owners.values())
    if shared:
        yield Finding(
            NOTE, "equal_captions",
            f"{counted(shared, 'caption')} of {len(owners)} in train belong to several images.",
        )  # fmt: skip


def check_false_negatives(examples: Examples, batch_size: int) -> Iterator[Finding]:
    """Yield how often a batch holds pairs that plain InfoNCE wrongly pushes apart."""
    expected = caption_negatives(examples, batch_size)
    if expected is None:
        return
    if expected.either == 0:
        return
    many = expected.same_text > MANY_FALSE_NEGATIVES
    text = (
        f"In a batch of {expected.batch_size}, {expected.either:.2%} of the pairs of an image and "
        "another image's caption belong together, by the very caption "
        f"({expected.same_text:.2%}) or by class ({expected.same_class:.2%}): "
        f"{expected.an_image:.1f} an image. With shared keys as positives "
        f"{expected.after_keys:.2%} are left."
    )
    advice = ""
    if many:
        advice = "Train with a loss that takes shared keys as positives: --loss multi_positive."
    elif expected.after_keys > MANY_FALSE_NEGATIVES:
        advice = "If captions of one class say the same, make them positives: --positive-column"
    yield Finding(WARN if many else NOTE, "false_negatives", text, advice)


def caption_negatives(examples: Examples, batch_size: int) -> FalseNegatives | None:
    """Return what is expected of batches of train with captions; None without captions."""
    stream = examples.stream("captions")
    rows = examples.rows(TRAIN)
    if not isinstance(stream, PairedTexts) or len(rows) < 2:
        return None
    same = stream.same
    keys: list[Hashable] = [
        None if same is None or same[row] < 0 else int(same[row]) for row in rows.tolist()
    ]
    return false_negatives(
        [examples.captions[row] for row in rows.tolist()],
        [examples.labels[row] for row in rows.tolist()],
        keys,
        min(batch_size, len(rows)),
    )


def text_figures(examples: Examples, batch_size: int) -> dict[str, Any]:
    """Return counts of captions and expected false negatives, as plain values."""
    figures: dict[str, Any] = {"batch_size": batch_size}
    rows = examples.rows(TRAIN).tolist()
    texts = {text for row in rows for text in examples.captions[row]}
    figures["captions"] = len(texts)
    figures["images_without_caption"] = sum(not examples.captions[row] for row in rows)
    labels: list[Hashable] = [examples.labels[row] or None for row in rows]
    figures["images_with_their_class_in_the_batch"] = share_with_equal(labels, batch_size)
    expected = caption_negatives(examples, batch_size)
    if expected is not None:
        figures["false_negatives"] = {
            "same_caption": expected.same_text,
            "same_class": expected.same_class,
            "without_keys": expected.either,
            "with_keys": expected.after_keys,
        }
    return figures
