"""The prompts of every label of a training: of a class set, or templates around its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.data.routing import group_by_modality
from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import check_templates, fill, load_class_set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide

Prompts = dict[str, tuple[str, ...]]


def label_prompts(
    guide: Guide,
    labels: Sequence[str],
    items: Sequence[Item],
    classes: str | None,
    templates: Sequence[str] | None,
) -> Prompts:
    """Return the prompts of every label.

    Args:
        guide: knows class sets and modalities.
        labels: of the images, "" where one has none.
        items: the images; their modality has templates.
        classes: a class set, or a file with one; its other classes get prompts as well.
        templates: around a label, each with one ``{}``; None for those of the class set or of the
            modality.

    Raises:
        UsageError: a label is not in the class set, a template has no place for it, or two labels
            have the same prompt.
        UnknownNameError: no such class set.
    """
    known = sorted(set(labels) - {""})
    if classes is not None:
        prompts = _of_class_set(guide, known, classes, templates)
    elif known:
        used = _templates(guide, items) if templates is None else templates
        check_templates(used)
        prompts = {label: tuple(fill(used, [label.replace("_", " ")])) for label in known}
    else:
        return {}
    _check_distinct(prompts)
    return prompts


def _of_class_set(
    guide: Guide, known: Sequence[str], classes: str, templates: Sequence[str] | None
) -> Prompts:
    if templates is not None:
        check_templates(templates)
    class_set = load_class_set(classes, guide.catalog)
    unknown = sorted(set(known) - set(class_set.labels))
    if unknown:
        raise UsageError(
            f"{len(unknown)} of the manifest's labels are not in the class set {classes!r}: "
            f"{_some(unknown)}. It has {_some(class_set.labels)}. Write them alike, or leave out "
            "--classes."
        )
    return {label: tuple(texts) for label, texts in class_set.prompts(templates).items()}


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _check_distinct(prompts: Mapping[str, Sequence[str]]) -> None:
    owner: dict[str, str] = {}
    for label, texts in prompts.items():
        for text in texts:
            if owner.setdefault(text, label) != label:
                raise UsageError(
                    f"The labels {owner[text]!r} and {label!r} have the same prompt {text!r}, so "
                    "nothing can tell them apart. Write them alike, or give them names of their "
                    "own in a class set: --classes FILE.yaml"
                )


def _templates(guide: Guide, items: Sequence[Item]) -> tuple[str, ...]:
    """Return the templates of the modality that the user named, or of most items."""
    if guide.planner.modality is not None:
        return guide.planner.modality.templates
    groups = group_by_modality(items, guide.domain, guide.catalog)
    most = max(groups, key=lambda name: (bool(name), len(groups[name])))
    found = (modality for modality in guide.domain.modalities if modality.name == most)
    return next((modality.templates for modality in found), ("{}",))
