"""Options by which the boxes of a detector become inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.data.crops import Crops
    from fieldguide.zeroshot.guided_crop import GuidedCrop

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

guided_option = click.option(
    "--guided-crop", is_flag=True,
    help="Look at each image again where something of the likeliest labels may be: at the surest "
         "box of --boxes, else at windows by the same model. For small objects; slow.",
)  # fmt: skip


def guidance(inputs: Sequence[str], settings: Mapping[str, Any]) -> GuidedCrop | None:
    """Return how images are looked at again; None where that is not asked for."""
    if not settings["guided_crop"]:
        return None
    from fieldguide.data.crops import Cutting  # only when the command runs
    from fieldguide.zeroshot.box_proposers import SlidingWindows, known_boxes
    from fieldguide.zeroshot.guided_crop import GuidedCrop

    if settings["boxes"] is None:
        return GuidedCrop(SlidingWindows())
    known = {name.removeprefix("box_"): value for name, value in _given(settings).items()}
    found = known_boxes(settings["boxes"], list(inputs), Cutting(**known))
    return GuidedCrop(found, margins=(0.0,), top=None, weight=1.0)  # a detector knows better


def boxed_inputs(inputs: Sequence[str], settings: Mapping[str, Any]) -> list[str | Crops]:
    """Return the inputs, or the boxes in them where a box file is named.

    Raises:
        click.UsageError: an option of boxes without a box file.
    """
    given = _given(settings)
    if settings["boxes"] is None:
        if given:
            names = ", ".join(_ALONE[name] for name in given)
            raise click.UsageError(f"{names}: for boxes, and no file of them is named: --boxes.")
        return list(inputs)
    if settings.get("guided_crop"):  # the boxes guide; inputs are whole images
        return list(inputs)
    from fieldguide.data.crops import crops  # only when the command runs

    known = {name.removeprefix("box_"): value for name, value in given.items()}
    return [crops(settings["boxes"], list(inputs), **known)]


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in _ALONE if settings[name] not in (None, ())}
