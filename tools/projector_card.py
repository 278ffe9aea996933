"""Writes the card of a projector from its measured figures."""

from __future__ import annotations

import textwrap
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.retrieval import CUTOFFS, Recalls
from fieldguide.tuning.projector import ProjectorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from projector_data import FrozenSet, Recipe
    from projector_measures import Figures, Unseen

WEAKEST = 5


def write_card(
    recipe: Recipe,
    data: FrozenSet,
    shipped: Figures,
    runs: Sequence[Figures],
    unseen: Unseen | None,
) -> None:
    """Write the card beside the weights."""
    words = recipe.card
    sections = [
        f"# {recipe.model}",
        _wrap(words["what"]),
        _how(recipe, data),
        "## Data",
        _wrap(words["data"]),
        "\n".join(_wrap(f"* {source}", "  ") for source in words["sources"]),
        _wrap(f"Licence: {words['licence']}"),
        _splits(data),
        _wrap(words["split"]),
        "## Scope",
        _wrap(f"For: {words['scope']}"),
        _wrap(f"Not for: {words['not_for']}"),
        "## Measured quality",
        _quality(recipe, shipped, runs),
        *_retrieval(shipped),
        _weakest(shipped),
        "### Classes that training never saw",
        _unseen(data, unseen),
        "## How it was made",
        _training(recipe),
    ]
    recipe.weights.with_suffix(".md").write_text("\n\n".join(sections) + "\n", "utf-8")


def _how(recipe: Recipe, data: FrozenSet) -> str:
    return _wrap(
        "It joins two frozen towers, EfficientNet-Lite0 trained on ImageNet and the text encoder "
        "all-MiniLM-L6-v2, by one linear layer each. It is not a CLIP: it knows what its own data "
        f"taught it and little else. Use it with `--domain {recipe.domain} --modality "
        f"{recipe.modality}`; the measured prompts are the class set `{recipe.class_set}`, version "
        f"{data.class_set.version}."
    )


def _splits(data: FrozenSet) -> str:
    grouped = data.recipe.group_column is not None
    lines = ["| split | images | groups | classes |", "|---|---|---|---|"]
    for split in ("train", "val", "test"):
        rows = data.rows(split)
        if len(rows):
            groups = f"{len(set(data.groups[rows])):,}" if grouped else "not grouped"
            classes = len(set(data.labels[rows].tolist()))
            lines.append(f"| {split} | {len(rows):,} | {groups} | {classes} |")
    return "\n".join(lines)


def _quality(recipe: Recipe, shipped: Figures, runs: Sequence[Figures]) -> str:
    covered = f"{shipped.macro_classes} classes"
    if recipe.min_groups > 1:
        covered += f" with at least {recipe.min_groups} groups in the test split"
    rows: list[tuple[str, Callable[[Figures], float], str]] = [
        ("top-1", lambda f: f.accuracy.value, str(shipped.accuracy)),
        (f"mean over {covered}", lambda f: f.macro.value, str(shipped.macro)),
        (
            "expected calibration error, 15 bins",
            lambda f: f.calibration_error.value,
            str(shipped.calibration_error),
        ),
    ]
    if shipped.distinct and shipped.each_pair:
        rows += [
            (
                "mean recall, distinct captions",
                lambda f: f.distinct.mean_recall.value if f.distinct else np.nan,
                str(shipped.distinct.mean_recall),
            ),
            (
                "mean recall, each image-caption pair",
                lambda f: f.each_pair.mean_recall.value if f.each_pair else np.nan,
                str(shipped.each_pair.mean_recall),
            ),
        ]
    table = [
        f"| test split | shipped file (seed 0), 95 % interval | {len(runs)} seeds, mean +- sd |",
        "|---|---|---|",
    ]
    for name, figure, text in rows:
        values = 100 * np.array([figure(run) for run in runs])
        spread = values.std(ddof=1) if len(values) > 1 else np.nan
        table.append(f"| {name} | {text} | {values.mean():.1f} +- {spread:.1f} |")
    unit = "single images" if recipe.group_column is None else "whole groups"
    note = (
        f"{shipped.evaluation.classified:,} test images. The shipped file is the float16 one "
        "beside this card, read by the guide from image files to answers. Intervals are "
        f"percentiles of 1,000 bootstrap samples of {unit}; resampling makes that of the "
        "calibration error lean upwards. The other seeds were measured in memory and differ only "
        "in their seed; the shipped one was not chosen by its figures. With the bare labels typed "
        f"in place of the class set, top-1 is {100 * (shipped.by_label or np.nan):.1f} %. The "
        "settings were chosen on a part of the training split and on the val split, where there "
        "is one."
    )
    return "\n".join(table) + "\n\n" + _wrap(note)


