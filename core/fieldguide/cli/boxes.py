"""Options by which the boxes of a detector become inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.data.crops import Crops

_ALONE = {"box_confidence": "--box-confidence", "box_margin": "--box-margin",
          "box_labels": "--box-label"}  # fmt: skip

box_options = options.chain(
    click.option("--boxes", type=click.Path(path_type=Path), metavar="FILE",
                 help="Each box of a detector or annotation is an input of its own: MegaDetector's "
                      "JSON, COCO, VOC, YOLO, DOTA; names in it are relative to INPUTS."),
    click.option("--box-confidence", type=click.FloatRange(0, 1),
                 help="From which a detector's box counts. [default: 0.2]"),
    click.option("--box-margin", type=click.FloatRange(0, 10),
                 help="Around a box, as a share of its longer side. [default: 0.1]"),
    click.option("--box-label", "box_labels", multiple=True, metavar="NAME",
                 help="Only boxes with this label; repeat. [default: animal, where the detector "
                      "tells people and vehicles from them; else all]"),
)  # fmt: skip


def boxed_inputs(inputs: Sequence[str], settings: Mapping[str, Any]) -> list[str | Crops]:
    """Return the inputs, or the boxes in them where a box file is named.

    Raises:
        click.UsageError: an option of boxes without a box file.
    """
    given = {name: settings[name] for name in _ALONE if settings[name] not in (None, ())}
    if settings["boxes"] is None:
        if given:
            names = ", ".join(_ALONE[name] for name in given)
            raise click.UsageError(f"{names}: for boxes, and no file of them is named: --boxes.")
        return list(inputs)
    from fieldguide.data.crops import crops  # only when the command runs

    known = {name.removeprefix("box_"): value for name, value in given.items()}
    return [crops(settings["boxes"], list(inputs), **known)]
