"""Captions from a class label alone.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision"
(arXiv:2103.00020, section 3.1.4), names the default prompt "A photo of a {label}." and more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEMPLATES = ("a photo of {}.", "a picture of {}.", "an image of {}.")


def label_caption(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return sentences about a record's ``label``; a training draws one of them each time.

    Raises:
        ContractError: the record has no label.

    >>> label_caption({"label": "storage_tanks"})[0]
    'a photo of storage tanks.'
    """
    return fill_templates(record, TEMPLATES)


def fill_templates(record: Mapping[str, Any], templates: Sequence[str]) -> tuple[str, ...]:
    """Return each template around a record's ``label``; underscores are read as spaces.

    Args:
        record: a manifest row.
        templates: each with one ``{}``.

    Raises:
        ContractError: the record has no label.
    """
    value = record.get("label")
    label = " ".join(str("" if value is None else value).replace("_", " ").split())
    if not label:
        raise ContractError("its row has no label. Fill the column, or name it: --label-column.")
    return tuple(template.replace("{}", label) for template in templates)
