"""Checks of splits, labels and groups before a training."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from fieldguide.tuning.decoupled_pairs import UNPAIRED
from fieldguide.tuning.findings import NOTE, STOP, WARN, Finding, counted, some
from fieldguide.tuning.splits import SPLITS, TEST, TRAIN, VAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.tuning.examples import Examples

FEW_IMAGES = 5
FEW_HELD_OUT = 50
UNEVEN_RATIO = 20
GROUP_COLUMNS = (
    "group", "patient", "patient_id", "subject", "subject_id", "case", "case_id", "slide",
    "slide_id", "individual", "individual_id", "site", "site_id", "location", "location_id",
    "camera", "camera_id", "sequence", "sequence_id", "scene_id", "tile_id", "study_id",
)  # fmt: skip
"""Columns that usually say what was photographed together."""


def check_splits(examples: Examples, batch_size: int) -> Iterator[Finding]:
    """Yield what is wrong with the splits as such."""
    counts = Counter(examples.splits)
    if not counts[TRAIN]:
        there = ", ".join(f"{name} {counts[name]}" for name in SPLITS if counts[name])
        yield Finding(
            STOP, "no_train", f"No image is in the split train ({there}).",
            "Write train into the split column of some rows, or name another: --split-column.",
        )  # fmt: skip
        return
    if examples.made:
        yield Finding(NOTE, "splits_made", f"Splits: {examples.split_source}.")
    if 0 < counts[TRAIN] < batch_size:
        yield Finding(
            WARN, "small_train",
            f"Train has {counted(counts[TRAIN], 'image')}, fewer than a batch of {batch_size}.",
            f"Set --batch-size {max(2, counts[TRAIN] // 4)}, or bring more images.",
        )  # fmt: skip
    for name, level, use in (
        (VAL, WARN, "when to stop and how strong the adapter is cannot be chosen"),
        (TEST, NOTE, "figures are those of val, on which things were chosen"),
    ):
        if counts[name] == 0:
            yield Finding(
                level, f"no_{name}", f"No image is in the split {name}: {use}.",
                f"Write {name} into the split column of some rows.",
            )  # fmt: skip
        elif counts[name] < FEW_HELD_OUT:
            yield Finding(
                WARN, f"small_{name}",
                f"{name.capitalize()} has only {counted(counts[name], 'image')}: its figures are "
                "uncertain by many points.",
                "Look at their intervals, or bring more images.",
            )  # fmt: skip


def check_labels(examples: Examples) -> Iterator[Finding]:
    """Yield what is wrong with the classes."""
    per_split = label_counts(examples)
    train = per_split[TRAIN]
    if not any(per_split.values()) or TRAIN not in examples.splits:
        return
    if len(train) < 2:
        yield _too_few_classes(examples, train)
        return
    most, least = max(train, key=lambda c: train[c]), min(train, key=lambda c: train[c])
    if train[most] >= UNEVEN_RATIO * train[least]:
        yield Finding(
            WARN, "uneven_classes",
            f"The classes of train are uneven: {most!r} has {counted(train[most], 'image')}, "
            f"{least!r} has {train[least]}.",
            "Judge by macro recall, which counts every class alike.",
        )  # fmt: skip
    few = sorted(label for label, count in train.items() if count < FEW_IMAGES)
    if few:
        yield Finding(
            WARN, "rare_classes",
            f"{counted(len(few), 'class', 'classes')} of train have fewer than {FEW_IMAGES} "
            f"images: {some(few)}.",
            "Bring more of them, or expect little there.",
        )  # fmt: skip
    yield from _unmatched_classes(per_split)
    yield from _spellings(examples)


def _too_few_classes(examples: Examples, train: Counter[str]) -> Finding:
    labelled = sum(train.values())
    what = f"all {labelled} labelled images of train are {next(iter(train))!r}" if train else (
        "no image of train has a label"
    )  # fmt: skip
    has_captions = examples.stream(UNPAIRED) is not None or any(
        examples.captions[row] for row in examples.rows(TRAIN).tolist()
    )
    return Finding(
        WARN if has_captions else STOP, "one_class",
        f"One class cannot be told from others: {what}.",
        "Bring images of a second class" + (
            "; until then only the captions are learned from." if has_captions else
            ", or captions."
        ),
    )  # fmt: skip


def _unmatched_classes(per_split: dict[str, Counter[str]]) -> Iterator[Finding]:
    held_out = {label for name in (VAL, TEST) for label in per_split[name]}
    unseen = sorted(held_out - set(per_split[TRAIN]))
    if unseen:
        yield Finding(
            WARN, "unseen_classes",
            f"{counted(len(unseen), 'class', 'classes')} of val and test have no image in train: "
            f"{some(unseen)}.",
            "If that is not meant, move some of their images to train.",
        )  # fmt: skip
    if per_split[TEST]:
        untested = sorted(set(per_split[TRAIN]) - set(per_split[TEST]))
        if untested:
            yield Finding(
                NOTE, "untested_classes",
                f"{counted(len(untested), 'class', 'classes')} of train are not in test: "
                f"{some(untested)}.",
            )  # fmt: skip


def _spellings(examples: Examples) -> Iterator[Finding]:
    spelled: dict[str, set[str]] = defaultdict(set)
    for label in set(examples.labels) - {""}:
        spelled["".join(c for c in label.casefold() if c.isalnum())].add(label)
    for labels in spelled.values():
        if len(labels) > 1:
            yield Finding(
                WARN, "spellings",
                f"{' and '.join(map(repr, sorted(labels)))} are taken as different classes.",
                "If they are one, write them alike.",
            )  # fmt: skip


def check_groups(examples: Examples) -> Iterator[Finding]:
    """Yield groups that are in several splits."""
    if examples.group_column is not None:
        yield from _leaks(examples, examples.groups, examples.group_column)
        yield from _lone_groups(examples, examples.group_column)
        return
    for column in GROUP_COLUMNS:
        if column not in examples.columns:
            continue
        values = [str(item.metadata.get(column, "")) for item in examples.items]
        leaking = [f for f in _leaks(examples, values, column) if f.level == STOP]
        found = leaking[0].text if leaking else "No value of it is in two splits."
        yield Finding(
            WARN if leaking else NOTE, "group_column",
            f"The manifest has a column {column!r}, which is not used. {found}",
            f"If its images belong together: --group-column {column}",
        )  # fmt: skip


def _lone_groups(examples: Examples, column: str) -> Iterator[Finding]:
    """Yield held-out splits of one group, which resampling by group always draws again."""
    for name in (VAL, TEST):
        groups = {g for g, s in zip(examples.groups, examples.splits, strict=True) if s == name}
        if len(groups) == 1:
            yield Finding(
                WARN, f"one_group_{name}",
                f"{name.capitalize()} has one value of {column!r} only: the interval of its "
                "figures has no width and says nothing.",
                "Bring more groups, or smaller ones.",
            )  # fmt: skip


def _leaks(examples: Examples, groups: list[str] | tuple[str, ...], column: str
           ) -> Iterator[Finding]:  # fmt: skip
    splits_of: dict[str, set[str]] = defaultdict(set)
    for group, split in zip(groups, examples.splits, strict=True):
        splits_of[group].add(split)
    for name, level in ((TEST, STOP), (VAL, STOP)):
        both = {g for g, splits in splits_of.items() if g and {TRAIN, name} <= splits}
        if both:
            rows = sum(g in both and s == name
                       for g, s in zip(groups, examples.splits, strict=True))  # fmt: skip
            yield Finding(
                level, "group_leak",
                f"{counted(len(both), 'value')} of {column!r} are in train and in {name}, with "
                f"{counted(rows, 'image')} of {name}: {some(sorted(both))}. Its figures would "
                "praise what was learned by heart.",
                "Give each group one split, or leave the split column out (--split-column NAME of "
                "none) so that splits are made by group.",
            )  # fmt: skip
    both = {g for g, splits in splits_of.items() if g and {VAL, TEST} <= splits}
    if both:
        yield Finding(
            WARN, "group_val_test",
            f"{counted(len(both), 'value')} of {column!r} are in val and in test: "
            f"{some(sorted(both))}.",
            "What is chosen on val then flatters test. Give each group one split.",
        )  # fmt: skip


def label_counts(examples: Examples) -> dict[str, Counter[str]]:
    """Return how many images each class has in each split."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in SPLITS}
    for label, split in zip(examples.labels, examples.splits, strict=True):
        if label:
            counts[split][label] += 1
    return counts


def label_figures(examples: Examples) -> dict[str, Any]:
    """Return counts of images, labels and groups by split, as plain values."""
    counts = label_counts(examples)
    return {
        "images": {name: examples.splits.count(name) for name in SPLITS},
        "labels": {name: dict(sorted(counts[name].items())) for name in SPLITS if counts[name]},
        "groups": len(set(examples.groups)),
        "group_column": examples.group_column,
        "splits": examples.split_source,
        "left_out": len(examples.faults),
    }
