"""Captions from scene labels, in the sentences that scenes are classified with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fieldguide.captions.label_caption import fill_templates
from fieldguide_remote_sensing.plugin import RGB_SCENE

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOINT = re.compile(r"(?<=[a-z])(?=[A-Z])")


def scene_caption(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the modality's sentences around a scene's label.

    Data sets write labels of several words in one (AID: ``DenseResidential``, UC Merced:
    ``denseresidential``); capitals part them, what has none stays as it is.

    Raises:
        ContractError: the record has no label.

    >>> scene_caption({"label": "DenseResidential"})[0]
    'an aerial photo of dense residential.'
    >>> scene_caption({"label": "bare_land"})[-1]
    'bare land.'
    """
    label = record.get("label")
    parted = _JOINT.sub(" ", label).lower() if isinstance(label, str) else label
    return fill_templates({"label": parted}, RGB_SCENE.templates)
