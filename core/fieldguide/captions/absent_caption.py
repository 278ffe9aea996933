"""Captions about what is not in an image, from boxes and the classes that were looked for.

A class may be called absent only where an annotator looked for it: it is in the list of classes of
the annotation, and has no box in the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.captions.box_caption import Writer
from fieldguide.captions.box_record import count_boxes, read_record
from fieldguide.captions.caption_templates import box_templates
from fieldguide.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.captions.caption import Caption


def absent_caption(
    record: Mapping[str, Any], *, seed: int = 0, per_image: int = 1
) -> tuple[Caption, ...]:
    """Return captions that each name one class without a box in the image.

    Args:
        record: a row with ``boxes``, ``width``, ``height`` and ``labels``, all classes that were
            looked for; see ``box_record.read_record``.
        seed: the same seed and image give the same captions.
        per_image: how many at most: one for each absent class.

    Raises:
        ContractError: the row does not say which classes were looked for, or has a box that
            cannot be.
    """
    known = read_record(record)
    present = count_boxes(known.image.boxes, box_templates().many_above)
    absent = sorted(set(known.labels) - set(present))
    if not known.labels:
        raise ContractError(
            "nothing says which classes were looked for, so none can be called absent. "
            "Name them: --classes-file FILE"
        )
    templates = box_templates()
    writer = Writer(templates, known.nouns, known.chance(seed, "absent"))
    group = templates.absent + (templates.absent_beside if present else ())
    chosen = writer.chance.sample(absent, min(per_image, len(absent)))
    return tuple(writer.write(writer.choose(group), present, label) for label in chosen)
