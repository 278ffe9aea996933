"""Sets of templates by name, in place of a template: ``--template openai_imagenet``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def openai_imagenet() -> tuple[str, ...]:
    """Return the 80 templates for ImageNet of CLIP's authors, as open_clip ships them.

    Radford et al. 2021 (arXiv:2103.00020), section 3.1.4. BioCLIP's authors use them around the
    names of species at test time (Stevens et al. 2023, arXiv:2311.18803), and pybioclip around
    labels of the user's own.
    """
    from open_clip import OPENAI_IMAGENET_TEMPLATES  # with torch

    return tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)


def simple_imagenet() -> tuple[str, ...]:
    """Return the seven best of them together, which CLIP's authors found later (open_clip)."""
    from open_clip import SIMPLE_IMAGENET_TEMPLATES  # with torch

    return tuple(template("{}") for template in SIMPLE_IMAGENET_TEMPLATES)


TEMPLATE_SETS: Mapping[str, Callable[[], tuple[str, ...]]] = {
    "openai_imagenet": functools.cache(openai_imagenet),
    "simple_imagenet": functools.cache(simple_imagenet),
}


def expand_templates(templates: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return templates with the names of sets replaced by what is in them; None stays None.

    Anything else stays as it is, also what is no template, so that the check of templates names it.
    """
    if templates is None:
        return None
    made: list[str] = []
    for template in templates:
        made += TEMPLATE_SETS[template]() if template in TEMPLATE_SETS else (template,)
    return tuple(dict.fromkeys(made))
