"""Captions from boxes: what is in the centre, what is around it, and how many there are.

Liu et al. 2023, "RemoteCLIP: A Vision Language Foundation Model for Remote Sensing"
(arXiv:2306.11029), section III, calls it Box-to-Caption: two captions by place, three that name
some classes at random with their numbers, and "many" or "a lot of" above ten. Its authors released
no code; the sentences and the size of the centre are ours, and stand in ``templates/boxes.yaml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.captions.box_record import BoxRecord, count_boxes, read_record, split_at_center
from fieldguide.captions.caption import Caption
from fieldguide.captions.caption_templates import BoxTemplates, Template, box_templates
from fieldguide.captions.numbers import FORMS, MANY

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from fieldguide.captions.nouns import Noun
    from fieldguide.captions.numbers import Many

PER_IMAGE = 5
BY_PLACE = 2

Counts = dict[str, "int | Many"]


def box_caption(
    record: Mapping[str, Any], *, seed: int = 0, per_image: int = PER_IMAGE
) -> tuple[Caption, ...]:
    """Return captions of an image with boxes, the first two by place and the others by number.

    Where all objects are in the centre, or none is, both captions by place speak of where they
    are. Each names at most three classes; every class it names has a box, and every number is that
    of its boxes.

    Args:
        record: a row with ``boxes``, ``width`` and ``height``; see ``box_record.read_record``.
        seed: the same seed and image give the same captions.
        per_image: how many, at least 1.

    Returns:
        None where the image has no object.

    Raises:
        ContractError: the row has no list of boxes, or a box that cannot be.

    >>> row = {"path": "a.jpg", "width": 100, "height": 100, "boxes": [
    ...     {"label": "ship", "x_min": 40, "y_min": 40, "x_max": 60, "y_max": 60}]}
    >>> [str(caption) for caption in box_caption(row, per_image=1)]
    ['One ship in the middle of the scene.']
    """
    known = read_record(record)
    if not known.image.boxes:
        return ()
    templates = box_templates()
    writer = Writer(templates, known.nouns, known.chance(seed, "boxes"))
    captions = [*_by_place(known, templates, writer), *_by_number(known, per_image, writer)]
    return tuple(captions[:per_image])


def _by_place(known: BoxRecord, templates: BoxTemplates, writer: Writer) -> list[Caption]:
    """Return a caption on the centre and one on the rest, or two on where the objects are."""
    inside, outside = split_at_center(known.image, templates.center_fraction)
    groups = [(templates.center, inside), (templates.outside, outside)]
    filled = [(group, boxes) for group, boxes in groups if boxes]
    if len(filled) < BY_PLACE:
        filled = filled * BY_PLACE
    sentences: list[Caption] = []
    used: set[str] = set()
    for group, boxes in filled:
        template = writer.choose([each for each in group if each.id not in used])
        used.add(template.id)
        sentences.append(writer.write(template, count_boxes(boxes, templates.many_above)))
    return sentences


def _by_number(known: BoxRecord, per_image: int, writer: Writer) -> list[Caption]:
    """Return captions that name some classes at random, in sentences that differ while they can."""
    counts = count_boxes(known.image.boxes, writer.templates.many_above)
    captions: list[Caption] = []
    order: list[Template] = []
    for _ in range(max(0, per_image - BY_PLACE)):
        order = order or writer.shuffled(writer.templates.image)
        captions.append(writer.write(order.pop(), counts))
    return captions


@dataclass(frozen=True)
class Writer:
    """Fills templates with objects; all chance comes from one source."""

    templates: BoxTemplates
    nouns: Mapping[str, Noun]
    chance: random.Random

    def choose(self, group: Sequence[Template]) -> Template:
        """Return one of some templates."""
        return self.chance.choice(group)

    def shuffled(self, group: Sequence[Template]) -> list[Template]:
        """Return templates in random order."""
        return self.chance.sample(list(group), len(group))

    def write(self, template: Template, counts: Counts, absent: str = "") -> Caption:
        """Return a sentence about some of the classes of ``counts``, chosen at random.

        Args:
            template: with the places ``{objects}``, ``{is}`` and ``{absent}``.
            counts: how many each class has.
            absent: a class that has no box.
        """
        text = template.text
        if "{objects}" in text:
            named = self._some(counts)
            first = next(iter(named.values()))
            text = text.replace("{is}", "is" if first == 1 else "are")
            text = text.replace("{objects}", self._listed(named))
        if absent:
            text = text.replace("{absent}", self.nouns[absent].plural)
        return Caption(text[:1].upper() + text[1:], self.templates.name_of(template))

    def _some(self, counts: Counts) -> Counts:
        labels = sorted(counts)
        most = min(self.templates.most_classes, len(labels))
        chosen = self.chance.sample(labels, self.chance.randint(1, most))
        return {label: counts[label] for label in chosen}

    def _listed(self, counts: Counts) -> str:
        """Return "three cars, two ships and many planes"."""
        form = self.chance.choice(FORMS)
        parts = []
        for label, count in counts.items():
            is_many = count == MANY
            amount = self.chance.choice(self.templates.many) if is_many else form[int(count) - 1]
            parts.append(f"{amount} {self.nouns[label].counted(count)}")
        *before, last = parts
        return f"{', '.join(before)} and {last}" if before else last
