"""The 80 prompts that CLIP's authors put around the names of ImageNet's classes.

Radford et al. 2021 (arXiv:2103.00020), section 3.1.4; the list is that of the package open_clip.
"""

from __future__ import annotations

from open_clip import OPENAI_IMAGENET_TEMPLATES

CLIP_TEMPLATES: tuple[str, ...] = tuple(fill("{}") for fill in OPENAI_IMAGENET_TEMPLATES)
"""Each has one ``{}`` where the name goes."""