def _retrieval(shipped: Figures) -> list[str]:
    if shipped.distinct is None or shipped.each_pair is None:
        return []
    text = (
        "Mean recall is the mean of recall at 1, 5 and 10 from image to text and from text to "
        "image. Counted by distinct captions, a sentence that several images share stands once "
        "in the gallery and all its images are right. Counted by pairs, it stands once for each "
        "image and only that image is right. Equal scores count against the model. This is a "
        "subset of the benchmark with small images: the figures must not be set beside "
        "published ones."
    )
    table = [
        "| recall at 1 / 5 / 10 | image to text | text to image |",
        "|---|---|---|",
        f"| distinct captions | {_both(shipped.distinct)} |",
        f"| each pair | {_both(shipped.each_pair)} |",
    ]
    return ["### Retrieval", _wrap(text), "\n".join(table)]


def _both(recalls: Recalls) -> str:
    sides = (recalls.image_to_text, recalls.text_to_image)
    return " | ".join(" / ".join(f"{100 * side[k]:.1f}" for k in CUTOFFS) for side in sides)


def _weakest(shipped: Figures) -> str:
    seen = [row for row in shipped.evaluation.per_class if row.support]
    weak = sorted(seen, key=lambda row: row.recall)[:WEAKEST]
    named = ", ".join(f"{row.label} {100 * row.recall:.0f} % of {row.support}" for row in weak)
    return _wrap(f"Found least often (share of the class's test images): {named}.")


def _unseen(data: FrozenSet, unseen: Unseen | None) -> str:
    if unseen is None:
        return "Not measured in this run."
    count = len(data.class_set.labels)
    return _wrap(
        "Poor. This is a model for the classes it was trained on, not for an open vocabulary. "
        f"The {count} classes were held out of training in {unseen.folds} parts, one at a time, "
        "and the test images of those classes were asked for. When all classes are offered, "
        f"{100 * unseen.among_all:.1f} % are named rightly: the classes of the training win. "
        f"When only the held-out classes are offered, {100 * unseen.among_held_out:.1f} % are, "
        f"where guessing gives {100 * unseen.chance:.1f} %"
        + (" (one class alone, so this says nothing). " if unseen.chance == 1 else ". ")
        + "The cosine with the name of an unseen class tells its images from the others with an "
        f"area under the ROC curve of {unseen.auroc:.2f} (0.5 is guessing)."
    )


def _training(recipe: Recipe) -> str:
    defaults = ProjectorSettings()
    shown = ", ".join(f"{f.name} {getattr(defaults, f.name)}" for f in fields(defaults))
    command = f"python tools/train_projectors.py DATA_FOLDER --dataset {recipe.dataset}"
    text = (
        "Features: means over space of the last three stages and of the head of the image tower "
        "(1,904 numbers). Loss: InfoNCE on captions, where there are any, and cross-entropy "
        'against the mean prompt of each class, after Maniparambil et al. 2024, "From Unimodal '
        'to Multimodal: Scaling up Projectors to Align Modalities" '
        "(https://arxiv.org/abs/2409.19425). Training views: "
        f"{recipe.card['training_views']}; answers use the image as it is, squashed to 224 x 224 "
        f"px. Settings: {shown}. The logit scale was fitted on images outside the training."
    )
    return f"```\n{command} --seeds 5 --unseen\n```\n\n{_wrap(text)}"


def _wrap(text: str, indent: str = "") -> str:
    """Return lines of at most 100 characters; addresses are never cut."""
    return textwrap.fill(
        " ".join(text.split()),
        100,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
